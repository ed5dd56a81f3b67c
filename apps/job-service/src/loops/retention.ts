import { createWalkPace, type RetentionClock, walkPages } from '@belfry/service'
import type { RowId } from '@belfry/storage'
import { copiesBefore, mayPurge, type Retention } from '../domain/retention.ts'
import type { AgedJob, Stores } from '../store/ports.ts'

export interface RetentionOptions {
  readonly stores: Pick<Stores, 'jobs' | 'executions' | 'requests'>
  readonly retentionClock: RetentionClock
  readonly retention: Retention
  /** Rows that are looked at, and purged, at a time. */
  readonly rows: number
  /** Pages of jobs in a row without one to purge that are read at once. */
  readonly pages: number
  /** Whether this instance removes what is old, and not another one. */
  readonly takesTurn: () => boolean
}

/**
 * One iteration of removing what was stored for long enough (docs/protocol.md step 15): copies of executions first, then jobs
 * without any, of which every iteration looks at the next page, then requests. Answers true while more of them can go at
 * once.
 */
export function createRetention(options: RetentionOptions): () => Promise<boolean> {
  const { retentionClock, retention, rows, pages, takesTurn } = options
  const { jobs, executions, requests } = options.stores
  const nextPage = walkPages<AgedJob, RowId>((after) => jobs.listAges(after, rows))
  const goesOn = createWalkPace(pages)
  return async () => {
    const now = await retentionClock.turn()
    if (now === null || !takesTurn()) return false
    const before = copiesBefore(now, retention)
    const moreExecutions = await executions.purgeEnded(before, rows)
    const page = await nextPage()
    const purgedJobs = await jobs.purgeMany(page.rows.filter((one) => mayPurge(one, before)))
    const moreJobs = goesOn(page, purgedJobs)
    const moreRequests = await requests.purge(now - retention.requestsMs, rows)
    return moreExecutions || moreJobs || moreRequests
  }
}
