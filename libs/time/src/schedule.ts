import { parseCron, splitCron } from './cron.ts'
import { cronTimes } from './cron-times.ts'
import { parseEvery } from './every.ts'
import { earliestFireAt, everyFrom, type FireTimes, latestFireAt, noFireTimes, onceAt } from './fire-times.ts'
import { type Invalid, invalid, isInvalid } from './issue.ts'
import { inWindow, type WindowOptions } from './window.ts'
import { openZone } from './zone.ts'

/** When a job runs. Times and durations in milliseconds; the zone is an IANA name. */
export type Schedule =
  | ({ kind: 'cron'; cron: string; timezone: string } & WindowOptions)
  | ({ kind: 'interval'; everyMs: number; anchorAt: number } & WindowOptions)
  | { kind: 'once'; runAt: number }
  | { kind: 'manual' }

/**
 * Compiles a schedule, or answers its issue. `seed` (the job's id) decides what `H` stands for, and the part of the jitter.
 * Takes a few µs, so callers keep the result. Reads no clock: the same arguments always give the same fire times.
 */
export function compileSchedule(schedule: Schedule, seed: string): FireTimes | Invalid {
  const times = compileWithoutWindow(schedule, seed)
  if (isInvalid(times) || schedule.kind === 'once' || schedule.kind === 'manual') return times
  return inWindow(times, schedule, seed)
}

/** The same without the options of a recurring schedule: what jobs with the same cron in the same zone share. */
export function compileWithoutWindow(schedule: Schedule, seed: string): FireTimes | Invalid {
  switch (schedule.kind) {
    case 'cron':
      return compileCron(schedule.cron, schedule.timezone, seed)
    case 'interval':
      return compileInterval(schedule.everyMs, schedule.anchorAt)
    case 'once':
      return isFireTime(schedule.runAt) ? onceAt(schedule.runAt) : outOfYears()
    case 'manual':
      return noFireTimes
  }
}

function compileCron(text: string, timezone: string, seed: string): FireTimes | Invalid {
  const zone = openZone(timezone)
  if (!zone) return unknownZone(timezone)
  const every = parseEvery(text)
  // Without an anchor of its own it counts from 1970; job-service gives it one instead (parseEvery).
  if (every) return isInvalid(every) ? every : everyFrom(earliestFireAt, every.everyMs)
  const cron = parseCron(text, seed)
  return isInvalid(cron) ? cron : cronTimes(cron, zone)
}

function unknownZone(name: string): Invalid {
  const offset = /^[+-]?\d/.test(name) ? ': an offset has no clock changes, so name the place instead' : ''
  const detail = `"${name.slice(0, 64)}" is not an IANA time zone such as "Europe/Berlin"${offset}`
  return invalid('timezone', 'unknown-zone', detail)
}

function compileInterval(everyMs: number, anchorAt: number): FireTimes | Invalid {
  if (!Number.isSafeInteger(everyMs) || everyMs < 1) {
    return invalid('every', 'out-of-range', 'must be a whole number of milliseconds, at least 1')
  }
  return isFireTime(anchorAt) ? everyFrom(anchorAt, everyMs) : invalid('every', 'out-of-range', `its anchor ${years}`)
}

const years = 'must be a whole millisecond in the years 1970 to 9999'

function isFireTime(at: number): boolean {
  return Number.isSafeInteger(at) && at >= earliestFireAt && at <= latestFireAt
}

function outOfYears(): Invalid {
  return invalid('runAt', 'out-of-range', years)
}

export interface ScheduleWarning {
  code: string
  detail: string
}

/** The places that most people mean by these abbreviations, which the tz database keeps at one offset. */
const placesOf: Record<string, string> = { EST: 'America/New_York', MST: 'America/Denver' }

/** Zones that are named after an offset: they never change their clocks. UTC and GMT are chosen for just that. */
function fixedOffset(timezone: string): ScheduleWarning[] {
  const name = openZone(timezone)?.name ?? ''
  const place = placesOf[name]
  const suggestion = place ? ` "${place}" does.` : ' A place such as "Europe/Berlin" does.'
  const west = /^Etc\/GMT\+[1-9]/.test(name) ? ` ${name} lies west of Greenwich, so it is behind UTC.` : ''
  const east = /^Etc\/GMT-[1-9]/.test(name) ? ` ${name} lies east of Greenwich, so it is ahead of UTC.` : ''
  if (!place && !west && !east) return []
  const detail = `"${name}" keeps one offset all year: it does not follow summer time.${suggestion}${west}${east}`
  return [{ code: 'fixed-offset-zone', detail }]
}

/** Warnings about legal schedules that may not mean what their author meant. Empty for a schedule that does not compile. */
export function scheduleWarnings(schedule: Schedule): ScheduleWarning[] {
  if (schedule.kind !== 'cron') return []
  const fields = splitCron(schedule.cron)
  if (isInvalid(fields)) return []
  const [dayOfMonth, dayOfWeek] = [fields[3] as string, fields[5] as string]
  const open = (field: string) => field.split(',').some((item) => item === '*' || item === '?')
  const warnings = fixedOffset(schedule.timezone)
  if (!open(dayOfMonth) && !open(dayOfWeek)) {
    const detail = `runs on days that match day-of-month "${dayOfMonth}" or day-of-week "${dayOfWeek}", not only both`
    warnings.push({ code: 'either-day', detail })
  }
  if (dayOfMonth === '?' && /(^|[^#/\d])\d/.test(dayOfWeek)) {
    const detail = `days of the week count from 0 = Sunday, so "${dayOfWeek}" is one day later than in Quartz`
    warnings.push({ code: 'weekday-numbers', detail })
  }
  return warnings
}
