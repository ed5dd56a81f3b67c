import { parseCron } from './cron.ts'
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
