import {
  type CreateJobBody,
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
import { compileTiming, givenFields, type Timing, type TimingContext, type TimingInput } from '@belfry/schedules'
import { nearestName } from '@belfry/service'
import type { JobTypes, KnownType } from './job-types.ts'
import { paramsLimitBytes } from './params.ts'

/** The retries of a job that says nothing about them (docs/guide/jobs.md). */
const retryDefaults: RetryPolicy = {
  maxRetries: 3,
  backoff: 'exponential',
  delayMs: 5_000,
  factor: 2,
  maxDelayMs: 300_000,
  jitter: true,
}
const defaultPriority = 5

export interface ReadSpec {
  readonly spec: JobSpec
  readonly warnings: readonly Warning[]
}

/** The text of libs/http for a request whose fields do not fit: issues of form are found there or here. */
const misfit = 'The request does not fit what this address takes.'

/**
 * The timing of a body whose fields are right one by one, or a refusal with every issue of form (400): two schedules at once,
 * a cron that cannot be read, a longest wait below the first one. The schedule is compiled here, and only here.
 */
export function readTiming(body: CreateJobBody, context: TimingContext): Timing | Refusal {
  const timing = compileTiming(body, context)
  const issues = [...('issues' in timing ? timing.issues : []), ...retryIssues(body.retry)]
  if (issues.length === 0 && !('issues' in timing)) return timing
  return refusal('malformed-request', misfit, { errors: givenFields(body).length > 1 ? formIssues(body) : issues })
}

/**
 * A body with its timing becomes the normal form with every default filled in, or is refused with all issues at once (422):
 * an unknown type, params that do not fit it, a schedule that never fires.
 */
export function readSpec(body: CreateJobBody, timing: Timing, types: JobTypes): ReadSpec | Refusal {
  const params = body.params ?? {}
  const size = refuseSize(params)
  if (size) return size
  const type = findType(types, body.jobType)
  const typeIssues = isRefusal(type) ? (type.errors ?? []) : type.checkParams(params)
  const impossible = [...timing.impossible, ...typeIssues]
  if (impossible.length > 0 || isRefusal(type)) {
    return refusal('impossible', 'the job cannot run as it is', { errors: impossible })
  }
  const { schedule, isRecurring, misfire, expiresAfterMs } = timing
  const spec: JobSpec = {
    name: body.name ?? body.key ?? body.jobType,
    jobType: body.jobType,
    params,
    schedule,
    policy: {
      retry: readRetry(body.retry, { ...retryDefaults, ...type.retry }),
      overlap: readOverlap(body.overlap, isRecurring),
      timeoutMs: body.timeout ?? type.timeoutMs,
      onLostLease: body.onLostLease ?? 'rerun',
    },
    isOverlapSet: body.overlap !== undefined,
    priority: body.priority ?? defaultPriority,
    tags: body.tags ?? [],
    ...(misfire && { misfire }),
    ...(expiresAfterMs !== undefined && { expiresAfterMs }),
    ...(body.pauseAfterFailures !== undefined && { pauseAfterFailures: body.pauseAfterFailures }),
    ...(body.scheduledTime && { scheduledTime: body.scheduledTime.text }),
  }
  return { spec, warnings: [...timing.warnings, ...type.warningsOf(params)] }
}

/**
 * Issues of form in the schedule and retry fields of a body that is malformed anyway: it may lack other fields, or be wrong
 * in them. When and where the job is made does not matter to any of them. Options of a schedule are judged where the body has
 * one, since their own field may be the one that is wrong.
 */
export function formIssues(body: TimingInput & Pick<CreateJobBody, 'retry'>): ValidationIssue[] {
  const context = { createdAt: 0, timezone: 'UTC', jobId: '' }
  const issuesOf = (input: TimingInput): readonly ValidationIssue[] => {
    const timing = compileTiming(input, context)
    return 'issues' in timing ? timing.issues : []
  }
  const given = givenFields(body)
  const ofSchedule =
    given.length === 1
      ? issuesOf(body)
      : [...(given.length > 1 ? issuesOf(body) : []), ...given.flatMap((field) => issuesOf({ [field]: body[field] }))]
  return [...ofSchedule, ...retryIssues(body.retry)]
}

/** Params of a job or of one trigger beyond their cap; null when they are small enough. */
export function refuseSize(params: Record<string, unknown>): Refusal | null {
  if (Buffer.byteLength(JSON.stringify(params)) <= paramsLimitBytes) return null
  const issue = { pointer: '/params', code: 'too-large', detail: `must be at most ${paramsLimitBytes} bytes of JSON` }
  return refusal('too-large', 'params are too large', { errors: [issue] })
}

/** With only one of `delay` and `maxDelay`, the default of the other gives way. */
function readRetry(body: RetryBody = {}, byDefault = retryDefaults): RetryPolicy {
  const delayMs = body.delay ?? Math.min(byDefault.delayMs, body.maxDelay ?? Number.POSITIVE_INFINITY)
  return {
    maxRetries: body.maxRetries ?? byDefault.maxRetries,
    backoff: body.backoff ?? byDefault.backoff,
    delayMs,
    factor: body.factor ?? byDefault.factor,
    maxDelayMs: body.maxDelay ?? Math.max(byDefault.maxDelayMs, delayMs),
    jitter: body.jitter ?? byDefault.jitter,
  }
}

function retryIssues(body: RetryBody = {}): ValidationIssue[] {
  const { delayMs, maxDelayMs } = readRetry(body)
  if (maxDelayMs >= delayMs) return []
  return [{ pointer: '/retry/maxDelay', code: 'out-of-range', detail: 'must not be shorter than retry.delay' }]
}

/**
 * docs/jobs.md, "Overlap": by default the scheduled executions of a recurring job are skipped while one is still running, and
 * all others run side by side. `allow` has a limit only where the body gives one.
 */
function readOverlap(body: CreateJobBody['overlap'], recurring: boolean): OverlapPolicy {
  const policy = body?.policy ?? (recurring ? 'skip' : 'allow')
  const isLimited = policy === 'allow' && body?.limit !== undefined
  return { policy, limit: body?.limit ?? 1, ...(isLimited && { isLimited }) }
}

/** The type's entry, or the 422 that names the nearest known one. */
function findType(types: JobTypes, type: string): KnownType | Refusal {
  const known = types.get(type)
  if (known) return known
  const suggestion = nearestName(type, [...types.keys()])
  const names = [...types.keys()].sort().join(', ')
  const detail =
    type === 'COMMAND'
      ? `no executor may run commands: BELFRY_EXECUTOR_COMMANDS names those that it may run; known are ${names}`
      : `there is no job type "${type.slice(0, 100)}"; known are ${names}`
  const issue = { pointer: '/jobType', code: 'unknown-job-type', detail, ...(suggestion && { suggestion }) }
  return refusal('impossible', 'no executor knows this job type', { errors: [issue] })
}
