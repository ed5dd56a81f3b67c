import { z } from 'zod'
import { jobStatusMessage } from './messages.ts'
import { refusal } from './problems.ts'
import { jobChange, jobChangesMessage } from './spec.ts'
import { executionStatuses } from './states.ts'
import { wholeNumber } from './values.ts'

/** Bodies of the routes between services (`/internal/*`, service token only). Times are epoch milliseconds. */

/** `PUT /internal/admissions/:jobId` of the executor: the fence of protocol.md step 2. */
export const fenceBody = z.strictObject({ changes: z.array(jobChange).min(1).max(32) })
export type FenceBody = z.infer<typeof fenceBody>

export const inFlight = z.strictObject({
  executionId: z.string(),
  epoch: z.number().int(),
  status: z.enum(executionStatuses),
})
export type InFlight = z.infer<typeof inFlight>

/** `fencedVersion`: the newest version among the changes that were sent. */
export const fenceReply = z.strictObject({ fencedVersion: z.number().int(), inFlight: z.array(inFlight) })
export type FenceReply = z.infer<typeof fenceReply>

/**
 * The list of a reconcile, in order of change (protocol.md step 14). A list begins `since` a time and goes on with the
 * `next` of its last page, until that is null. Only the store that made a cursor reads it.
 */
export const changesQuery = z.strictObject({
  /** Rows changed at or after this time, epoch milliseconds; without effect beside a cursor. */
  since: wholeNumber({ min: 0 }).default(0),
  cursor: z.string().min(1).max(512).optional(),
  limit: wholeNumber({ min: 1, max: 1000 }).default(1000),
})
export type ChangesQuery = z.infer<typeof changesQuery>

/** What a store answers to a cursor that it did not make. */
export const badChangesCursor = refusal('malformed-request', 'The cursor is not one that this list gave.', {
  errors: [{ pointer: '?cursor', code: 'bad-cursor', detail: 'is not a cursor of this list' }],
})

const changesPageOf = <T extends z.ZodType>(row: T) =>
  z.strictObject({ data: z.array(row), next: z.string().nullable() })

/** `GET /internal/executions/changes` of the executor. */
export const executionChangesPage = changesPageOf(
  z.strictObject({ id: z.string(), seq: z.number().int(), changedAt: z.number().int() }),
)
export type ExecutionChangesPage = z.infer<typeof executionChangesPage>

/** `GET /internal/jobs/changes` of job-service: the same with job versions. */
export const jobVersionsPage = changesPageOf(
  z.strictObject({ id: z.string(), version: z.number().int(), changedAt: z.number().int() }),
)
export type JobVersionsPage = z.infer<typeof jobVersionsPage>

/**
 * `POST /internal/executions/fetch` and `POST /internal/jobs/fetch`: whole states of the ids that differ. The answer holds
 * as many as fit into its bytes, one at least, and names the ids that it left out (the caller asks again) and those whose
 * record cannot be read. An id that is not named at all has no record any more.
 */
export const fetchBody = z.strictObject({ ids: z.array(z.string()).min(1).max(200) })
export type FetchBody = z.infer<typeof fetchBody>
const fetchReplyOf = <T extends z.ZodType>(record: T) =>
  z.strictObject({ data: z.array(record), left: z.array(z.string()), unreadable: z.array(z.string()) })
export const executionsReply = fetchReplyOf(jobStatusMessage)
export const jobsReply = fetchReplyOf(jobChangesMessage)
/** The same with unparsed records, so that a record that does not fit its schema stops no other. */
export const fetchReply = fetchReplyOf(z.unknown())
export type FetchReply = z.infer<typeof fetchReply>

/**
 * Params that are accepted although no attempt of this executor would succeed with them: a text param of the top level
 * that matches `pattern` (case ignored) gives its job the warning.
 */
export const paramWarning = z.strictObject({
  param: z.string(),
  pattern: z.string(),
  code: z.string(),
  detail: z.string(),
})
export type ParamWarning = z.infer<typeof paramWarning>

/** One job type (`GET /job-types`). Schemas are JSON Schema 2020-12. */
export const jobType = z.strictObject({
  type: z.string(),
  title: z.string(),
  description: z.string(),
  params: z.record(z.string(), z.unknown()),
  result: z.record(z.string(), z.unknown()),
  paramWarnings: z.array(paramWarning).optional(),
  /** The time-out of a job that names none, milliseconds. */
  timeoutMs: z.number().int(),
  examples: z.array(z.record(z.string(), z.unknown())),
})
export type JobType = z.infer<typeof jobType>
