import { countWord, nextInWord } from './bits.ts'

/** Days are counted from 1970-01-01 = 0 in the proleptic Gregorian calendar; months from 1. */
interface CalendarDate {
  year: number
  month: number
  day: number
}

/** The days of a cron. Sets of days of the month hold day d in bit d-1, sets of weekdays Sunday in bit 0. */
export interface DayRule {
  readonly months: number
  readonly ofMonth: {
    /** Written as `*` or `?`: no restriction of its own. */
    readonly open: boolean
    readonly days: number
    /** `L-n` in bit n: the last day is bit 0. */
    readonly fromEnd: number
    /** `15W`: the weekday nearest to it, within the month. */
    readonly nearest: number
    /** `LW`. */
    readonly lastWeekday: boolean
  }
  readonly ofWeek: {
    readonly open: boolean
    readonly days: number
    /** `5L`: the last one of the month. */
    readonly last: number
    /** `MON#2` in `nth[2]`; index 0 is empty. */
    readonly nth: readonly number[]
  }
}

/** After so many days the Gregorian calendar, weekdays included, begins again: 400 years. */
export const daysPerCycle = 146_097

const daysBefore = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334]

function isLeapYear(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
}

function monthLength(year: number, month: number): number {
  return month === 2
    ? isLeapYear(year)
      ? 29
      : 28
    : month === 4 || month === 6 || month === 9 || month === 11
      ? 30
      : 31
}

/** The day number of a date. */
function dayNumber(year: number, month: number, day: number): number {
  const past = year - 1
  const leapDays = Math.floor(past / 4) - Math.floor(past / 100) + Math.floor(past / 400)
  const afterFebruary = month > 2 && isLeapYear(year) ? 1 : 0
  return past * 365 + leapDays + (daysBefore[month - 1] as number) + afterFebruary + day - 1 - 719_162
}

/** The date of a day number, by counting from March so that leap days come last. */
function dateOf(number: number): CalendarDate {
  const day = number + 719_468
  const era = Math.floor(day / daysPerCycle)
  const ofEra = day - era * daysPerCycle
  const yearOfEra = Math.floor(
    (ofEra - Math.floor(ofEra / 1460) + Math.floor(ofEra / 36_524) - Math.floor(ofEra / 146_096)) / 365,
  )
  const ofYear = ofEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const march = Math.floor((5 * ofYear + 2) / 153)
  const month = march < 10 ? march + 3 : march - 9
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: ofYear - Math.floor((153 * march + 2) / 5) + 1,
  }
}

/** Bits 0, 7, 14, 21 and 28: times a set of weekdays it gives the same weekdays in every week of a month. */
const weekly = 0x10204081

/** The set of weekdays as seen from a day that is `weekday`: bit 0 is that day, bit 1 the day after. */
function seenFrom(weekdays: number, weekday: number): number {
  return ((weekdays >>> weekday) | (weekdays << (7 - weekday))) & 0x7f
}

/** The day of the month that is the weekday nearest to `day`, without leaving the month. */
function nearestWeekday(day: number, first: number, length: number): number {
  const weekday = (first + day - 1) % 7
  if (weekday === 6) return day === 1 ? 3 : day - 1
  if (weekday === 0) return day === length ? day - 2 : day + 1
  return day
}

function fromDaysOfMonth(rule: DayRule['ofMonth'], first: number, length: number): number {
  let days = rule.days
  for (let n = nextInWord(rule.fromEnd, 0); n >= 0; n = nextInWord(rule.fromEnd, n + 1)) {
    if (n < length) days |= 1 << (length - n - 1)
  }
  for (let n = nextInWord(rule.nearest, 0); n >= 0; n = nextInWord(rule.nearest, n + 1)) {
    if (n < length) days |= 1 << (nearestWeekday(n + 1, first, length) - 1)
  }
  return rule.lastWeekday ? days | (1 << (nearestWeekday(length, first, length) - 1)) : days
}

function fromDaysOfWeek(rule: DayRule['ofWeek'], first: number, length: number): number {
  let days = Math.imul(seenFrom(rule.days, first), weekly)
  if (rule.last !== 0) days |= seenFrom(rule.last, (first + length) % 7) << (length - 7)
  for (let n = 1; n < rule.nth.length; n++) days |= seenFrom(rule.nth[n] as number, first) << (7 * (n - 1))
  return days
}

/** The matching days of one month. When both day fields restrict the days, a day that matches either is in. */
function daysIn(rule: DayRule, year: number, month: number): number {
  const length = monthLength(year, month)
  const exists = -1 >>> (32 - length)
  const { ofMonth, ofWeek } = rule
  if (ofMonth.open && ofWeek.open) return exists
  const first = (((dayNumber(year, month, 1) + 4) % 7) + 7) % 7
  const days =
    (ofMonth.open ? 0 : fromDaysOfMonth(ofMonth, first, length)) |
    (ofWeek.open ? 0 : fromDaysOfWeek(ofWeek, first, length))
  return days & exists
}

/** The first matching day from `from` up to and without `until`, or null. Goes by months: twelve steps a year. */
export function nextDay(rule: DayRule, from: number, until: number): number | null {
  if (from >= until) return null
  let { year, month, day } = dateOf(from)
  for (let start = from - day + 1; start < until; day = 1) {
    const found = (rule.months >>> month) & 1 ? nextInWord(daysIn(rule, year, month), day - 1) : -1
    if (found >= 0) return start + found < until ? start + found : null
    start += monthLength(year, month)
    if (month === 12) year++
    month = (month % 12) + 1
  }
  return null
}

/** How many days from `from` up to and without `until` match. */
export function countDays(rule: DayRule, from: number, until: number): number {
  if (from >= until) return 0
  let { year, month, day } = dateOf(from)
  let count = 0
  for (let start = from - day + 1; start < until; day = 1) {
    const length = monthLength(year, month)
    if ((rule.months >>> month) & 1) {
      const wanted = (-1 << (day - 1)) & (until - start < length ? ~(-1 << (until - start)) : -1)
      count += countWord(daysIn(rule, year, month) & wanted)
    }
    start += length
    if (month === 12) year++
    month = (month % 12) + 1
  }
  return count
}
