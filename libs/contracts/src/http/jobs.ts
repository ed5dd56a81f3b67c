import { z } from 'zod'
import { fieldHints, intervalHints, jobHints, retryHints, scheduleHints, triggerHints } from '../field-hints.ts'
import { jobKey } from '../ids.ts'
import { inFlight } from '../internal.ts'
import { mostMisfireCap, overlapPolicies } from '../spec.ts'
import { jobStatuses, shownJobStates } from '../states.ts'
import { duration, jsonObject, longestDurationMs, looseTime, timeAt, wholeNumber } from '../values.ts'
import { pausedBy, pauseReason } from './bulk.ts'
import { fireRangeView, listedExecutionView } from './executions.ts'
import { executionSummary, links, warning, wireTime } from './parts.ts'

/** The shortest interval of a schedule, milliseconds. */
export const shortestIntervalMs = 1000

export const scheduleBody = z.union([
  z.string().min(1).max(128),
  z
    .strictObject({ cron: z.string().min(1).max(128), timezone: z.string().min(1).max(64).optional() })
    .register(fieldHints, { fields: scheduleHints }),
  z.strictObject({ every: duration({ min: shortestIntervalMs }) }).register(fieldHints, { fields: intervalHints }),
])
export type ScheduleBody = z.infer<typeof scheduleBody>

export const retryBody = z
  .strictObject({
    maxRetries: z.number().int().min(0).max(100).optional(),
    backoff: z.enum(['exponential', 'fixed']).optional(),
    delay: duration({ min: 0 }).optional(),
    factor: z.number().min(1).max(100).optional(),
    maxDelay: duration({ min: 0 }).optional(),
    jitter: z.boolean().optional(),
  })
  .register(fieldHints, { fields: retryHints })
export type RetryBody = z.infer<typeof retryBody>

export const overlapBody = z.strictObject({
  policy: z.enum(overlapPolicies),
  limit: z.number().int().min(1).max(1000).optional(),
})

export const misfireBody = z.strictObject({
  policy: z.enum(['run-once', 'run-all', 'skip']).optional(),
  within: duration({ min: 0 }).optional(),
  cap: z.number().int().min(1).max(mostMisfireCap).optional(),
})
export type MisfireBody = z.infer<typeof misfireBody>

/** Timeouts of one attempt (api.md, caps), milliseconds. */
export const timeoutBounds = { min: 1000, max: 86_400_000 }

/** Users that one job may be shared with. */
export const mostViewers = 20

const jobFields = {
  name: z.string().trim().min(1).max(200).optional(),
  jobType: z.string().min(1).max(100),
  params: jsonObject.optional(),
  schedule: scheduleBody.nullable().optional(),
  runAt: timeAt.nullable().optional(),
  delay: duration({ min: 0, max: longestDurationMs }).optional(),
  scheduledTime: looseTime.optional(),
  startAt: timeAt.optional(),
  endAt: timeAt.optional(),
  maxRuns: z.number().int().min(1).max(1_000_000_000).optional(),
  jitter: duration({ min: 0 }).optional(),
  misfire: misfireBody.optional(),
  expiresAfter: duration({ min: 1 }).optional(),
  onLostLease: z.enum(['rerun', 'fail']).optional(),
  retry: retryBody.optional(),
  timeout: duration(timeoutBounds).optional(),
  overlap: overlapBody
    .optional()
    .describe('Without it scheduled runs of a recurring job do not overlap, and manual triggers always may.'),
  priority: z.number().int().min(1).max(9).optional(),
  tags: z.array(z.string().min(1).max(50)).max(20).optional(),
  viewers: z
    .array(z.string().min(1).max(256))
    .max(mostViewers)
    .optional()
    .describe(
      'User names of colleagues who see the job, its executions, params, results and logs, and change nothing. At most 20; default none.',
    ),
}

export const createJobBody = z
  .strictObject({ ...jobFields, key: jobKey.optional() })
  .register(fieldHints, { fields: jobHints })
export type CreateJobBody = z.infer<typeof createJobBody>

/** `PUT /jobs/:key`: the key stands in the path. */
export const putJobBody = z.strictObject(jobFields).register(fieldHints, { fields: jobHints })
export type PutJobBody = z.infer<typeof putJobBody>

/** `PATCH /jobs/:id`: what is merged is checked as `putJobBody`. */
export const patchJobBody = jsonObject.meta({
  type: 'object',
  additionalProperties: true,
  description:
    'A JSON merge patch (RFC 7396) of the body that makes the job: null takes a field back to its default. One of schedule, runAt, delay and scheduledTime replaces the others.',
})

/** `POST /jobs/:id/pause`. `until`: when the pause ends by itself. */
export const pauseBody = z
  .strictObject({
    until: timeAt.nullish().describe('When the pause ends by itself, RFC 3339; null or absent: not before a resume.'),
    reason: pauseReason,
  })
  .nullish()

/** `PATCH /api/v1/jobs/:id/state`: the status that the job shall have; SCHEDULED, PAUSED or CANCELLED. */
export const setStateBody = z.strictObject({
  state: z.enum(jobStatuses).describe('The status that the job shall have: SCHEDULED, PAUSED or CANCELLED.'),
})

/** `POST /jobs/:id/trigger`: `params` replace the job's for this one execution; `reason` is stored and shown. */
export const triggerBody = z
  .strictObject({ params: jsonObject.optional(), reason: z.string().max(500).optional() })
  .register(fieldHints, { fields: triggerHints })
  .nullish()
export type TriggerBody = z.infer<typeof triggerBody>

/** A recurring schedule in an answer. */
const scheduleView = z.union([
  z.strictObject({ cron: z.string(), timezone: z.string() }),
  z.strictObject({ every: z.string(), anchorAt: wireTime, timezone: z.string() }),
])

/**
 * `POST /schedules/preview`: the schedule fields of a job; `count` fire times after `from` (default: now). The body of a job
 * without its other fields means the same here.
 */
export const schedulePreviewBody = putJobBody
  .pick({
    schedule: true,
    runAt: true,
    delay: true,
    scheduledTime: true,
    startAt: true,
    endAt: true,
    maxRuns: true,
    jitter: true,
    misfire: true,
    expiresAfter: true,
  })
  .extend({ count: z.number().int().min(1).max(100).optional(), from: timeAt.optional() })
  .register(fieldHints, { fields: jobHints })
export type SchedulePreviewBody = z.infer<typeof schedulePreviewBody>

export const schedulePreviewView = z.strictObject({
  schedule: scheduleView.nullable(),
  runAt: wireTime.nullable(),
  /** The schedule in English; null for a job that runs once, and for one without a schedule. */
  text: z.string().nullable(),
  /** The zone of the local times. */
  timezone: z.string(),
  times: z.array(z.strictObject({ at: wireTime, local: z.string() })),
  /** How many fire times there are after `from`, and the last one; null for a schedule without end. */
  total: z.number().int().nullable(),
  lastAt: wireTime.nullable(),
  warnings: z.array(warning),
})
export type SchedulePreviewView = z.infer<typeof schedulePreviewView>

export const jobView = z.strictObject({
  id: z.string(),
  key: z.string().nullable(),
  name: z.string(),
  jobType: z.string(),
  params: jsonObject
    .optional()
    .describe('What each run works with. Absent for an operator who is neither owner nor viewer of the job.'),
  schedule: scheduleView.nullable(),
  runAt: wireTime.nullable(),
  scheduledTime: z
    .string()
    .nullable()
    .describe('The text of `scheduledTime` as it was given; null for a job that has its time from another field.'),
  status: z.enum(jobStatuses),
  state: z.enum(shownJobStates),
  version: z.number().int(),
  priority: z.number().int(),
  timeout: z.string(),
  retry: z.strictObject({
    maxRetries: z.number().int(),
    backoff: z.enum(['exponential', 'fixed']),
    delay: z.string(),
    factor: z.number(),
    maxDelay: z.string(),
    jitter: z.boolean(),
  }),
  onLostLease: z.enum(['rerun', 'fail']),
  /** `limit` null: any number may run at once. */
  overlap: z.strictObject({ policy: z.enum(overlapPolicies), limit: z.number().int().nullable() }),
  /** Null where the job sets none: the scheduler's defaults hold. */
  misfire: z
    .strictObject({ policy: z.enum(['run-once', 'run-all', 'skip']), within: z.string(), cap: z.number().int() })
    .nullable(),
  startAt: wireTime.nullable(),
  endAt: wireTime.nullable(),
  maxRuns: z.number().int().nullable(),
  jitter: z.string().nullable(),
  expiresAfter: z.string().nullable(),
  /** When a paused job resumes by itself; null for one that waits for a resume. */
  pauseUntil: wireTime.nullable(),
  pausedBy: z
    .enum(pausedBy)
    .nullable()
    .describe(
      'Of a paused job: `single` by a call for this job, `bulk` by `POST /jobs/pause`; null for a job that is not paused.',
    ),
  pauseReason: z.string().nullable().describe('The reason that the pause gave; null without one.'),
  tags: z.array(z.string()),
  nextRunAt: wireTime.nullable(),
  /** `nextRunAt` in the job's zone, with its offset and the zone's name: `2026-12-01T09:00:00+01:00[Europe/Berlin]`. */
  nextRunLocal: z.string().nullable(),
  /** The newest execution that has ended. */
  lastExecution: executionSummary.nullable(),
  ownerId: z.string(),
  viewers: z.array(z.string()).describe('User names of those who see the job beside its owner.'),
  createdAt: wireTime,
  updatedAt: wireTime,
  warnings: z.array(warning),
  links,
})
export type JobView = z.infer<typeof jobView>

/** A job in a list: `params` only when `fields` asks for them. */
export const listedJobView = jobView.partial({ params: true })
export type ListedJobView = z.infer<typeof listedJobView>

/** The answer to every change of a job. `inFlight`: what may still run of its older versions. `effective` is `pending` (202) while the executors could not be reached. */
export const fencedJobView = jobView.extend({
  inFlight: z.array(inFlight),
  effective: z.enum(['now', 'pending']),
})
export type FencedJobView = z.infer<typeof fencedJobView>

export const jobStatusView = z.strictObject({
  jobId: z.string(),
  key: z.string().nullable(),
  name: z.string(),
  status: z.enum(jobStatuses),
  state: z.enum(shownJobStates),
  /** The next fire time that has not started. */
  nextRunAt: wireTime.nullable(),
  /** The newest execution that has ended. */
  lastExecution: executionSummary.nullable(),
  /** The newest running execution. */
  currentExecution: executionSummary.nullable(),
  consecutiveFailures: z.number().int(),
  /** What keeps the job from running now: no executor has its job type. */
  warnings: z.array(warning),
  links,
})
export type JobStatusView = z.infer<typeof jobStatusView>

/** `GET /jobs/:id/next-runs?count=`. */
export const nextRunsQuery = z.strictObject({ count: wholeNumber({ min: 1, max: 100 }).default(10) })

export const nextRunsView = z.strictObject({
  jobId: z.string(),
  /** The zone of the local times. */
  timezone: z.string(),
  /** `local`: with its offset and the name of the zone. */
  data: z.array(z.strictObject({ at: wireTime, local: z.string() })),
  /** Why there are none; null where there are some. */
  reason: z.enum(['paused', 'cancelled', 'completed', 'no-schedule', 'ended']).nullable(),
})
export type NextRunsView = z.infer<typeof nextRunsView>

/**
 * One entry of `GET /jobs/:id/history`: an execution, or a range of fire times without one. `at`: the fire time of the execution, or
 * the first one of the range.
 */
export const historyEntry = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('execution'), at: wireTime, execution: listedExecutionView }),
  z.strictObject({ kind: z.literal('fire-log'), at: wireTime, range: fireRangeView }),
])
export type HistoryEntry = z.infer<typeof historyEntry>
