import { type Bits, countBelow, countBits, hasBit, nextBit } from './bits.ts'

/** The seconds, minutes and hours of a cron on each of its days. None of them is empty. */
export interface TimesOfDay {
  readonly seconds: Bits
  readonly minutes: Bits
  readonly hours: Bits
}

/** The first matching second of the day at or after `from` (0 to 86,399), or -1. By carry, without a walk. */
export function nextSecondOfDay(times: TimesOfDay, from: number): number {
  const hour = Math.floor(from / 3600)
  const minute = Math.floor(from / 60) % 60
  if (hasBit(times.hours, hour)) {
    if (hasBit(times.minutes, minute)) {
      const second = nextBit(times.seconds, from % 60)
      if (second >= 0) return hour * 3600 + minute * 60 + second
    }
    const later = nextBit(times.minutes, minute + 1)
    if (later >= 0) return hour * 3600 + later * 60 + nextBit(times.seconds, 0)
  }
  const laterHour = nextBit(times.hours, hour + 1)
  return laterHour < 0 ? -1 : laterHour * 3600 + nextBit(times.minutes, 0) * 60 + nextBit(times.seconds, 0)
}

/** How many seconds of the day before `second` (0 to 86,400) match. */
export function countSecondsBefore(times: TimesOfDay, second: number): number {
  const perMinute = countBits(times.seconds)
  const perHour = countBits(times.minutes) * perMinute
  const hour = Math.floor(second / 3600)
  const minute = Math.floor(second / 60) % 60
  let count = countBelow(times.hours, hour) * perHour
  if (hour > 23 || !hasBit(times.hours, hour)) return count
  count += countBelow(times.minutes, minute) * perMinute
  return hasBit(times.minutes, minute) ? count + countBelow(times.seconds, second % 60) : count
}

/**
 * Whether the hours leave no two neighbouring hours of the day without a slot: `*`, a step of 2, `0-22`. The
 * set of hours alone decides, so that two spellings of one schedule behave the same (decision 001).
 */
export function coversTheDay(times: TimesOfDay): boolean {
  for (let hour = 0; hour < 24; hour++) {
    if (!hasBit(times.hours, hour) && !hasBit(times.hours, (hour + 1) % 24)) return false
  }
  return true
}

/** Whether one of the hours has more than one slot (a step of 5 minutes, `0,30`, two seconds of one minute). */
export function hasSeveralSlotsAnHour(times: TimesOfDay): boolean {
  return countBits(times.minutes) * countBits(times.seconds) > 1
}
