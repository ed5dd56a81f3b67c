import { z } from 'zod'
import { fieldHints, intervalHints, jobHints, retryHints, scheduleHints, triggerHints } from './field-hints.ts'
import { jobKey } from './ids.ts'
import { inFlight } from './internal.ts'
import { artifactInfo, executionError } from './messages.ts'
import {
  attemptOutcomes,
  executionCauses,
  executionStatuses,
  fireDecisions,
  jobStatuses,
  roles,
  shownJobStates,
} from './states.ts'
import { duration, jsonObject, longestDurationMs, looseTime, timeAt, wholeNumber } from './values.ts'

/** Bodies of the public API. Every body is closed: an unknown field is a fault. Times on the wire are ISO 8601 in UTC. */
const wireTime = z.iso.datetime()

// --- auth ---

export const signupBody = z.strictObject({
  username: z.string().regex(/^[A-Za-z0-9._@+-]{2,64}$/, 'must be 2 to 64 letters, digits or ".", "_", "@", "+", "-"'),
  password: z.string().min(1).max(256),
})
export type SignupBody = z.infer<typeof signupBody>

/** Login takes any text: whether a name could exist must not show in the answer. */
export const loginBody = z.strictObject({ username: z.string().min(1).max(256), password: z.string().min(1).max(256) })
export type LoginBody = z.infer<typeof loginBody>

export const warning = z.strictObject({ code: z.string(), detail: z.string() })
export type Warning = z.infer<typeof warning>

export const userView = z.strictObject({
  id: z.string(),
  username: z.string(),
  roles: z.array(z.enum(roles)),
  warnings: z.array(warning),
})
export type UserView = z.infer<typeof userView>

/** `token` equals `accessToken`: the name that the systems use which Belfry replaces. `expiresIn` in seconds. */
export const loginReply = z.strictObject({
  token: z.string(),
  accessToken: z.string(),
  tokenType: z.literal('Bearer'),
  expiresIn: z.number().int(),
})
export type LoginReply = z.infer<typeof loginReply>

/** One public key (RFC 7517, RFC 8037): Ed25519 for EdDSA. `x` is the key itself, base64url. */
const jwk = z.object({
  kty: z.string(),
  crv: z.string(),
  x: z.string(),
  kid: z.string(),
  alg: z.string(),
  use: z.string(),
})
export type Jwk = z.infer<typeof jwk>

/** `GET /auth/.well-known/jwks.json`: what every service verifies tokens with. */
export const jwkSet = z.object({ keys: z.array(jwk) })

// --- jobs ---

export const scheduleBody = z.union([
  z.string().min(1).max(128),
  z
    .strictObject({ cron: z.string().min(1).max(128), timezone: z.string().min(1).max(64).optional() })
    .register(fieldHints, { fields: scheduleHints }),
  z.strictObject({ every: duration({ min: 1000 }) }).register(fieldHints, { fields: intervalHints }),
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
  policy: z.enum(['skip', 'allow']),
  limit: z.number().int().min(1).max(1000).optional(),
})

/** Timeouts of one attempt (api.md, caps), milliseconds. */
export const timeoutBounds = { min: 1000, max: 86_400_000 }

const jobFields = {
  name: z.string().trim().min(1).max(200).optional(),
  jobType: z.string().min(1).max(100),
  params: jsonObject.optional(),
  schedule: scheduleBody.nullable().optional(),
  runAt: timeAt.nullable().optional(),
  delay: duration({ min: 0, max: longestDurationMs }).optional(),
  scheduledTime: looseTime.optional(),
  retry: retryBody.optional(),
  timeout: duration(timeoutBounds).optional(),
  overlap: overlapBody
    .optional()
    .describe('Without it scheduled runs of a recurring job do not overlap, and manual triggers always may.'),
  priority: z.number().int().min(1).max(9).optional(),
  tags: z.array(z.string().min(1).max(50)).max(20).optional(),
}

export const createJobBody = z
  .strictObject({ ...jobFields, key: jobKey.optional() })
  .register(fieldHints, { fields: jobHints })
export type CreateJobBody = z.infer<typeof createJobBody>

/** `PUT /jobs/:key`: the key stands in the path. */
export const putJobBody = z.strictObject(jobFields).register(fieldHints, { fields: jobHints })
export type PutJobBody = z.infer<typeof putJobBody>

/** `POST /jobs/:id/trigger`: `params` replace the job's for this one execution; `reason` is kept for people. */
export const triggerBody = z
  .strictObject({ params: jsonObject.optional(), reason: z.string().max(500).optional() })
  .register(fieldHints, { fields: triggerHints })
  .nullish()
export type TriggerBody = z.infer<typeof triggerBody>

const links = z.record(z.string(), z.string())

export const executionSummary = z.strictObject({
  id: z.string(),
  status: z.enum(executionStatuses),
  fireAt: wireTime,
  endedAt: wireTime.nullable(),
})
export type ExecutionSummary = z.infer<typeof executionSummary>

export const jobView = z.strictObject({
  id: z.string(),
  key: z.string().nullable(),
  name: z.string(),
  jobType: z.string(),
  params: jsonObject,
  schedule: z
    .union([
      z.strictObject({ cron: z.string(), timezone: z.string() }),
      z.strictObject({ every: z.string(), anchorAt: wireTime, timezone: z.string() }),
    ])
    .nullable(),
  runAt: wireTime.nullable(),
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
  overlap: z.strictObject({ policy: z.enum(['skip', 'allow']), limit: z.number().int() }),
  tags: z.array(z.string()),
  nextRunAt: wireTime.nullable(),
  /** `nextRunAt` in the job's zone, with its offset and the zone's name: `2026-12-01T09:00:00+01:00[Europe/Berlin]`. */
  nextRunLocal: z.string().nullable(),
  /** The newest that has ended. */
  lastExecution: executionSummary.nullable(),
  ownerId: z.string(),
  createdAt: wireTime,
  updatedAt: wireTime,
  warnings: z.array(warning),
  links,
})
export type JobView = z.infer<typeof jobView>

/** A job in a list: `params` only when `fields` asks for them. */
export const listedJobView = jobView.partial({ params: true })
export type ListedJobView = z.infer<typeof listedJobView>

/** `POST /jobs/:id/cancel`. `effective` is `pending` (202) while the executors could not be told. */
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
  /** The newest that has ended. */
  lastExecution: executionSummary.nullable(),
  /** The newest that runs. */
  currentExecution: executionSummary.nullable(),
  consecutiveFailures: z.number().int(),
  links,
})
export type JobStatusView = z.infer<typeof jobStatusView>

// --- executions ---

export const attemptView = z.strictObject({
  epoch: z.number().int(),
  executor: z.string(),
  startedAt: wireTime.nullable(),
  endedAt: wireTime.nullable(),
  outcome: z.enum(attemptOutcomes).nullable(),
  error: executionError.nullable(),
})

export const executionView = z.strictObject({
  id: z.string(),
  jobId: z.string(),
  jobName: z.string(),
  jobType: z.string(),
  jobVersion: z.number().int(),
  ownerId: z.string(),
  status: z.enum(executionStatuses),
  /** What keeps an execution that is due from starting; null when nothing does. */
  waitingFor: z.enum(['slot']).nullable(),
  cause: z.enum(executionCauses),
  /** What the person said who triggered it. */
  reason: z.string().nullable(),
  fireAt: wireTime,
  /** When the next attempt starts; null while running and once ended. */
  nextAttemptAt: wireTime.nullable(),
  startedAt: wireTime.nullable(),
  endedAt: wireTime.nullable(),
  durationMs: z.number().int().nullable(),
  /** How late the first attempt started after `fireAt`, milliseconds. */
  latenessMs: z.number().int().nullable(),
  attempts: z.array(attemptView),
  /** What it runs with: those of its trigger, else those of the job. */
  params: jsonObject,
  result: z.unknown(),
  error: executionError.nullable(),
  artifacts: z.array(artifactInfo),
  blockedBy: z.string().nullable(),
  /** Why it did not run, or not to its end, in a sentence; null where there is nothing to explain. */
  statusReason: z.string().nullable(),
  retryOf: z.string().nullable(),
  timeline: z.strictObject({
    plannedAt: wireTime,
    sentAt: wireTime.nullable(),
    admittedAt: wireTime.nullable(),
    startedAt: wireTime.nullable(),
    endedAt: wireTime.nullable(),
    topic: z.string().nullable(),
    partition: z.number().int().nullable(),
    offset: z.string().nullable(),
  }),
  links,
})
export type ExecutionView = z.infer<typeof executionView>

/** An execution in a list: `params` and `result` only when `fields` asks for them. */
export const listedExecutionView = executionView.partial({ params: true, result: true })
export type ListedExecutionView = z.infer<typeof listedExecutionView>

export const logLevels = ['debug', 'info', 'warn', 'error'] as const

export const logLine = z.strictObject({
  seq: z.number().int(),
  epoch: z.number().int(),
  at: wireTime,
  level: z.enum(logLevels),
  text: z.string(),
})
export type LogLine = z.infer<typeof logLine>

/** Fire times without an execution: `count` of them, the first at `from`, the last at `to`. */
export const fireRangeView = z.strictObject({
  from: wireTime,
  to: wireTime,
  count: z.number().int(),
  decision: z.enum(fireDecisions),
  /** One kebab-case word. */
  reason: z.string(),
  /** The job's version whose fire times they were. */
  version: z.number().int(),
})
export type FireRangeView = z.infer<typeof fireRangeView>

// --- lists ---

/** Query of every list: `limit` 1 to 200 (50), `cursor` as the last page gave it. */
export const pageQuery = z.strictObject({
  limit: wholeNumber({ min: 1, max: 200 }).default(50),
  cursor: z.string().max(512).optional(),
})

/** `fields` of a list: the large fields to show beside the others, with commas between them. */
const fieldsOf = <const Names extends readonly [string, ...string[]]>(names: Names) =>
  z
    .preprocess((given) => (typeof given === 'string' ? given.split(',') : given), z.array(z.enum(names)).max(10))
    .default([])

/** Fields that lists leave out unless they are asked for. */
const executionFields = fieldsOf(['params', 'result'])

export const jobsQuery = pageQuery.extend({
  fields: fieldsOf(['params']),
  status: z.enum(jobStatuses).optional(),
  jobType: z.string().min(1).max(100).optional(),
  /** A part of the job's name or key, without regard to case. */
  q: z.string().min(1).max(100).optional(),
})
export type JobsQuery = z.infer<typeof jobsQuery>

/** `GET /dead-letters`. */
export const deadLettersQuery = pageQuery.extend({ fields: executionFields })

export const executionsQuery = pageQuery.extend({
  fields: executionFields,
  status: z.enum(executionStatuses).optional(),
  jobType: z.string().min(1).max(100).optional(),
})
export type ExecutionsQuery = z.infer<typeof executionsQuery>

export const logsQuery = pageQuery.extend({ attempt: wholeNumber({ min: 1 }).optional() })
export type LogsQuery = z.infer<typeof logsQuery>

/**
 * One page of a list. `nextCursor` is null on the last page; a page may be shorter than `limit` although more follow, also
 * because its body would be longer than 1 MiB.
 */
export function pageOf<T extends z.ZodType>(item: T) {
  return z.strictObject({
    data: z.array(item),
    page: z.strictObject({ nextCursor: z.string().nullable(), hasMore: z.boolean() }),
  })
}
export interface Page<T> {
  data: T[]
  page: { nextCursor: string | null; hasMore: boolean }
}
