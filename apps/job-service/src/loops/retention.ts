import type { RetentionClock } from '@belfry/service'
import type { ExecutionStore } from '../domain/ports.ts'
import { copiesBefore, type Keep } from '../domain/retention.ts'
import type { KeptRequests } from '../store/sqlite/requests.ts'

export interface RetentionOptions {
  readonly executions: ExecutionStore
  readonly requests: Pick<KeptRequests, 'purge'>
  readonly retentionClock: RetentionClock
  readonly keep: Keep
  /** Rows that are looked at, and go, at a time. */
  readonly rows: number
}

/** One chunk of everything that was kept for long enough (protocol.md step 15); answers true while there is more at once. */
export function createRetention(options: RetentionOptions): () => Promise<boolean> {
  const { executions, requests, retentionClock, keep, rows } = options
  return async () => {
    const now = await retentionClock.turn()
    if (now === null) return false
    const moreExecutions = await executions.purge(copiesBefore(now, keep.executionsMs), rows)
    const moreRequests = await requests.purge(now - keep.requestsMs, rows)
    return moreExecutions || moreRequests
  }
}
