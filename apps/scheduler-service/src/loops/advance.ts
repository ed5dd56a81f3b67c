import { type Clock, createLoop, createSteadySince, type Logger, type Timer } from '@belfry/service'
import type { DueSchedules, Worked } from '../domain/due.ts'

export interface AdvanceOptions {
  readonly due: DueSchedules
  readonly clock: Clock
  readonly log: Logger
  /** How often the store is asked, milliseconds: it is the truth. */
  readonly pollMs: number
  /** Told when a turn begins, epoch milliseconds. */
  readonly onTick: (at: number) => void
}

export interface AdvanceLoop {
  start(): void
  stop(): Promise<void>
  /** One turn; answers what it did. */
  runOnce(): Promise<Worked>
  /** A record is due at `at`, epoch milliseconds. The poll would find it too, up to `pollMs` later. */
  wakeAt(at: number): void
}

/**
 * Works off what is due. The poll asks for the earliest due time only; a timer is armed for the exact moment, so that
 * nothing waits for the poll. At the start, and after the clock was set back, each turn also takes a page of what was left
 * behind: the next times of that may lie far ahead, so that they would not find it.
 */
export function createAdvanceLoop({ due, clock, log, pollMs, onTick }: AdvanceOptions): AdvanceLoop {
  let alarm: { at: number; timer: Timer } | null = null
  const steadySince = createSteadySince(clock)
  let since = Number.NaN
  /** The handle up to which what was left behind has been taken; null when all of it has. */
  let resumed: number | null = null
  let worked: Worked = { advanced: 0, sent: 0 }

  const loop = createLoop({ name: 'advance', everyMs: pollMs, runOnce: turn, clock, log })

  function wakeAt(at: number): void {
    const now = clock.now()
    if (at <= now) loop.nudge()
    if (at <= now || at > now + pollMs || (alarm && alarm.at <= at)) return
    alarm?.timer.cancel()
    const ring = () => {
      alarm = null
      loop.nudge()
    }
    alarm = { at, timer: clock.callAt(at, ring) }
  }

  async function resume(): Promise<void> {
    const steady = steadySince()
    if (steady !== since) [since, resumed] = [steady, 0]
    if (resumed === null) return
    const { advanced, sent, next } = await due.resume(since, resumed)
    resumed = next
    worked = { advanced: worked.advanced + advanced, sent: worked.sent + sent }
  }

  /** Answers whether there may be more at once; a turn that could do nothing leaves it to the poll. */
  async function turn(): Promise<boolean> {
    onTick(clock.now())
    worked = { advanced: 0, sent: 0 }
    const nextAt = await due.nextAt()
    if (nextAt !== null && nextAt <= clock.now()) worked = await due.workOff()
    else if (nextAt !== null) wakeAt(nextAt)
    await resume()
    return worked.advanced > 0 || resumed !== null
  }

  return {
    start: loop.start,
    async stop() {
      alarm?.timer.cancel()
      alarm = null
      await loop.stop()
    },
    async runOnce() {
      await loop.runOnce()
      return worked
    },
    wakeAt,
  }
}
