import { createWalkPace, type RetentionClock, walkPages } from '@belfry/service'
import type { RowId } from '@belfry/storage'
import { horizonOf, isPurgeable } from '../domain/retention.ts'
import type { FireLogStore, ScheduleStore } from '../store/ports.ts'

export interface PurgeEndedOptions {
  readonly schedules: ScheduleStore
  readonly fireLog: FireLogStore
  readonly retentionClock: RetentionClock
  /** How long what is over is kept, milliseconds. */
  readonly retentionMs: number
  /** Rows that are read, and removed, at a time. */
  readonly rows: number
  /** Pages of schedules in a row without one to remove that are read at once. */
  readonly pages: number
  /** Whether this scheduler removes what is over, and not another one. */
  readonly takesTurn: () => boolean
}

/**
 * One turn of the retention loop (docs/protocol.md step 15): removes a chunk of the fire log, and the purgeable schedules of one
 * page. Every turn reads the next page of summaries; that needs no index. Answers whether more of either can be removed at
 * once.
 */
export function createPurgeEnded(options: PurgeEndedOptions): () => Promise<boolean> {
  const { schedules, fireLog, retentionClock, retentionMs, rows: limit, pages, takesTurn } = options
  const nextPage = walkPages((after: RowId | null) => schedules.listSummaries(after, limit))
  const goesOn = createWalkPace(pages)
  return async () => {
    const now = await retentionClock.turn()
    if (now === null || !takesTurn()) return false
    const horizon = horizonOf(now, retentionMs)
    const page = await nextPage()
    const old = page.rows.filter((one) => isPurgeable(one, horizon))
    const moreSchedules = goesOn(page, await schedules.purgeManyIfUnchanged(old))
    return (await fireLog.purge(horizon, limit)) || moreSchedules
  }
}
