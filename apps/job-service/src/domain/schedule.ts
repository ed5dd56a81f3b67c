import type { CreateJobBody, ScheduleSpec, ValidationIssue, Warning } from '@belfry/contracts'
import { earliestAt, latestAt } from '@belfry/contracts'
import { nearestName } from '@belfry/service'
import { compileSchedule, isTimeZone, parseEvery, readZoneless, type ScheduleFault } from '@belfry/time'

/** The fields of a body that say when a job runs, in the order in which the first one counts. */
const scheduleFields = ['schedule', 'runAt', 'delay', 'scheduledTime'] as const
export type ScheduleField = (typeof scheduleFields)[number]
type ScheduleInput = Pick<CreateJobBody, ScheduleField>

/** What a body's schedule fields mean. `pointer` names the field for a fault that is found in the schedule later. */
export interface ReadSchedule {
  readonly schedule: ScheduleSpec
  readonly pointer: string
  readonly warnings: readonly Warning[]
}

export interface ReadingContext {
  /** When the job is made, epoch milliseconds: the anchor of intervals and delays. */
  readonly createdAt: number
  /** IANA name of the zone for what names none (configuration: BELFRY_TIMEZONE). */
  readonly timezone: string
}

type Reading = ReadSchedule | { readonly faults: readonly ValidationIssue[] }

/** Which of them a body gives. */
export function givenFields(input: ScheduleInput): ScheduleField[] {
  return scheduleFields.filter((field) => input[field] !== undefined && input[field] !== null)
}

/** time.md, "Schedule kinds": the body's words to a normal form, or every fault that is one of form (400). */
export function readSchedule(input: ScheduleInput, context: ReadingContext): Reading {
  const [first, ...others] = givenFields(input)
  if (others.length > 0) return { faults: others.map((field) => conflict(field, first as ScheduleField)) }
  if (first === undefined) {
    // A null says that the job is meant to have no schedule; without any field it may have been forgotten.
    const isMeant = scheduleFields.some((field) => input[field] === null)
    return { schedule: { kind: 'manual' }, pointer: '/schedule', warnings: isMeant ? [] : [noSchedule] }
  }
  return readers[first](input, context)
}

const noSchedule: Warning = {
  code: 'no-schedule',
  detail: 'The job has no schedule, so it runs only when it is triggered: POST /jobs/<id>/trigger.',
}

const readers: Record<ScheduleField, (input: ScheduleInput, context: ReadingContext) => Reading> = {
  schedule: ({ schedule }, context) => {
    if (typeof schedule === 'string') return readCron(schedule, context.timezone, '/schedule', context)
    if (schedule && 'every' in schedule) return interval(schedule.every, '/schedule/every', context)
    const { cron, timezone } = schedule as { cron: string; timezone?: string }
    if (timezone !== undefined && !isTimeZone(timezone)) return { faults: [unknownZone(timezone), ...cronFaults(cron)] }
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

/** A fault of the schedule, at its place in the body. */
export function faultAt(pointer: string, { code, detail, suggestion }: ScheduleFault): ValidationIssue {
  return { pointer, code, detail, ...(suggestion !== undefined && { suggestion }) }
}

/** What is wrong with a cron whatever its zone. */
function cronFaults(cron: string): ValidationIssue[] {
  if (parseEvery(cron) !== null) return []
  const times = compileSchedule({ kind: 'cron', cron, timezone: 'UTC' }, '')
  if (!('fault' in times) || times.fault.code === 'never-fires') return []
  return [faultAt('/schedule/cron', times.fault)]
}

/** `@every 90s` is an interval in the words of a cron, and as such has no zone. */
function readCron(cron: string, timezone: string, pointer: string, context: ReadingContext): Reading {
  const every = parseEvery(cron)
  if (every === null) return { schedule: { kind: 'cron', cron: cron.trim(), timezone }, pointer, warnings: [] }
  if ('everyMs' in every) return interval(every.everyMs, pointer, context)
  return { faults: [faultAt(pointer, every.fault)] }
}

function interval(everyMs: number, pointer: string, context: ReadingContext): ReadSchedule {
  return { schedule: { kind: 'interval', everyMs, anchorAt: context.createdAt }, pointer, warnings: [] }
}

function once(runAt: number, pointer: string, context: ReadingContext, warnings: readonly Warning[] = []): Reading {
  if (runAt < earliestAt || runAt > latestAt) {
    return { faults: [{ pointer, code: 'out-of-range', detail: 'must lie in the years 1970 to 9999' }] }
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
