import type { CreateJobBody, ScheduleSpec, ValidationIssue, Warning } from '@belfry/contracts'
import { earliestAt, latestAt } from '@belfry/contracts'
import { nearestName } from '@belfry/service'
import { compileSchedule, isTimeZone, parseEvery, readZoneless, type ScheduleIssue } from '@belfry/time'

/** The fields of a body that say when a job runs, in the order in which the first one counts. */
const scheduleFields = ['schedule', 'runAt', 'delay', 'scheduledTime'] as const
export type ScheduleField = (typeof scheduleFields)[number]
export type ScheduleInput = Pick<CreateJobBody, ScheduleField>

/** What a body's schedule fields mean. `pointer` names the field for an issue that is found in the schedule later. */
export interface ReadSchedule {
  readonly schedule: ScheduleSpec
  readonly pointer: string
  readonly warnings: readonly Warning[]
}

/** What the reading of a schedule depends on besides its fields. */
export interface ReadingContext {
  /** When the job is made, epoch milliseconds: the anchor of intervals and delays. */
  readonly createdAt: number
  /** IANA name of the zone for what names none (configuration: BELFRY_TIMEZONE). */
  readonly timezone: string
}

/** Issues of form. */
export interface Misread {
  readonly issues: readonly ValidationIssue[]
}

/** The schedule fields that a body gives. */
export function givenFields(input: ScheduleInput): ScheduleField[] {
  return scheduleFields.filter((field) => input[field] !== undefined && input[field] !== null)
}

/** The kinds of docs/schedules.md: the body's fields in a normal form, or every issue of form. */
export function readSchedule(input: ScheduleInput, context: ReadingContext): ReadSchedule | Misread {
  const [first, ...others] = givenFields(input)
  if (others.length > 0) return { issues: others.map((field) => conflict(field, first as ScheduleField)) }
  if (first === undefined) {
    // A null means no schedule; a missing field may have been forgotten.
    const isMeant = scheduleFields.some((field) => input[field] === null)
    return { schedule: { kind: 'manual' }, pointer: '/schedule', warnings: isMeant ? [] : [noSchedule] }
  }
  return readers[first](input, context)
}

const noSchedule: Warning = {
  code: 'no-schedule',
  detail: 'The job has no schedule, so it runs only when it is triggered: POST /jobs/<id>/trigger.',
}

const readers: Record<ScheduleField, (input: ScheduleInput, context: ReadingContext) => ReadSchedule | Misread> = {
  schedule: ({ schedule }, context) => {
    if (typeof schedule === 'string') return readCron(schedule, context.timezone, '/schedule', context)
    if (schedule && 'every' in schedule) return interval(schedule.every, '/schedule/every', context)
    const { cron, timezone } = schedule as { cron: string; timezone?: string }
    if (timezone !== undefined && !isTimeZone(timezone)) return { issues: [unknownZone(timezone), ...cronIssues(cron)] }
    return readCron(cron, timezone ?? context.timezone, '/schedule/cron', context)
  },
  runAt: ({ runAt }, context) => once(runAt as number, '/runAt', context),
  delay: ({ delay }, context) => once(context.createdAt + (delay as number), '/delay', context),
  scheduledTime: ({ scheduledTime }, context) => {
    const { text, at } = scheduledTime as { text: string; at: number | null }
    if (at !== null) return once(at, '/scheduledTime', context)
    const detail = `scheduledTime has no offset: it was read in the zone ${context.timezone}`
    return once(readZoneless(text, context.timezone), '/scheduledTime', context, [{ code: 'timezone-assumed', detail }])
  },
}

/** An issue of the schedule, with the pointer of its field. */
export function issueAt(pointer: string, { code, detail, suggestion }: ScheduleIssue): ValidationIssue {
  return { pointer, code, detail, ...(suggestion !== undefined && { suggestion }) }
}

/** What is wrong with a cron whatever its zone. */
function cronIssues(cron: string): ValidationIssue[] {
  if (parseEvery(cron) !== null) return []
  const times = compileSchedule({ kind: 'cron', cron, timezone: 'UTC' }, '')
  if (!('issue' in times) || times.issue.code === 'never-fires') return []
  return [issueAt('/schedule/cron', times.issue)]
}

/** `@every 90s` is an interval in the form of a cron, and has no zone. */
function readCron(cron: string, timezone: string, pointer: string, context: ReadingContext): ReadSchedule | Misread {
  const every = parseEvery(cron)
  if (every === null) return { schedule: { kind: 'cron', cron: cron.trim(), timezone }, pointer, warnings: [] }
  if ('everyMs' in every) return interval(every.everyMs, pointer, context)
  return { issues: [issueAt(pointer, every.issue)] }
}

function interval(everyMs: number, pointer: string, context: ReadingContext): ReadSchedule {
  return { schedule: { kind: 'interval', everyMs, anchorAt: context.createdAt }, pointer, warnings: [] }
}

function once(
  runAt: number,
  pointer: string,
  context: ReadingContext,
  warnings: readonly Warning[] = [],
): ReadSchedule | Misread {
  if (runAt < earliestAt || runAt > latestAt) {
    return { issues: [{ pointer, code: 'out-of-range', detail: 'must lie in the years 1970 to 9999' }] }
  }
  const past: Warning[] =
    runAt < context.createdAt
      ? [{ code: 'in-the-past', detail: `${pointer.slice(1)} lies in the past: the job runs at once` }]
      : []
  return { schedule: { kind: 'once', runAt }, pointer, warnings: [...warnings, ...past] }
}

function conflict(field: ScheduleField, first: ScheduleField): ValidationIssue {
  const detail = `says when the job runs, and so does ${first}: give one of ${scheduleFields.join(', ')}`
  return { pointer: `/${field}`, code: 'conflicting-field', detail }
}

function unknownZone(timezone: string): ValidationIssue {
  const suggestion = nearestName(timezone, Intl.supportedValuesOf('timeZone'))
  const detail = `"${timezone}" is not the name of a time zone such as "Europe/Berlin"`
  return { pointer: '/schedule/timezone', code: 'unknown-zone', detail, ...(suggestion && { suggestion }) }
}
