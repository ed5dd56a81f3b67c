import { type Cron, nextLocalTime } from './cron-times.ts'
import { coversTheDay, hasSeveralSlotsAnHour } from './time-of-day.ts'
import type { OffsetPeriod, Zone } from './zone.ts'

/** A clock change that moves, drops or repeats a run of a cron. */
export interface ClockChange {
  readonly kind: 'gap' | 'repeat'
  /** The moment of the change, epoch milliseconds. */
  readonly at: number
  /** What the local clock shows before and after it, milliseconds as if local were UTC. */
  readonly fromLocal: number
  readonly toLocal: number
  /** What becomes of the runs in between: `after` at once after the jump, `first` in the first of two equal times, `both`. */
  readonly runs: 'after' | 'first' | 'both'
}

function changeAt(cron: Cron, { start, offset, reached }: OffsetPeriod): ClockChange | null {
  const toLocal = start + offset
  const between = nextLocalTime(cron, Math.min(reached, toLocal), Math.max(reached, toLocal))
  if (between === null || reached === toLocal) return null
  const at = { at: start, fromLocal: reached, toLocal }
  if (reached < toLocal) return { kind: 'gap', ...at, runs: 'after' }
  return { kind: 'repeat', ...at, runs: hasSeveralSlotsAnHour(cron.times) ? 'both' : 'first' }
}

/**
 * The first gap and the first repeat after `from` and up to `until` (epoch milliseconds) in which the cron has a time. None for a
 * cron that has a slot in every two hours of the day: it follows elapsed time, and no run of it moves (decision 001).
 */
export function clockChangesOf(cron: Cron, zone: Zone, from: number, until: number): ClockChange[] {
  if (coversTheDay(cron.times)) return []
  const found: ClockChange[] = []
  for (let period = zone.periodAt(from); period.end <= until; ) {
    period = zone.periodAt(period.end)
    const change = changeAt(cron, period)
    if (change && !found.some(({ kind }) => kind === change.kind)) found.push(change)
  }
  return found
}
