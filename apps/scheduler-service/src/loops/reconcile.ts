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
  /** How far before the end of the last round a round begins, milliseconds. */
  readonly overlapMs: number
  /** For one answer of job-service, milliseconds. */
  readonly deadlineMs: number
}

type Versions = JobVersionsPage['data']

/** Ids that one fetch may name (contracts, `fetchBody`). */
const fetchLimit = 200

/** What the answering service's clock showed, epoch milliseconds; 0 when it does not say. */
function sentAt({ headers }: RestResponse): number {
  return Date.parse(String(headers.date)) || 0
}

/**
 * One round of comparing the versions of the schedules with those of the jobs, by time of change on job-service's clock,
 * and of taking over what differs (protocol.md, step 14). It repairs every lost message. A change that had no room holds
 * the cursor back, so that the next round finds it again. As the cursor moves with the clock as well (job-service's or
 * ours, whichever is behind), a round in which nothing has changed lists nothing, however many jobs changed last.
 */
export function createReconcile(options: ReconcileOptions): () => Promise<void> {
  const { rest, schedules, cursors, hearing, repaired, clock, rows, overlapMs, deadlineMs } = options
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

  /** Everything up to `newest`, the last change that was listed, was compared; but for those from `heldBack` on. */
  async function compareFrom(since: number) {
    let [newest, heldBack, startedAt] = [0, Number.POSITIVE_INFINITY, clock.now()]
    let place = { since, after: 0 }
    for (;;) {
      const query = `since=${place.since}&after=${place.after}&limit=${rows}`
      const answer = await ask('GET', `/internal/jobs/changes?${query}`)
      startedAt = Math.min(startedAt, sentAt(answer))
      const { data } = jobVersionsPage.parse(answer.body)
      const deferred = new Set((await repair(data)).map(({ jobId }) => jobId))
      for (const { id, changedAt, n } of data) {
        if (deferred.has(id)) heldBack = Math.min(heldBack, changedAt)
        newest = Math.max(newest, changedAt)
        place = { since: changedAt, after: n }
      }
      if (data.length < rows) return { newest, heldBack, startedAt }
    }
  }

  return async () => {
    if (cursor === null) cursor = stored = await cursors.read()
    const { newest, heldBack, startedAt } = await compareFrom(Math.max(0, cursor - overlapMs))
    cursor = Math.min(Math.max(cursor, newest, startedAt), heldBack)
    // What only the clock has moved need not survive a restart.
    const settled = Math.min(Math.max(stored, newest), heldBack)
    if (settled === stored) return
    await cursors.write(settled)
    stored = settled
  }
}
