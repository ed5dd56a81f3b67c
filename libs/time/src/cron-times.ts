import { countDays, type DayRule, nextDay } from './days.ts'
import { createFireTimes, type FireTimes, latestFireAt } from './fire-times.ts'
import {
  countSecondsBefore,
  coversTheDay,
  hasSeveralSlotsAnHour,
  nextSecondOfDay,
  type TimesOfDay,
} from './time-of-day.ts'
import type { OffsetPeriod, Zone } from './zone.ts'

/** A cron expression as sets: its days, and its times of such a day. */
export interface Cron {
  readonly days: DayRule
  readonly times: TimesOfDay
}

const dayMs = 86_400_000
const secondsPerDay = 86_400

/** The first matching local time in [from, until), or null. Local times are milliseconds as if local were UTC. */
export function nextLocalTime(cron: Cron, from: number, until: number): number | null {
  const second = Math.ceil(from / 1000)
  const lastDay = Math.ceil(until / dayMs)
  const today = Math.floor(second / secondsPerDay)
  let day = nextDay(cron.days, today, lastDay)
  if (day === null) return null
  let ofDay = nextSecondOfDay(cron.times, day === today ? second - today * secondsPerDay : 0)
  if (ofDay < 0) {
    day = nextDay(cron.days, today + 1, lastDay)
    if (day === null) return null
    ofDay = nextSecondOfDay(cron.times, 0)
  }
  const localTime = day * dayMs + ofDay * 1000
  return localTime < until ? localTime : null
}

/** How many local times in [from, until) match: whole days by multiplication. */
function countLocalTimes(cron: Cron, from: number, until: number): number {
  if (from >= until) return 0
  return countLocalTimesOfDays(cron, Math.ceil(from / 1000), Math.ceil(until / 1000))
}

function countLocalTimesOfDays({ days, times }: Cron, from: number, until: number): number {
  const first = Math.floor(from / secondsPerDay)
  const last = Math.floor(until / secondsPerDay)
  const perDay = countSecondsBefore(times, secondsPerDay)
  const before = nextDay(days, first, first + 1) === null ? 0 : countSecondsBefore(times, from - first * secondsPerDay)
  const after = nextDay(days, last, last + 1) === null ? 0 : countSecondsBefore(times, until - last * secondsPerDay)
  return countDays(days, first, last) * perDay - before + after
}

/**
 * The calendar with its days of the week begins anew every 400 years. From 2100 on each zone changes its clock by one rule for ever (the
 * last single changes of the tz database are of the year 2087), so the fire times begin anew with it.
 */
const cycleMs = 146_097 * dayMs
const cyclesFrom = Date.UTC(2100, 0, 1)

/** Counts whole cycles by multiplication: to walk over the clock changes of 8,000 years takes a tenth of a second. */
function countByCycles(countIn: (first: number, last: number) => number): (first: number, last: number) => number {
  let perCycle: number | null = null
  return (first, last) => {
    const start = Math.max(first, cyclesFrom)
    const cycles = Math.floor((last + 1 - start) / cycleMs)
    if (cycles < 1) return countIn(first, last)
    perCycle ??= countIn(cyclesFrom, cyclesFrom + cycleMs - 1)
    return countIn(first, last - cycles * cycleMs) + cycles * perCycle
  }
}

/**
 * The fire times of a cron in a zone, with the rules of docs/time-zones.md for clock changes:
 *
 * - A local time that does not exist fires right after the jump: several of them, or one of them and an ordinary slot, are
 *   one fire time. So a whole day that a zone skips gets one fire time after the jump. A schedule that covers the day
 *   (`coversTheDay`) has no fire time there: its next slot is at most two hours away.
 * - Of two equal local times the first fires. A schedule that covers the day, or has several slots an hour, fires at both:
 *   at every moment whose local time matches, so it never pauses for the length of the repeated hour.
 *
 * Both are found period by period, where local time is arithmetic; only the borders differ.
 */
export function cronTimes(cron: Cron, zone: Zone): FireTimes {
  const catchesUp = !coversTheDay(cron.times)
  const firesOnce = catchesUp && !hasSeveralSlotsAnHour(cron.times)
  const jumpedOver = ({ start, offset, reached }: OffsetPeriod) =>
    catchesUp &&
    nextLocalTime(cron, reached, start + offset) !== null &&
    nextLocalTime(cron, start + offset, start + offset + 1) === null
  /** The first local time that counts from `at` on. */
  const firstLocalTime = (period: OffsetPeriod, at: number) =>
    firesOnce ? Math.max(at + period.offset, period.reached) : at + period.offset

  /** Period by period. */
  function countPeriods(first: number, last: number): number {
    let count = 0
    for (let from = first; from <= last; ) {
      const period = zone.periodAt(from)
      if (from === period.start && jumpedOver(period)) count++
      count += countLocalTimes(cron, firstLocalTime(period, from), Math.min(period.end, last + 1) + period.offset)
      from = period.end
    }
    return count
  }

  return createFireTimes({
    firstFrom(at) {
      for (let from = at; from <= latestFireAt; ) {
        const period = zone.periodAt(from)
        if (from === period.start && jumpedOver(period)) return from
        const until = Math.min(period.end, latestFireAt + 1) + period.offset
        const localTime = nextLocalTime(cron, firstLocalTime(period, from), until)
        if (localTime !== null) return localTime - period.offset
        from = period.end
      }
      return null
    },
    countIn: countByCycles(countPeriods),
  })
}
