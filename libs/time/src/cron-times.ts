import {
  type ClockFace,
  countSecondsBefore,
  coversTheDay,
  hasSeveralSlotsAnHour,
  nextSecondOfDay,
} from './clock-face.ts'
import { countDays, type DayRule, nextDay } from './days.ts'
import { createFireTimes, type FireTimes, latestFireAt } from './fire-times.ts'
import type { Stretch, Zone } from './zone.ts'

/** A cron expression as sets: which days, and which seconds of such a day. */
export interface Cron {
  readonly days: DayRule
  readonly face: ClockFace
}

const dayMs = 86_400_000
const secondsPerDay = 86_400

/** A reading: what a local clock shows, in milliseconds as if local were UTC. The first match in [from, until), or null. */
function nextReading(cron: Cron, from: number, until: number): number | null {
  const second = Math.ceil(from / 1000)
  const lastDay = Math.ceil(until / dayMs)
  const today = Math.floor(second / secondsPerDay)
  let day = nextDay(cron.days, today, lastDay)
  if (day === null) return null
  let ofDay = nextSecondOfDay(cron.face, day === today ? second - today * secondsPerDay : 0)
  if (ofDay < 0) {
    day = nextDay(cron.days, today + 1, lastDay)
    if (day === null) return null
    ofDay = nextSecondOfDay(cron.face, 0)
  }
  const reading = day * dayMs + ofDay * 1000
  return reading < until ? reading : null
}

/** How many readings in [from, until) match: whole days by multiplication. */
function countReadings(cron: Cron, from: number, until: number): number {
  if (from >= until) return 0
  return countReadingsOfDays(cron, Math.ceil(from / 1000), Math.ceil(until / 1000))
}

function countReadingsOfDays({ days, face }: Cron, from: number, until: number): number {
  const first = Math.floor(from / secondsPerDay)
  const last = Math.floor(until / secondsPerDay)
  const perDay = countSecondsBefore(face, secondsPerDay)
  const before = nextDay(days, first, first + 1) === null ? 0 : countSecondsBefore(face, from - first * secondsPerDay)
  const after = nextDay(days, last, last + 1) === null ? 0 : countSecondsBefore(face, until - last * secondsPerDay)
  return countDays(days, first, last) * perDay - before + after
}

/**
 * The fire times of a cron in a zone, with the default rules of time.md for clock changes:
 *
 * - A reading that does not exist fires right after the jump: several of them, or one of them and an ordinary slot, are
 *   one fire time. So a whole day that a zone skips gets one fire time after the jump. A schedule that covers the day
 *   (`coversTheDay`) has no fire time there: its next slot is at most two hours away.
 * - Of two equal readings the first fires. A schedule that covers the day, or has several slots an hour, fires at both:
 *   at every moment whose local reading matches, so it never pauses for the length of the repeated hour.
 *
 * Both are found stretch by stretch, where local time is arithmetic; only the seams differ.
 */
export function cronTimes(cron: Cron, zone: Zone): FireTimes {
  const catchesUp = !coversTheDay(cron.face)
  const firesOnce = catchesUp && !hasSeveralSlotsAnHour(cron.face)
  const jumpedOver = ({ start, offset, reached }: Stretch) =>
    catchesUp &&
    nextReading(cron, reached, start + offset) !== null &&
    nextReading(cron, start + offset, start + offset + 1) === null
  /** The first reading that counts when looking from `at` on. */
  const firstReading = (stretch: Stretch, at: number) =>
    firesOnce ? Math.max(at + stretch.offset, stretch.reached) : at + stretch.offset

  return createFireTimes({
    firstFrom(at) {
      for (let from = at; from <= latestFireAt; ) {
        const stretch = zone.stretchAt(from)
        if (from === stretch.start && jumpedOver(stretch)) return from
        const until = Math.min(stretch.end, latestFireAt + 1) + stretch.offset
        const reading = nextReading(cron, firstReading(stretch, from), until)
        if (reading !== null) return reading - stretch.offset
        from = stretch.end
      }
      return null
    },
    countIn(first, last) {
      let count = 0
      for (let from = first; from <= last; ) {
        const stretch = zone.stretchAt(from)
        if (from === stretch.start && jumpedOver(stretch)) count++
        count += countReadings(cron, firstReading(stretch, from), Math.min(stretch.end, last + 1) + stretch.offset)
        from = stretch.end
      }
      return count
    },
  })
}
