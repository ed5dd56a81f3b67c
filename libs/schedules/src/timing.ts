import type { MisfirePolicy, RecurringSchedule, ScheduleSpec, ValidationIssue, Warning } from '@belfry/contracts'
import { isRecurring, toWireTime } from '@belfry/contracts'
import { compileSchedule, type FireTimes, scheduleWarnings } from '@belfry/time'
import { type OptionsInput, optionIssues, readMisfire, withOptions } from './options.ts'
import {
  issueAt,
  type Misread,
  type ReadingContext,
  type ReadSchedule,
  readSchedule,
  type ScheduleInput,
} from './read-schedule.ts'

export type { Misread } from './read-schedule.ts'

/** The fields of a body that say when a job runs, and what becomes of fire times that are late. */
export type TimingInput = ScheduleInput & OptionsInput

export interface TimingContext extends ReadingContext {
  /** The seed of `H` slots and of the jitter. */
  readonly jobId: string
}

/** When a job runs: read, compiled and checked. */
export interface Timing {
  readonly schedule: ScheduleSpec
  readonly isRecurring: boolean
  /** Null for a schedule that is not recurring, or never fires. */
  readonly times: FireTimes | null
  /** Absent where the body gives none. */
  readonly misfire?: MisfirePolicy
  /** Of a one-shot, milliseconds; absent where the body gives none. */
  readonly expiresAfterMs?: number
  readonly warnings: readonly Warning[]
  /** Why the schedule is well-formed and still has no fire time (422). */
  readonly impossible: readonly ValidationIssue[]
}

/**
 * Reads and compiles the schedule of a body with its options, once: or every issue of form (400). A schedule must have a fire
 * time after `createdAt`; a one-shot in the past is due at once.
 */
export function compileTiming(input: TimingInput, context: TimingContext): Timing | Misread {
  const read = readSchedule(input, context)
  if ('issues' in read) return read
  const misplaced = optionIssues(input, read.schedule.kind)
  const schedule = withOptions(read.schedule, input)
  const timing = isRecurring(schedule) ? compileRecurring({ ...read, schedule }, context) : notRecurring(read)
  const issues = [...('issues' in timing ? timing.issues : []), ...misplaced]
  if (issues.length > 0 || 'issues' in timing) return { issues }
  const misfire = readMisfire(input.misfire)
  const expiresAfterMs = input.expiresAfter
  if (expiresAfterMs === undefined) return { ...timing, ...(misfire && { misfire }) }
  return { ...timing, expiresAfterMs, warnings: withExpiry(timing, expiresAfterMs, context.createdAt) }
}

/** A one-shot that has expired when it is made does not run at once: it ends EXPIRED. */
function withExpiry({ schedule, warnings }: Timing, expiresAfterMs: number, now: number): readonly Warning[] {
  if (schedule.kind !== 'once' || schedule.runAt + expiresAfterMs >= now) return warnings
  const detail = 'its time lies further in the past than expiresAfter: its run ends EXPIRED'
  return [...warnings.filter(({ code }) => code !== 'in-the-past'), { code: 'expired', detail }]
}

function notRecurring({ schedule, warnings }: ReadSchedule): Timing {
  return { schedule, isRecurring: false, times: null, warnings, impossible: [] }
}

interface ReadRecurring {
  readonly schedule: RecurringSchedule
  readonly pointer: string
  readonly warnings: readonly Warning[]
}

function compileRecurring(read: ReadRecurring, { jobId, createdAt }: TimingContext): Timing | Misread {
  const { schedule, pointer } = read
  const warnings = [...read.warnings, ...scheduleWarnings(schedule, createdAt, jobId)]
  const timing = { schedule, isRecurring: true, warnings }
  const times = compileSchedule(schedule, jobId)
  if ('issue' in times) {
    const issue = issueAt(pointer, times.issue)
    return issue.code === 'never-fires' ? { ...timing, times: null, impossible: [issue] } : { issues: [issue] }
  }
  if (isReversed(schedule)) return { ...timing, times, impossible: [reversed] }
  if (times.next(createdAt) !== null) return { ...timing, times, impossible: [] }
  return { ...timing, times, impossible: [endsTooEarly(schedule, createdAt, jobId) ?? neverFires(pointer)] }
}

function isReversed({ startAt, endAt }: RecurringSchedule): boolean {
  return startAt !== undefined && endAt !== undefined && endAt <= startAt
}
const reversed: ValidationIssue = { pointer: '/endAt', code: 'out-of-range', detail: 'must be later than startAt' }
const neverFires = (pointer: string): ValidationIssue => ({ pointer, code: 'never-fires', detail: 'has no fire time' })

/** The issue of an `endAt` before the first fire time; null when the schedule has none without it either. */
function endsTooEarly(schedule: RecurringSchedule, createdAt: number, jobId: string): ValidationIssue | null {
  if (schedule.endAt === undefined) return null
  const times = compileSchedule({ ...schedule, endAt: undefined }, jobId)
  const first = 'issue' in times ? null : times.next(createdAt)
  if (first === null) return null
  const detail = `leaves no fire time: the first one would be at ${toWireTime(first)}`
  return { pointer: '/endAt', code: 'never-fires', detail }
}
