import { type Clock, createLoop, createSteadySince, type Logger } from '@belfry/service'
import type { RowId } from '@belfry/storage'
import type { SchedulerMetrics } from '../metrics.ts'
import type { AdvanceResult, AdvanceSchedules } from '../use-cases/advance-schedules.ts'
import type { DueTimer } from '../use-cases/due-timer.ts'

export interface AdvanceLoopOptions {
  readonly schedules: AdvanceSchedules
  readonly dueTimer: DueTimer
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: SchedulerMetrics
  /** How often the store is polled, milliseconds. The store decides what is due; the timer only saves the wait. */
  readonly pollMs: number
}

export interface AdvanceLoop {
  start(): void
  stop(): Promise<void>
  /** One turn; answers what it did. */
  runOnce(): Promise<AdvanceResult>
}

/** The walk over the records with pending commands. `since`: see `AdvanceSchedules.sendLeftOver`. */
interface Walk {
  readonly since: number
  readonly after: RowId | null
  readonly isDone: boolean
}

/**
 * Advances what is due. The poll reads the earliest due time only, and a timer wakes the loop at the exact moment, so that no
 * fire time waits for the poll. After a start, and after the clock was set back, each turn also sends the commands that are
 * left over in one page of records: their next times may be far ahead, where the poll does not find them.
 */
export function createAdvanceLoop(options: AdvanceLoopOptions): AdvanceLoop {
  const { schedules, dueTimer, clock, log, metrics, pollMs } = options
  const steadySince = createSteadySince(clock)
  let walk: Walk = { since: Number.NaN, after: null, isDone: false }
  let result: AdvanceResult = { advanced: 0, sent: 0 }

  async function sendLeftOver(): Promise<void> {
    const since = steadySince()
    if (since !== walk.since) walk = { since, after: null, isDone: false }
    if (walk.isDone) return
    const { advanced, sent, next } = await schedules.sendLeftOver(since, walk.after)
    walk = { since, after: next, isDone: next === null }
    result = { advanced: result.advanced + advanced, sent: result.sent + sent }
  }

  /** Answers whether there may be more at once; a turn that could do nothing leaves it to the poll. */
  async function turn(): Promise<boolean> {
    metrics.ticked(clock.now())
    result = { advanced: 0, sent: 0 }
    const dueAt = await schedules.nextDueAt()
    if (dueAt !== null && dueAt <= clock.now()) result = await schedules.advanceDue()
    else if (dueAt !== null) dueTimer.wakeAt(dueAt)
    await sendLeftOver()
    return result.advanced > 0 || !walk.isDone
  }

  const loop = createLoop({ name: 'advance', everyMs: pollMs, runOnce: turn, clock, log })

  return {
    start() {
      dueTimer.start(loop.nudge)
      loop.start()
    },
    async stop() {
      dueTimer.stop()
      await loop.stop()
    },
    async runOnce() {
      await loop.runOnce()
      return result
    },
  }
}
