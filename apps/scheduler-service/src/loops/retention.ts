import type { RetentionClock } from '@belfry/service'
import type { FireLogStore, ScheduleStore } from '../domain/ports.ts'
import { horizonOf, mayGo } from '../domain/retention.ts'

export interface RetentionOptions {
  readonly schedules: ScheduleStore
  readonly fireLog: FireLogStore
  readonly retentionClock: RetentionClock
  /** How long what is over is kept, milliseconds. */
  readonly retentionMs: number
  /** Rows that are looked at, and go, at a time. */
  readonly rows: number
}

/**
 * One turn of clearing away (protocol.md step 15): a chunk of the fire log, and a page of the schedules, of which every turn
 * looks at the next; that needs no index. Answers true while more of the fire log can go at once.
 */
export function createRetention(options: RetentionOptions): () => Promise<boolean> {
  const { schedules, fireLog, retentionClock, retentionMs, rows } = options
  let last = 0
  return async () => {
    const now = await retentionClock.turn()
    if (now === null) return false
    const horizon = horizonOf(now, retentionMs)
    const page = await schedules.glance(last, rows)
    await schedules.purge(page.filter((one) => mayGo(one, horizon)))
    last = page.length === rows ? (page.at(-1)?.n ?? 0) : 0
    return fireLog.purge(horizon, rows)
  }
}
