import type { Cron } from './cron-times.ts'
import { type DayRule, daysPerCycle, nextDay } from './days.ts'
import { type Field, parseField } from './field.ts'
import { type FieldKind, fieldKinds } from './field-kind.ts'
import { type Invalid, invalid, isInvalid } from './issue.ts'

/** Longest cron expression, characters (docs/schedules.md). */
export const longestCron = 128

const aliases: Record<string, string> = {
  '@YEARLY': '0 0 1 1 *',
  '@ANNUALLY': '0 0 1 1 *',
  '@MONTHLY': '0 0 1 * *',
  '@WEEKLY': '0 0 * * 0',
  '@DAILY': '0 0 * * *',
  '@MIDNIGHT': '0 0 * * *',
  '@HOURLY': '0 * * * *',
}

const kinds: readonly FieldKind[] = Object.values(fieldKinds)

/** The fields of an expression, upper case, seconds first and filled in; an issue when their number is wrong. */
export function splitCron(text: string): string[] | Invalid {
  if (text.length > longestCron) {
    return invalid('cron', 'too-long', `has ${text.length} characters, more than ${longestCron}`)
  }
  if (!/^[\t -~]*$/.test(text)) return invalid('cron', 'bad-character', 'may hold only plain ASCII characters')
  const misplaced = zonePrefix(text) ?? plainInterval(text)
  if (misplaced) return misplaced
  const upper = text.trim().toUpperCase()
  const known = aliases[upper] ?? upper
  if (known.startsWith('@')) return unknownAlias(text.trim())
  if (/^\d{4}-\d\d/.test(known)) {
    return invalid('cron', 'not-a-cron', `"${text.trim()}" is a date, not a cron expression: one fire time is "runAt"`)
  }
  const fields = known === '' ? [] : known.split(/[ \t]+/)
  if (fields.length === 6) return fields
  return fields.length === 5 ? ['0', ...fields] : wrongCount(fields.length)
}

/** `CRON_TZ=Europe/Berlin 0 9 * * *`, as crond and other schedulers write it. */
function zonePrefix(text: string): Invalid | null {
  const [, zone, rest] = /^\s*(?:CRON_)?TZ=(\S*)\s*(.*)$/i.exec(text) ?? []
  if (zone === undefined) return null
  const schedule = JSON.stringify({ cron: rest?.trim() || '0 9 * * *', timezone: zone || 'Europe/Berlin' })
  const detail = `the time zone is a field of its own, beside the cron: write "schedule": ${schedule}`
  return invalid('cron', 'not-a-cron', detail, schedule)
}

const intervalText = /^\s*(?:every\s+)?(\d{1,9})?\s*(ms|[smhd]|sec(?:ond)?s?|min(?:ute)?s?|hours?|days?)\s*$/i

/** `every 15s`, `15s` and `every 2 hours`: an interval without `@every`. */
function plainInterval(text: string): Invalid | null {
  const [, count = '1', unit] = intervalText.exec(text) ?? []
  if (unit === undefined) return null
  const every = `${count}${/^ms$/i.test(unit) ? 'ms' : unit.charAt(0).toLowerCase()}`
  const detail = `"${text.trim()}" is not a cron: write the interval as {"every": "${every}"}, or as "@every ${every}"`
  return invalid('cron', 'not-a-cron', detail, `@every ${every}`)
}

function unknownAlias(text: string): Invalid {
  const names = Object.keys(aliases).map((name) => name.toLowerCase())
  return invalid('cron', 'unknown-alias', `"${text}" is none of ${names.join(', ')} and "@every 90s"`)
}

function wrongCount(count: number): Invalid {
  const years = count === 7 ? '; a field of years is not taken' : ''
  const wanted = '5 (minute hour day-of-month month day-of-week), or 6 with seconds first'
  return invalid('cron', 'field-count', `has ${count} fields, must have ${wanted}${years}`)
}

/** Parses an expression of 5 or 6 fields or an alias. Refuses one that never fires (`0 0 31 2 *`). */
export function parseCron(text: string, seed: string): Cron | Invalid {
  const parts = splitCron(text)
  if (isInvalid(parts)) return parts
  const fields: Field[] = []
  for (const [index, kind] of kinds.entries()) {
    const field = parseField(kind, parts[index] as string, seed)
    if (isInvalid(field)) return field
    fields.push(field)
  }
  const [second, minute, hour, dayOfMonth, month, dayOfWeek] = fields as [Field, Field, Field, Field, Field, Field]
  const days = dayRule(dayOfMonth, month, dayOfWeek)
  // The calendar repeats itself after 400 years, so this is all of it: at most 4,800 months.
  if (nextDay(days, 0, daysPerCycle) === null) {
    return invalid('cron', 'never-fires', `"${text.trim()}" never fires: no month it names has such a day`)
  }
  return { days, times: { seconds: second.values, minutes: minute.values, hours: hour.values } }
}

function dayRule(dayOfMonth: Field, month: Field, dayOfWeek: Field): DayRule {
  const { fromEnd, nearest, lastWeekday } = dayOfMonth
  return {
    months: month.values.lo,
    ofMonth: { open: dayOfMonth.open, days: dayOfMonth.values.lo >>> 1, fromEnd, nearest, lastWeekday },
    ofWeek: { open: dayOfWeek.open, days: dayOfWeek.values.lo, last: dayOfWeek.last, nth: dayOfWeek.nth },
  }
}
