import type { RetentionClock } from '@belfry/service'
import type { ExecutionStore, JobStore } from '../domain/ports.ts'
import { copiesBefore, type Keep, mayForget } from '../domain/retention.ts'
import type { KeptRequests } from '../store/sqlite/requests.ts'

export interface RetentionOptions {
  readonly jobs: Pick<JobStore, 'page' | 'purge'>
  readonly executions: Pick<ExecutionStore, 'purge'>
  readonly requests: Pick<KeptRequests, 'purge'>
  readonly retentionClock: RetentionClock
  readonly keep: Keep
  /** Rows that are looked at, and go, at a time. */
  readonly rows: number
}

/**
 * One chunk of everything that was kept for long enough (protocol.md step 15): copies of executions first, then jobs without
 * any, of which every turn looks at the next page, then requests. Answers true while more copies or requests can go at once.
 */
export function createRetention(options: RetentionOptions): () => Promise<boolean> {
  const { jobs, executions, requests, retentionClock, keep, rows } = options
  let last = 0
  return async () => {
    const now = await retentionClock.turn()
    if (now === null) return false
    const before = copiesBefore(now, keep.executionsMs)
    const moreExecutions = await executions.purge(before, rows)
    const page = await jobs.page(last, rows)
    await jobs.purge(page.filter((one) => mayForget(one, before)))
    last = page.length === rows ? (page.at(-1)?.handle ?? 0) : 0
    const moreRequests = await requests.purge(now - keep.requestsMs, rows)
    return moreExecutions || moreRequests
  }
}
