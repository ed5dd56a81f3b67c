import { z } from 'zod'
import { jobChangesMessage, jobExecuteMessage } from './spec.ts'
import { attemptOutcomes, executionCauses, executionStates } from './states.ts'
import { tolerant } from './tolerant.ts'
import { epochMs } from './values.ts'

/** What went wrong, for people and programs. `code` is a short kebab-case word; `message` at most 8 KiB. */
export const executionError = z.strictObject({
  code: z.string().describe('What went wrong, as a short kebab-case word such as `timeout`.'),
  message: z.string().describe('What went wrong, for people; at most 8 KiB.'),
})
export type ExecutionError = z.infer<typeof executionError>

/** One try at running an execution. `epoch` is its fencing token, `executor` the instance that owned it. */
export const attemptRecord = z.strictObject({
  epoch: z.number().int().min(1),
  executor: z.string(),
  /** When the handler was called; null until that is recorded, and where it never was. It does not change afterwards. */
  startedAt: epochMs.nullable(),
  endedAt: epochMs.nullable(),
  outcome: z.enum(attemptOutcomes).nullable(),
  error: executionError.nullable(),
})
export type AttemptRecord = z.infer<typeof attemptRecord>

export const artifactInfo = z.strictObject({
  name: z.string().describe('The name of the file, unique in its execution.'),
  contentType: z.string().describe('What it holds, such as `text/csv`.'),
  bytes: z.number().int().nonnegative().describe('How long it is, bytes.'),
})
export type ArtifactInfo = z.infer<typeof artifactInfo>

/** When each step was taken, and which message brought the command (null where the bus has no partitions). */
export const timeline = z.strictObject({
  plannedAt: epochMs,
  sentAt: epochMs.nullable(),
  admittedAt: epochMs.nullable(),
  startedAt: epochMs.nullable(),
  endedAt: epochMs.nullable(),
  topic: z.string().nullable(),
  partition: z.number().int().nullable(),
  offset: z.string().nullable(),
})
export type Timeline = z.infer<typeof timeline>

/** The value of topic `job-status`: an execution's whole state without its params. The newest `seq` wins. */
export const jobStatusMessage = z.strictObject({
  executionId: z.string(),
  jobId: z.string(),
  ownerId: z.string(),
  jobType: z.string(),
  version: z.number().int().min(1),
  cause: z.enum(executionCauses),
  seq: z.number().int().min(1),
  state: z.enum(executionStates),
  fireAt: epochMs,
  runAt: epochMs,
  epoch: z.number().int().nonnegative(),
  attempts: z.array(attemptRecord),
  failures: z.number().int().nonnegative(),
  /** Attempts that started, or may have, and whose executor was lost. The first one is not charged. */
  losses: z.number().int().nonnegative(),
  cancelRequested: z.boolean(),
  blockedBy: z.string().nullable(),
  retryOf: z.string().nullable(),
  result: z.unknown(),
  error: executionError.nullable(),
  artifacts: z.array(artifactInfo),
  timeline,
})
export type JobStatusMessage = z.infer<typeof jobStatusMessage>

/** The value of topic `job-dead-letter`: an execution that failed for good, or a message that cannot be read. */
export const deadLetterMessage = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('execution'), jobId: z.string(), execution: jobStatusMessage }),
  z.strictObject({
    kind: z.literal('poison'),
    topic: z.string(),
    partition: z.number().int(),
    offset: z.string(),
    reason: z.string(),
    /** The raw bytes, base64. */
    raw: z.string(),
  }),
])
export type DeadLetterMessage = z.infer<typeof deadLetterMessage>

/**
 * The four topics, all keyed by job id, with the schema of each value. A field that is unknown here is dropped: a newer
 * version of Belfry has sent it.
 */
export const topics = {
  'job-changes': tolerant(jobChangesMessage),
  'job-execute': tolerant(jobExecuteMessage),
  'job-status': tolerant(jobStatusMessage),
  'job-dead-letter': tolerant(deadLetterMessage),
} as const
export type Topic = keyof typeof topics
export type TopicValues = { [T in Topic]: z.infer<(typeof topics)[T]> }

/**
 * What travels beside a value, in the message's headers, so that the value itself begins with `jobId` and `jobType` (decision 005).
 * `hmac` covers the key, the envelope and the raw value with the bus key; the in-process bus leaves it null.
 */
export const envelope = z.strictObject({
  version: z.literal(1),
  id: z.string(),
  type: z.enum(Object.keys(topics) as [Topic, ...Topic[]]),
  /** When it was sent, epoch milliseconds. */
  time: epochMs,
  traceparent: z.string().nullable(),
  /** Service and instance. */
  sender: z.string(),
  hmac: z.string().nullable(),
})
export type Envelope = z.infer<typeof envelope>
