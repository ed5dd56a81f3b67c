import { type Clock, createLoop, type Logger, type Timer } from '@belfry/service'
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
 * nothing waits for the poll.
 */
export function createAdvanceLoop({ due, clock, log, pollMs, onTick }: AdvanceOptions): AdvanceLoop {
  let alarm: { at: number; timer: Timer } | null = null
  let hasResumed = false
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

  async function workOff(): Promise<Worked> {
    if (hasResumed) return due.workOff()
    const resumed = await due.resume()
    hasResumed = true
    return resumed
  }

  /** Answers whether there may be more at once; a turn that could do nothing leaves it to the poll. */
  async function turn(): Promise<boolean> {
    onTick(clock.now())
    worked = { advanced: 0, sent: 0 }
    const nextAt = await due.nextAt()
    if (nextAt === null) hasResumed = true
    else if (hasResumed && nextAt > clock.now()) wakeAt(nextAt)
    else worked = await workOff()
    return worked.advanced > 0
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
