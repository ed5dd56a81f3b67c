import { type Bits, countBelow, countBits, hasBit, nextBit } from './bits.ts'

/** The seconds, minutes and hours that a cron asks for on every day that it asks for. None of them is empty. */
export interface ClockFace {
  readonly seconds: Bits
  readonly minutes: Bits
  readonly hours: Bits
}

/** The first matching second of the day at or after `from` (0 to 86,399), or -1. Found by carry, not by walking. */
export function nextSecondOfDay(face: ClockFace, from: number): number {
  const hour = Math.floor(from / 3600)
  const minute = Math.floor(from / 60) % 60
  if (hasBit(face.hours, hour)) {
    if (hasBit(face.minutes, minute)) {
      const second = nextBit(face.seconds, from % 60)
      if (second >= 0) return hour * 3600 + minute * 60 + second
    }
    const later = nextBit(face.minutes, minute + 1)
    if (later >= 0) return hour * 3600 + later * 60 + nextBit(face.seconds, 0)
  }
  const laterHour = nextBit(face.hours, hour + 1)
  return laterHour < 0 ? -1 : laterHour * 3600 + nextBit(face.minutes, 0) * 60 + nextBit(face.seconds, 0)
}

/** How many seconds of the day before `second` (0 to 86,400) match. */
export function countSecondsBefore(face: ClockFace, second: number): number {
  const perMinute = countBits(face.seconds)
  const perHour = countBits(face.minutes) * perMinute
  const hour = Math.floor(second / 3600)
  const minute = Math.floor(second / 60) % 60
  let count = countBelow(face.hours, hour) * perHour
  if (hour > 23 || !hasBit(face.hours, hour)) return count
  count += countBelow(face.minutes, minute) * perMinute
  return hasBit(face.minutes, minute) ? count + countBelow(face.seconds, second % 60) : count
}

/**
 * Whether the hours of the face leave no two neighbouring hours of the day without a slot: `*`, a step of 2, `0-22`. The
 * set of hours alone decides, so that two spellings of one schedule behave the same (decision 001).
 */
export function coversTheDay(face: ClockFace): boolean {
  for (let hour = 0; hour < 24; hour++) {
    if (!hasBit(face.hours, hour) && !hasBit(face.hours, (hour + 1) % 24)) return false
  }
  return true
}

/** Whether an hour that the face asks for has more than one slot (a step of 5 minutes, `0,30`, two seconds of one minute). */
export function hasSeveralSlotsAnHour(face: ClockFace): boolean {
  return countBits(face.minutes) * countBits(face.seconds) > 1
}
