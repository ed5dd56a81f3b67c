import { type JobChangesMessage, type JobVersionsPage, jobsReply, jobVersionsPage } from '@belfry/contracts'
import type { RestClient, RestResponse } from '@belfry/discovery'
import type { Clock, Counter } from '@belfry/service'
import type { Hearing } from '../domain/hearing.ts'
import type { CursorStore, ScheduleStore } from '../domain/ports.ts'

export interface ReconcileOptions {
  readonly rest: RestClient
  readonly schedules: ScheduleStore
  readonly cursors: CursorStore
  readonly hearing: Hearing
  readonly repaired: Counter
  readonly clock: Clock
  /** Job versions that are compared at once. */
  readonly rows: number
  /** How long a change may have been stored before it can be listed, milliseconds. */
  readonly settleMs: number
  /** The bus may lose messages, so that changes are listed at once and not only when they have settled. */
  readonly mayLose: boolean
  /** For one answer of job-service, milliseconds. */
  readonly deadlineMs: number
}

type Versions = JobVersionsPage['data']

/** The time of change, on job-service's clock, up to which everything was taken over. */
const cursorName = 'job-service'
/** Ids that one fetch may name (contracts, `fetchBody`). */
const fetchLimit = 200

/** What the answering service's clock showed, epoch milliseconds; 0 when it does not say. */
function sentAt({ headers }: RestResponse): number {
  return Date.parse(String(headers.date)) || 0
}

/**
 * One round of comparing the versions of the schedules with those of the jobs, by time of change on job-service's clock,
 * and of taking over what differs (protocol.md, step 14). The cursor follows that clock (or ours, whichever is behind),
 * less `settleMs`: what changed before then has been listed, so a round in which nothing changed lists nothing. A change
 * that had no room holds the cursor back, so that the next round finds it again.
 */
export function createReconcile(options: ReconcileOptions): () => Promise<void> {
  const { rest, schedules, cursors, hearing, repaired, clock, rows, settleMs, mayLose, deadlineMs } = options
  let cursor: number | null = null
  let stored = 0

  async function ask(method: 'GET' | 'POST', path: string, body?: unknown): Promise<RestResponse> {
    const answer = await rest.request({ service: 'job-service', method, path, body, deadlineMs })
    if (answer.status !== 200) throw new Error(`job-service answered ${answer.status} to ${method} ${path}`)
    return answer
  }

  /** Takes over the jobs whose versions differ; answers those for which there was no room. */
  async function repair(page: Versions): Promise<readonly JobChangesMessage[]> {
    const own = await schedules.versions(page.map(({ id }) => id))
    const behind = page.filter(({ version }, index) => (own[index] ?? 0) < version).map(({ id }) => id)
    const deferred: JobChangesMessage[] = []
    for (let from = 0; from < behind.length; from += fetchLimit) {
      const { body } = await ask('POST', '/internal/jobs/fetch', { ids: behind.slice(from, from + fetchLimit) })
      const { data } = jobsReply.parse(body)
      deferred.push(...(await hearing.takeChanges(data)))
      repaired.inc({}, data.length)
    }
    return deferred
  }

  /** Everything that changed by `settledAt` was compared, `newest` being the last of it; but what `heldBack` says. */
  async function compareFrom(since: number, listsAll: boolean) {
    let [newest, heldBack, settledAt] = [0, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
    let place = { since, after: 0 }
    for (;;) {
      const askedAt = clock.now()
      const query = `since=${place.since}&after=${place.after}&limit=${rows}`
      const answer = await ask('GET', `/internal/jobs/changes?${query}`)
      settledAt = Math.min(settledAt, Math.min(sentAt(answer), askedAt) - settleMs)
      const { data } = jobVersionsPage.parse(answer.body)
      const deferred = new Set((await repair(data)).map(({ jobId }) => jobId))
      for (const { id, changedAt, n } of data) {
        if (deferred.has(id)) heldBack = Math.min(heldBack, changedAt)
        if (changedAt <= settledAt) newest = changedAt
        place = { since: changedAt, after: n }
      }
      if (data.length < rows || (!listsAll && place.since > settledAt)) return { newest, heldBack, settledAt }
    }
  }

  return async () => {
    const isFirst = cursor === null
    cursor ??= stored = await cursors.read(cursorName)
    const { newest, heldBack, settledAt } = await compareFrom(cursor, isFirst || mayLose)
    cursor = Math.min(Math.max(cursor, settledAt), heldBack)
    // What only the clock has moved need not survive a restart.
    const reached = Math.min(Math.max(stored, newest), heldBack)
    if (reached === stored) return
    await cursors.write(cursorName, reached)
    stored = reached
  }
}
