/**
 * The rules of docs/time-zones.md in the most direct way: walk the clock, look at what it shows, ask each item of each field. It
 * shares no code with the library (its zones come from Intl, not from Temporal) and is thousands of times slower.
 */

export interface Shown {
  year: number
  month: number
  day: number
  weekday: number
  hour: number
  minute: number
  second: number
}

const words = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT']
const monthWords = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC']

function numeric(text: string): string {
  return text
    .toUpperCase()
    .replace(/-SUN/g, '-7')
    .replace(/[A-Z]{3}/g, (word) => {
      const index = words.indexOf(word) >= 0 ? words.indexOf(word) : monthWords.indexOf(word) + 1
      return String(index)
    })
}

/** `value` lies in `*`, `a`, `a-b`, with or without a step; `max` ends an open range. */
function inItem(item: string, value: number, min: number, max: number): boolean {
  const [range, step] = item.split('/') as [string, string?]
  const [a, b] = range === '*' || range === '?' ? [min, max] : (range.split('-').map(Number) as [number, number?])
  const end = b ?? (step === undefined ? a : max)
  return value >= a && value <= end && (value - a) % Number(step ?? 1) === 0
}

const lengthOf = (year: number, month: number) => new Date(Date.UTC(year, month, 0)).getUTCDate()
const weekdayOf = (year: number, month: number, day: number) => new Date(Date.UTC(year, month - 1, day)).getUTCDay()

function nearest(at: Shown, wanted: number): number {
  const length = lengthOf(at.year, at.month)
  const candidates = [wanted, wanted - 1, wanted + 1, wanted - 2, wanted + 2]
  return candidates.find((day) => {
    const weekday = weekdayOf(at.year, at.month, day)
    return day >= 1 && day <= length && weekday !== 0 && weekday !== 6
  }) as number
}

function isDayOfMonth(item: string, at: Shown): boolean {
  const length = lengthOf(at.year, at.month)
  if (item === 'LW') return at.day === nearest(at, length)
  if (item.startsWith('L')) return at.day === length - Number(item.slice(2) || 0)
  if (item.endsWith('W'))
    return Number.parseInt(item, 10) <= length && at.day === nearest(at, Number.parseInt(item, 10))
  return inItem(item, at.day, 1, 31)
}

function isDayOfWeek(item: string, at: Shown): boolean {
  if (item.endsWith('L')) {
    return at.weekday === Number(item.slice(0, -1)) % 7 && at.day > lengthOf(at.year, at.month) - 7
  }
  const [weekday, nth] = item.split('#')
  if (nth) return at.weekday === Number(weekday) % 7 && Math.ceil(at.day / 7) === Number(nth)
  return inItem(item, at.weekday, 0, 6) || (at.weekday === 0 && !item.startsWith('*') && inItem(item, 7, 0, 6))
}

type SixFields = [string, string, string, string, string, string]
const split = new Map<string, SixFields>()

function fieldsOf(cron: string): SixFields {
  const known = split.get(cron)
  if (known) return known
  const fields = numeric(cron).trim().split(/\s+/)
  const six = (fields.length === 5 ? ['0', ...fields] : fields) as SixFields
  split.set(cron, six)
  return six
}

export function matches(cron: string, at: Shown): boolean {
  const [second, minute, hour, dayOfMonth, month, dayOfWeek] = fieldsOf(cron)
  const some = (field: string, test: (item: string) => boolean) => field.split(',').some(test)
  const anyDay = (field: string) => some(field, (item) => item === '*' || item === '?')
  const byMonth = !anyDay(dayOfMonth) && some(dayOfMonth, (item) => isDayOfMonth(item, at))
  const byWeek = !anyDay(dayOfWeek) && some(dayOfWeek, (item) => isDayOfWeek(item, at))
  return (
    some(second, (item) => inItem(item, at.second, 0, 59)) &&
    some(minute, (item) => inItem(item, at.minute, 0, 59)) &&
    some(hour, (item) => inItem(item, at.hour, 0, 23)) &&
    some(month, (item) => inItem(item, at.month, 1, 12)) &&
    (byMonth || byWeek || (anyDay(dayOfMonth) && anyDay(dayOfWeek)))
  )
}

const formats = new Map<string, Intl.DateTimeFormat>()

/** What the zone's clock shows, as milliseconds in which local is taken for UTC. */
export function localTimeAt(at: number, zone: string): number {
  let format = formats.get(zone)
  if (!format) {
    const numericParts = { year: 'numeric', month: 'numeric', day: 'numeric' } as const
    const clockParts = { hour: 'numeric', minute: 'numeric', second: 'numeric', hourCycle: 'h23' } as const
    format = new Intl.DateTimeFormat('en-US', { timeZone: zone, ...numericParts, ...clockParts })
    formats.set(zone, format)
  }
  const [month, day, year, hour, minute, second] = format.format(at).split(/\D+/).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  return Date.UTC(year, month - 1, day, hour, minute, second)
}

export function shown(local: number): Shown {
  const date = new Date(local)
  return {
    year: date.getUTCFullYear(),
    month: date.getUTCMonth() + 1,
    day: date.getUTCDate(),
    weekday: date.getUTCDay(),
    hour: date.getUTCHours(),
    minute: date.getUTCMinutes(),
    second: date.getUTCSeconds(),
  }
}

/** A slot in every two hours of the day. */
export function coversTheDayText(cron: string): boolean {
  const hours = fieldsOf(cron)[2].split(',')
  const asked = (hour: number) => hours.some((item) => inItem(item, hour % 24, 0, 23))
  return Array.from({ length: 24 }, (_, hour) => hour).every((hour) => asked(hour) || asked(hour + 1))
}

/** Of the 3,600 seconds of an hour that it asks for, more than one is a slot. */
export function hasSeveralSlotsText(cron: string): boolean {
  const [seconds, minutes] = fieldsOf(cron)
  const asked = (field: string) =>
    Array.from({ length: 60 }, (_, n) => n).filter((n) => field.split(',').some((item) => inItem(item, n, 0, 59)))
  return asked(seconds).length * asked(minutes).length > 1
}

/** Fire times in [from, to], walking in steps of `stepMs`, which must divide every local time and offset involved. */
export function walk(cron: string, zone: string, from: number, to: number, stepMs: number): number[] {
  const covers = coversTheDayText(cron)
  const firesTwice = covers || hasSeveralSlotsText(cron)
  const fires: number[] = []
  // From a day earlier: what the clock had already shown when the window began.
  const start = from - 86_400_000
  let reached = localTimeAt(start, zone)
  for (let at = start; at <= to; at += stepMs) {
    const local = localTimeAt(at, zone)
    let fired = firesTwice && matches(cron, shown(local))
    for (let passed = reached + stepMs; !covers && passed <= local; passed += stepMs) {
      fired ||= matches(cron, shown(passed))
    }
    reached = Math.max(reached, local)
    if (fired && at >= from) fires.push(at)
  }
  return fires
}
