import { createFireTimes, earliestFireAt, type FireTimes, latestFireAt } from './fire-times.ts'
import { stableSlot } from './slots.ts'

/** Options of a recurring schedule, milliseconds; each is absent where the schedule does not set it. */
export interface WindowOptions {
  /** There is no fire time before it. */
  startAt?: number | undefined
  /** There is no fire time after it. */
  endAt?: number | undefined
  /** Every fire time is later by the same part of it, below it, which the seed alone decides. */
  jitterMs?: number | undefined
}

/** By how much the fire times of a job are later, milliseconds: the same for all of them, from 0 to below `jitterMs`. */
export function jitterShiftMs(seed: string, jitterMs: number): number {
  return jitterMs < 1 ? 0 : stableSlot(seed, 'jitter', jitterMs)
}

/**
 * The fire times of a schedule with its options (docs/schedules.md): each is shifted by the jitter first, and what then
 * lies outside of the window does not exist. The shift is one number for all of them, so they keep their order, their
 * distances and their count, however long the jitter is.
 */
export function inWindow(times: FireTimes, options: WindowOptions, seed: string): FireTimes {
  const { startAt = earliestFireAt, endAt = latestFireAt, jitterMs = 0 } = options
  const shiftMs = jitterShiftMs(seed, jitterMs)
  const lastAt = Math.min(endAt, latestFireAt)
  if (shiftMs === 0 && startAt <= earliestFireAt && lastAt === latestFireAt) return times
  return createFireTimes({
    firstFrom(at) {
      const found = times.next(Math.max(at, startAt) - shiftMs - 1)
      return found === null || found + shiftMs > lastAt ? null : found + shiftMs
    },
    countIn: (from, to) => times.count(Math.max(from, startAt) - shiftMs, Math.min(to, lastAt) - shiftMs),
  })
}
