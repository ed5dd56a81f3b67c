import { splitCron } from './cron.ts'
import { parseEvery } from './every.ts'
import { fieldKinds } from './field-kind.ts'
import { isInvalid } from './issue.ts'
import type { Schedule } from './schedule.ts'

const units = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1000],
  ['millisecond', 1],
] as const

const counted = (count: number | string, unit: string) =>
  Number(count) === 1 ? `every ${unit}` : `every ${count} ${unit}s`

function everyText(ms: number): string {
  const [unit, size] = units.find(([, size]) => ms % size === 0) ?? ['millisecond', 1]
  return counted(ms / size, unit)
}

function joined(words: readonly string[]): string {
  return words.length < 2 ? (words[0] ?? '') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`
}

const names = (words: string) => words.split(' ')
const weekdays = names('Sunday Monday Tuesday Wednesday Thursday Friday Saturday Sunday')
const months = names('_ January February March April May June July August September October November December')

/** A list of numbers, names and ranges in words; null for what has no short form (`L`, `15W`, `MON#2`, steps, `H`). */
function listText(field: string, words: readonly string[], short: readonly string[], base: number): string | null {
  const wordOf = (text: string) => {
    const named = short.indexOf(text)
    return words[named >= 0 ? named + base : /^\d+$/.test(text) ? Number(text) : -1]
  }
  const parts = field.split(',').map((item) => {
    const ends = item.split('-').map(wordOf)
    return ends.length > 2 || ends.includes(undefined) ? null : ends.join(' to ')
  })
  return parts.includes(null) ? null : joined(parts as string[])
}

const isOpen = (field: string) => field === '*' || field === '?'
const stepOf = (field: string) => /^\*\/(\d+)$/.exec(field)?.[1]
const isNumber = (field: string) => /^\d+$/.test(field)
const twoDigits = (text: string) => text.padStart(2, '0')

function timeText(second: string, minute: string, hour: string): string {
  const seconds = second === '0' ? '' : `:${twoDigits(second)}`
  const hours = hour.split(',')
  if (isNumber(second) && isNumber(minute) && hours.every(isNumber) && hours.length <= 6) {
    return `at ${joined(hours.map((one) => `${twoDigits(one)}:${twoDigits(minute)}${seconds}`))}`
  }
  if (second === '0' && isOpen(hour) && isOpen(minute)) return 'every minute'
  if (second === '0' && isOpen(hour) && stepOf(minute)) return counted(stepOf(minute) as string, 'minute')
  if (isOpen(hour) && isOpen(minute) && isOpen(second)) return 'every second'
  if (isOpen(hour) && isOpen(minute) && stepOf(second)) return counted(stepOf(second) as string, 'second')
  if (second === '0' && isNumber(minute) && isOpen(hour))
    return minute === '0' ? 'every hour' : `at minute ${minute} of every hour`
  if (second === '0' && minute === '0' && stepOf(hour)) return counted(stepOf(hour) as string, 'hour')
  const fields = [second === '0' ? '' : `second ${second}`, `minute ${minute}`, `hour ${hour}`]
  return `at ${joined(fields.filter((one) => one !== '' && !one.endsWith(' *')))}`
}

function dayOfMonthText(field: string): string {
  if (field === 'L') return 'on the last day of the month'
  if (field === 'LW') return 'on the last weekday of the month'
  return `on day ${/^[\d,]+$/.test(field) ? joined(field.split(',')) : field} of the month`
}

function dayText(dayOfMonth: string, month: string, dayOfWeek: string): string {
  const ofWeek = listText(dayOfWeek, weekdays, fieldKinds.dayOfWeek.names, 0) ?? `day of the week ${dayOfWeek}`
  const days = [
    ...(isOpen(dayOfMonth) ? [] : [dayOfMonthText(dayOfMonth)]),
    ...(isOpen(dayOfWeek) ? [] : [`on ${ofWeek}`]),
  ]
  const inMonths = isOpen(month) ? '' : ` in ${listText(month, months, fieldKinds.month.names, 1) ?? `month ${month}`}`
  return `${days.join(' or ')}${inMonths}`.trim()
}

/** A cron in English, without its zone: `at 02:30 on Monday to Friday`. Fields without a short form are quoted as they are. */
function cronText(cron: string): string {
  const every = parseEvery(cron)
  if (every && 'everyMs' in every) return everyText(every.everyMs)
  const fields = splitCron(cron)
  if (isInvalid(fields)) return cron
  const [second, minute, hour, dayOfMonth, month, dayOfWeek] = fields as [
    string,
    string,
    string,
    string,
    string,
    string,
  ]
  const time = timeText(second, minute, hour)
  const day = dayText(dayOfMonth, month, dayOfWeek)
  if (day !== '') return `${time} ${day}`
  return time.startsWith('at ') && !time.endsWith(' hour') ? `${time} every day` : time
}

/** A recurring schedule in English, without its zone and its options. Null for one that is not recurring. */
export function scheduleText(schedule: Schedule): string | null {
  if (schedule.kind === 'cron') return cronText(schedule.cron)
  return schedule.kind === 'interval' ? everyText(schedule.everyMs) : null
}
