import type { JobStatusMessage } from '@belfry/contracts'
import { type Clock, pause } from '@belfry/service'
import { LRUCache } from 'lru-cache'
import type { ExecutionRecords } from '../clients/execution-records.ts'
import { type EventPosition, executionEventOf, type FeedEvent, jobEventOf } from '../domain/events.ts'
import type { JobContext } from './context.ts'
import { recordEvents } from './record-events.ts'

/** What has changed after a position: at most a page of jobs and one of executions. */
export interface FeedPage {
  readonly events: readonly FeedEvent[]
  readonly position: EventPosition
  /** No record will be stored any more with a number up to this one that is not there yet. */
  readonly settled: EventPosition
  readonly hasMore: boolean
}

/** The changes of all jobs and executions, in the order of their change numbers. */
export interface ChangeFeed {
  /**
   * The position at which a reader begins: every change that is stored after the answer comes behind it. So the newest one is answered
   * only once it has settled, or the signal is aborted. What was cached before does not count any more.
   */
  head(signal: AbortSignal): Promise<EventPosition>
  read(after: EventPosition): Promise<FeedPage>
}

export interface ChangeFeedOptions {
  readonly context: Pick<JobContext, 'stores'>
  readonly records: Pick<ExecutionRecords, 'list' | 'fetch'>
  readonly clock: Pick<Clock, 'monotonic' | 'now' | 'callAfter'>
  /** Changes of each kind that are read at a time, at most 200. */
  readonly rows: number
  /**
   * How long a change number may have been handed out before its record is stored, milliseconds: changes are shown that much later.
   * 0 where the store of one process hands the numbers out in order.
   */
  readonly settleMs: number
}

/** Jobs whose viewers are cached. The feed itself sees every change of them while it is read. */
const viewersLimit = 50_000
const beyondAll = Number.MAX_SAFE_INTEGER

/** The newest head that was seen `settleMs` ago; 0 before that. */
function createSettledHead(clock: Pick<Clock, 'monotonic'>, settleMs: number): (head: number) => number {
  let seen: { readonly head: number; readonly at: number }[] = []
  return (head) => {
    if (settleMs === 0) return beyondAll
    const at = clock.monotonic()
    if (seen.some((one) => one.head > head)) seen = []
    seen.push({ head, at })
    const settled = seen.findLastIndex((one) => at - one.at >= settleMs)
    seen = seen.slice(Math.max(0, settled))
    return settled === -1 ? 0 : (seen[0]?.head ?? 0)
  }
}

/**
 * Reads changes by the numbers that the stores which own the records hand out (decision 029): jobs from the own store, executions from
 * the executors. Each instance reads the same list, so that any of them continues a stream. A record that has changed again
 * since it was listed comes with its newer number instead.
 */
export function createChangeFeed({ context, records, clock, rows, settleMs }: ChangeFeedOptions): ChangeFeed {
  const { jobs, executions } = context.stores
  // With `max` the cache would take the memory of all its places when it is made.
  const viewersOf = new LRUCache<string, readonly string[]>({ maxSize: viewersLimit, sizeCalculation: () => 1 })
  const settledJobs = createSettledHead(clock, settleMs)
  const settledExecutions = createSettledHead(clock, settleMs)
  const listJobs = (after: number, limit: number) => jobs.listChanges({ after, limit, unlistedBefore: 0 })

  async function readViewers(jobId: string): Promise<readonly string[]> {
    const known = viewersOf.get(jobId)
    if (known) return known
    const viewers = (await jobs.findById(jobId))?.viewers.map(({ id }) => id) ?? []
    viewersOf.set(jobId, viewers)
    return viewers
  }

  async function readJobs(after: number) {
    const { rows: found, head } = await listJobs(after, rows)
    const settled = settledJobs(head)
    const listed = found.filter(({ changeNo }) => changeNo <= settled)
    const read = await Promise.all(listed.map(({ id }) => jobs.findById(id)))
    const events = listed.flatMap(({ version, changeNo }, index): FeedEvent[] => {
      const job = read[index]
      if (!job) return []
      const event = jobEventOf(job, changeNo)
      viewersOf.set(job.id, event.viewers)
      return job.version === version ? [event] : []
    })
    return { events, settled, last: listed.at(-1)?.changeNo ?? after, isFull: listed.length === rows }
  }

  async function fetchStates(ids: readonly string[]): Promise<Map<string, JobStatusMessage>> {
    const states = new Map<string, JobStatusMessage>()
    if (ids.length === 0) return states
    for await (const { records: found } of records.fetch(ids)) for (const one of found) states.set(one.executionId, one)
    return states
  }

  /** A reader that asks for the execution of an event finds it as the event says. */
  async function copy(messages: readonly JobStatusMessage[]): Promise<void> {
    const seqs = await executions.readSeqs(messages.map(({ executionId }) => executionId))
    const newer = messages.filter(({ seq }, index) => (seqs[index] ?? -1) < seq)
    if (newer.length === 0) return
    await recordEvents({ stores: context.stores, clock }, newer)
    await executions.applyStatuses(newer)
  }

  async function readExecutions(after: number) {
    const { rows: found, head } = await records.list(after, rows)
    const settled = settledExecutions(head)
    const listed = found.filter(({ changeNo }) => changeNo <= settled)
    const states = await fetchStates(listed.map(({ id }) => id))
    await copy([...states.values()])
    const current = listed.filter(({ id, seq }) => states.get(id)?.seq === seq)
    const viewers = await Promise.all(current.map(({ id }) => readViewers(states.get(id)?.jobId ?? '')))
    const events = current.map(({ id, changeNo }, index) =>
      executionEventOf(states.get(id) as JobStatusMessage, changeNo, viewers[index] ?? []),
    )
    return { events, settled, last: listed.at(-1)?.changeNo ?? after, isFull: listed.length === rows }
  }

  return {
    async head(signal) {
      const [ofJobs, ofExecutions] = await Promise.all([listJobs(beyondAll, 1), records.list(beyondAll, 1)])
      // A record may still come with a number below these: it was changed before the reader began only if it is stored by then.
      settledJobs(ofJobs.head)
      settledExecutions(ofExecutions.head)
      if (settleMs > 0) await pause(clock, settleMs, signal)
      viewersOf.clear()
      return { jobs: ofJobs.head, executions: ofExecutions.head }
    },
    async read(after) {
      const [ofJobs, ofExecutions] = await Promise.all([readJobs(after.jobs), readExecutions(after.executions)])
      return {
        events: [...ofJobs.events, ...ofExecutions.events],
        position: { jobs: ofJobs.last, executions: ofExecutions.last },
        settled: { jobs: ofJobs.settled, executions: ofExecutions.settled },
        hasMore: ofJobs.isFull || ofExecutions.isFull,
      }
    },
  }
}
