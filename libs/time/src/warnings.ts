import { type ClockChange, clockChangesOf } from './clock-changes.ts'
import { parseCron, splitCron } from './cron.ts'
import { isInvalid } from './issue.ts'
import type { Schedule } from './schedule.ts'
import { openZone } from './zone.ts'

export interface ScheduleWarning {
  code: string
  detail: string
}

type CronSchedule = Schedule & { kind: 'cron' }

/** The places that most people mean by these abbreviations, which the tz database keeps at one offset. */
const placesOf: Record<string, string> = { EST: 'America/New_York', MST: 'America/Denver' }

/** Zones that are named after an offset: they never change their clocks. UTC and GMT are chosen for just that. */
function fixedOffset({ timezone }: CronSchedule): ScheduleWarning[] {
  const name = openZone(timezone)?.name ?? ''
  const place = placesOf[name]
  const suggestion = place ? ` "${place}" does.` : ' A place such as "Europe/Berlin" does.'
  const west = /^Etc\/GMT\+[1-9]/.test(name) ? ` ${name} lies west of Greenwich, so it is behind UTC.` : ''
  const east = /^Etc\/GMT-[1-9]/.test(name) ? ` ${name} lies east of Greenwich, so it is ahead of UTC.` : ''
  if (!place && !west && !east) return []
  const detail = `"${name}" keeps one offset all year: it does not follow summer time.${suggestion}${west}${east}`
  return [{ code: 'fixed-offset-zone', detail }]
}

function dayFields(fields: readonly string[]): ScheduleWarning[] {
  const [dayOfMonth, dayOfWeek] = [fields[3] as string, fields[5] as string]
  const open = (field: string) => field.split(',').some((item) => item === '*' || item === '?')
  const warnings: ScheduleWarning[] = []
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

/** How far ahead clock changes are looked for, milliseconds: every zone that changes its clocks does so within it. */
const aheadMs = 400 * 86_400_000

const effects: Record<ClockChange['runs'], string> = {
  after: 'what is due in between runs once, right after the jump (rule: next-valid)',
  first: 'what is due in between runs once, in the first of the two (rule: once)',
  both: 'what is due in between runs in both, since the schedule has several times an hour (rule: both)',
}

function clockChanges(schedule: CronSchedule, from: number, seed: string): ScheduleWarning[] {
  const zone = openZone(schedule.timezone)
  const begin = Math.max(from, schedule.startAt ?? from)
  const until = Math.min(begin + aheadMs, schedule.endAt ?? Number.POSITIVE_INFINITY)
  // In UTC, and wherever no clock changes, the cron need not be parsed once more.
  if (!zone || zone.periodAt(begin).end > until) return []
  const cron = parseCron(schedule.cron, seed)
  const changes = isInvalid(cron) ? [] : clockChangesOf(cron, zone, begin, until)
  return changes.map(({ kind, fromLocal, toLocal, runs }) => {
    const [date, before] = new Date(fromLocal).toISOString().split('T') as [string, string]
    const after = new Date(toLocal).toISOString().slice(11, 16)
    const goes = kind === 'gap' ? 'goes from' : 'goes back from'
    const detail = `on ${date} the clock in ${zone.name} ${goes} ${before.slice(0, 5)} to ${after}: ${effects[runs]}`
    return { code: 'clock-change', detail }
  })
}

/**
 * Warnings about legal schedules that may not mean what their author meant; of the clock changes those within 400 days after
 * `from` (epoch milliseconds). Empty for a schedule that does not compile.
 */
export function scheduleWarnings(schedule: Schedule, from: number, seed: string): ScheduleWarning[] {
  if (schedule.kind !== 'cron') return []
  const fields = splitCron(schedule.cron)
  if (isInvalid(fields)) return []
  return [...fixedOffset(schedule), ...dayFields(fields), ...clockChanges(schedule, from, seed)]
}
