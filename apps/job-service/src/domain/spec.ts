import {
  type CreateJobBody,
  isRecurring,
  isRefusal,
  type JobSpec,
  type OverlapPolicy,
  type Refusal,
  type RetryBody,
  type RetryPolicy,
  refusal,
  type ValidationIssue,
  type Warning,
} from '@belfry/contracts'
import { compileSchedule, scheduleWarnings } from '@belfry/time'
import { findType, type JobTypes } from './job-types.ts'
import { paramsLimitBytes } from './params.ts'
import {
  faultAt,
  givenFields,
  type ReadingContext,
  type ReadSchedule,
  readSchedule,
  type ScheduleField,
} from './schedule.ts'

/** time.md, "Failed: retry". */
const retryDefaults: RetryPolicy = {
  maxRetries: 3,
  backoff: 'exponential',
  delayMs: 5_000,
  factor: 2,
  maxDelayMs: 300_000,
  jitter: true,
}
const defaultPriority = 5

export interface SpecContext extends ReadingContext {
  /** The seed of `H` slots. */
  readonly jobId: string
  readonly types: JobTypes
}

export interface ReadSpec {
  readonly spec: JobSpec
  readonly warnings: readonly Warning[]
}

/**
 * A body whose shape is right becomes the normal form with every default filled in, or is refused with all faults at
 * once: 400 for what is malformed, else 422 for what is impossible (api.md, status).
 */
export function readSpec(body: CreateJobBody, context: SpecContext): ReadSpec | Refusal {
  const params = body.params ?? {}
  const size = refuseSize(params)
  if (size) return size
  const read = readSchedule(body, context)
  const timing = 'faults' in read ? { malformed: read.faults, impossible: [] } : checkSchedule(read, context)
  const malformed = [...timing.malformed, ...retryFaults(body.retry)]
  if (malformed.length > 0 || 'faults' in read) {
    return refusal('malformed-request', 'the job is malformed', { errors: malformed })
  }
  const type = findType(context.types, body.jobType)
  const typeFaults = isRefusal(type) ? (type.errors ?? []) : type.checkParams(params)
  const impossible = [...timing.impossible, ...typeFaults]
  if (impossible.length > 0 || isRefusal(type)) {
    return refusal('impossible', 'the job cannot run as it is', { errors: impossible })
  }
  const { schedule } = read
  const spec: JobSpec = {
    name: body.name ?? body.key ?? body.jobType,
    jobType: body.jobType,
    params,
    schedule,
    policy: {
      retry: readRetry(body.retry),
      overlap: readOverlap(body.overlap, isRecurring(schedule)),
      timeoutMs: body.timeout ?? type.timeoutMs,
      onLostLease: 'rerun',
    },
    isOverlapSet: body.overlap !== undefined,
    priority: body.priority ?? defaultPriority,
    tags: body.tags ?? [],
  }
  return { spec, warnings: [...read.warnings, ...scheduleWarnings(schedule), ...type.warningsOf(params)] }
}

/**
 * Faults of form in the schedule and retry fields of a body that may lack others, or be wrong in them: two schedules at
 * once, a cron or zone that cannot be read, a longest wait below the first one. When and where the job is made does not
 * matter to any of them.
 */
export function formFaults(body: Pick<CreateJobBody, ScheduleField | 'retry'>): ValidationIssue[] {
  const context = { createdAt: 0, timezone: 'UTC' }
  const faultsOf = (input: Pick<CreateJobBody, ScheduleField>): readonly ValidationIssue[] => {
    const read = readSchedule(input, context)
    return 'faults' in read ? read.faults : checkSchedule(read, { ...context, jobId: '' }).malformed
  }
  const given = givenFields(body)
  const conflicts = given.length > 1 ? faultsOf(body) : []
  return [...conflicts, ...given.flatMap((field) => faultsOf({ [field]: body[field] })), ...retryFaults(body.retry)]
}

/** Params of a job or of one trigger beyond their cap; null when they are small enough. */
export function refuseSize(params: Record<string, unknown>): Refusal | null {
  if (Buffer.byteLength(JSON.stringify(params)) <= paramsLimitBytes) return null
  const fault = { pointer: '/params', code: 'too-large', detail: `must be at most ${paramsLimitBytes} bytes of JSON` }
  return refusal('too-large', 'params are too large', { errors: [fault] })
}

/** A schedule must be readable (400) and have a fire time (422); a one-shot in the past is due at once. */
function checkSchedule(
  read: ReadSchedule,
  context: Pick<SpecContext, 'createdAt' | 'jobId'>,
): { malformed: ValidationIssue[]; impossible: ValidationIssue[] } {
  const { schedule, pointer } = read
  if (schedule.kind === 'manual' || schedule.kind === 'once') return { malformed: [], impossible: [] }
  const times = compileSchedule(schedule, context.jobId)
  if ('fault' in times) {
    const fault = faultAt(pointer, times.fault)
    return fault.code === 'never-fires'
      ? { malformed: [], impossible: [fault] }
      : { malformed: [fault], impossible: [] }
  }
  if (times.next(context.createdAt) !== null) return { malformed: [], impossible: [] }
  return { malformed: [], impossible: [{ pointer, code: 'never-fires', detail: 'has no fire time' }] }
}

/** With only one of `delay` and `maxDelay`, the default of the other gives way. */
function readRetry(body: RetryBody = {}): RetryPolicy {
  const delayMs = body.delay ?? Math.min(retryDefaults.delayMs, body.maxDelay ?? Number.POSITIVE_INFINITY)
  return {
    maxRetries: body.maxRetries ?? retryDefaults.maxRetries,
    backoff: body.backoff ?? retryDefaults.backoff,
    delayMs,
    factor: body.factor ?? retryDefaults.factor,
    maxDelayMs: body.maxDelay ?? Math.max(retryDefaults.maxDelayMs, delayMs),
    jitter: body.jitter ?? retryDefaults.jitter,
  }
}

function retryFaults(body: RetryBody = {}): ValidationIssue[] {
  const { delayMs, maxDelayMs } = readRetry(body)
  if (maxDelayMs >= delayMs) return []
  return [{ pointer: '/retry/maxDelay', code: 'out-of-range', detail: 'must not be shorter than retry.delay' }]
}

/**
 * time.md, "Still running": by default the scheduled runs of a recurring job are skipped while one is still at work, and
 * everything else runs side by side.
 */
function readOverlap(body: CreateJobBody['overlap'], recurring: boolean): OverlapPolicy {
  return { policy: body?.policy ?? (recurring ? 'skip' : 'allow'), limit: body?.limit ?? 1 }
}
