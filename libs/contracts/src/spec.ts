import { z } from 'zod'
import { executionCauses, jobStates } from './states.ts'
import { jsonObject } from './values.ts'

/**
 * The shapes that the services hand each other: normalised, with every default filled in. Between services times are
 * epoch milliseconds; only the public API speaks ISO 8601.
 */
const epochMs = z.number().int()
const durationMs = z.number().int().nonnegative()

/** When a job runs. `manual`: only on trigger. */
export const scheduleSpec = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('cron'), cron: z.string().max(128), timezone: z.string().max(64) }),
  z.strictObject({ kind: z.literal('interval'), everyMs: durationMs.min(1), anchorAt: epochMs }),
  z.strictObject({ kind: z.literal('once'), runAt: epochMs }),
  z.strictObject({ kind: z.literal('manual') }),
])
export type ScheduleSpec = z.infer<typeof scheduleSpec>

/** Has more than one fire time. */
export function isRecurring(schedule: ScheduleSpec): boolean {
  return schedule.kind === 'cron' || schedule.kind === 'interval'
}

/** time.md, "Failed: retry". `delayMs` before the first retry, times `factor` for each further one, at most `maxDelayMs`. */
export const retryPolicy = z.strictObject({
  maxRetries: z.number().int().min(0).max(100),
  backoff: z.enum(['exponential', 'fixed']),
  delayMs: durationMs,
  factor: z.number().min(1).max(100),
  maxDelayMs: durationMs,
  jitter: z.boolean(),
})
export type RetryPolicy = z.infer<typeof retryPolicy>

/** time.md, "Still running: overlap". `limit`: how many may run at once; `allow` ignores it. */
export const overlapPolicy = z.strictObject({
  policy: z.enum(['skip', 'allow']),
  limit: z.number().int().min(1).max(1000),
})
export type OverlapPolicy = z.infer<typeof overlapPolicy>

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
   * Whether the owner set `overlap`. Only then does it hold for manual triggers too (time.md, "Still running: overlap");
   * a default holds for the fire times of the schedule alone.
   */
  isOverlapSet: z.boolean(),
  priority: z.number().int().min(1).max(9),
  tags: z.array(z.string()),
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
 * The value of topic `job-execute`: the one command there is. It begins with `jobId` and `jobType` (api.md, "calls that
 * must keep working"). `plannedAt`: when the sender first decided on it; `fireAt`: when it is to start.
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
})
export type JobExecuteMessage = z.infer<typeof jobExecuteMessage>
