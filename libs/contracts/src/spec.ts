import { z } from 'zod'
import { executionCauses, jobStates } from './states.ts'
import { durationMs, epochMs, jsonObject } from './values.ts'

// The shapes that the services hand each other: normalised, with every default filled in. Between services times are epoch
// milliseconds; only the public API speaks ISO 8601.

/**
 * Options of a recurring schedule (docs/schedules.md); each is absent when the job does not set it. Fire times before
 * `startAt` and after `endAt` do not exist. `jitterMs`: each fire time of the job is later by the same part of it, which
 * depends on the job's id alone. `maxRuns`: after so many issued fire times the schedule has no more.
 */
const recurrence = {
  startAt: epochMs.optional(),
  endAt: epochMs.optional(),
  jitterMs: durationMs.optional(),
  maxRuns: z.number().int().min(1).optional(),
}

/** When a job runs. `manual`: only on trigger. */
export const scheduleSpec = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('cron'), cron: z.string().max(128), timezone: z.string().max(64), ...recurrence }),
  z.strictObject({ kind: z.literal('interval'), everyMs: durationMs.min(1), anchorAt: epochMs, ...recurrence }),
  z.strictObject({ kind: z.literal('once'), runAt: epochMs }),
  z.strictObject({ kind: z.literal('manual') }),
])
export type ScheduleSpec = z.infer<typeof scheduleSpec>

export type RecurringSchedule = Extract<ScheduleSpec, { kind: 'cron' | 'interval' }>

/** Has more than one fire time. */
export function isRecurring(schedule: ScheduleSpec): schedule is RecurringSchedule {
  return schedule.kind === 'cron' || schedule.kind === 'interval'
}

/** Retries (docs/guide/jobs.md, "Fields"). `delayMs` before the first retry, times `factor` for each further one, at most `maxDelayMs`. */
export const retryPolicy = z.strictObject({
  maxRetries: z.number().int().min(0).max(100).describe('Retries after the first attempt.'),
  backoff: z.enum(['exponential', 'fixed']).describe('How the waits grow.'),
  delayMs: durationMs.describe('The wait before the first retry, milliseconds.'),
  factor: z.number().min(1).max(100).describe('By how much each wait is longer than the one before.'),
  maxDelayMs: durationMs.describe('The longest wait, milliseconds.'),
  jitter: z.boolean().describe('Whether waits are varied at random.'),
})
export type RetryPolicy = z.infer<typeof retryPolicy>

export const overlapPolicies = ['skip', 'queue', 'cancel-running', 'allow'] as const

/**
 * docs/jobs.md, "Overlap". `limit`: how many executions of the job may be open at once. `allow` has a limit only with
 * `isLimited`; records of versions that did not know it carry a `limit` that nothing reads.
 */
export const overlapPolicy = z.strictObject({
  policy: z.enum(overlapPolicies),
  limit: z.number().int().min(1).max(1000),
  isLimited: z.boolean().optional(),
})
export type OverlapPolicy = z.infer<typeof overlapPolicy>

/** Whether an execution with this policy takes an overlap place of its job before it starts. */
export function takesPlace({ policy, isLimited }: OverlapPolicy): boolean {
  return policy !== 'allow' || isLimited === true
}

/** Failed executions in a row after which a job may be paused, at most. */
export const mostFailuresBeforePause = 1000

/** Executions that one misfire may run late at most (docs/schedules.md, "Late: misfire"). */
export const mostMisfireCap = 1000

/**
 * docs/schedules.md, "Late: misfire", for recurring schedules. `withinMs`: how old a late fire time may be to run still. `cap`: how many late
 * ones `run-all` runs, oldest first.
 */
export const misfirePolicy = z.strictObject({
  policy: z.enum(['run-once', 'run-all', 'skip']),
  withinMs: durationMs,
  cap: z.number().int().min(1).max(mostMisfireCap),
})
export type MisfirePolicy = z.infer<typeof misfirePolicy>

/** What the executor needs to know beyond the work itself, copied from the job's version. */
export const executionPolicy = z.strictObject({
  retry: retryPolicy,
  overlap: overlapPolicy,
  timeoutMs: durationMs.min(1),
  onLostLease: z.enum(['rerun', 'fail']),
})
export type ExecutionPolicy = z.infer<typeof executionPolicy>

export const jobSpec = z.strictObject({
  name: z.string(),
  jobType: z.string(),
  params: jsonObject,
  schedule: scheduleSpec,
  policy: executionPolicy,
  /**
   * Whether the owner set `overlap`. Only then does it hold for manual triggers too (docs/jobs.md, "Overlap");
   * a default holds for the fire times of the schedule alone.
   */
  isOverlapSet: z.boolean(),
  priority: z.number().int().min(1).max(9),
  tags: z.array(z.string()),
  /** Absent: the scheduler's defaults (run-once). */
  misfire: misfirePolicy.optional(),
  /** Of a one-shot: it expires when it has not started so long after its time. Absent: it runs however late. */
  expiresAfterMs: durationMs.min(1).optional(),
  /** So many failed executions in a row pause the job. Absent: they never do. */
  pauseAfterFailures: z.number().int().min(1).max(mostFailuresBeforePause).optional(),
  /** Of a one-shot whose time came as `scheduledTime`: its text, to be shown as it was given. */
  scheduledTime: z.string().max(64).optional(),
})
export type JobSpec = z.infer<typeof jobSpec>

export const changeKinds = ['create', 'update', 'pause', 'resume', 'cancel', 'delete'] as const
export type ChangeKind = (typeof changeKinds)[number]

/** One entry of a job's `changes`: `changedAt` grows strictly with `version`; `schedule` is the one of this version. */
export const jobChange = z.strictObject({
  version: z.number().int().min(1),
  changedAt: epochMs,
  kind: z.enum(changeKinds),
  schedule: scheduleSpec,
})
export type JobChange = z.infer<typeof jobChange>

/** The value of topic `job-changes`: a job's whole state at its newest version. */
export const jobChangesMessage = z.strictObject({
  jobId: z.string(),
  ownerId: z.string(),
  version: z.number().int().min(1),
  state: z.enum(jobStates),
  spec: jobSpec,
  changes: z.array(jobChange).max(32),
})
export type JobChangesMessage = z.infer<typeof jobChangesMessage>

/**
 * The value of topic `job-execute`: the one command there is. It begins with `jobId` and `jobType` (decision 005).
 * `plannedAt`: when the sender first decided on it; `fireAt`: when it is to start.
 */
export const jobExecuteMessage = z.strictObject({
  jobId: z.string(),
  jobType: z.string(),
  executionId: z.string(),
  version: z.number().int().min(1),
  cause: z.enum(executionCauses),
  fireAt: epochMs,
  params: jsonObject,
  policy: executionPolicy,
  priority: z.number().int().min(1).max(9),
  expiresAt: epochMs.nullable(),
  ownerId: z.string(),
  plannedAt: epochMs,
  /** The execution that this one runs again; absent for all others. */
  retryOf: z.string().optional(),
})
export type JobExecuteMessage = z.infer<typeof jobExecuteMessage>
