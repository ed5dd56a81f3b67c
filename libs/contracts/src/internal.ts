import { z } from 'zod'
import { jobStatusMessage } from './messages.ts'
import { jobChange, jobChangesMessage, jobExecuteMessage, retryPolicy } from './spec.ts'
import { executionStatuses, fireDecisions, roles } from './states.ts'
import { wholeNumber } from './values.ts'

/** Bodies of the routes between services (`/internal/*`, service token only). Times are epoch milliseconds. */

/** `PUT /internal/admissions/:jobId` of the executor: the fence of docs/protocol.md step 2. */
export const fenceBody = z.strictObject({ changes: z.array(jobChange).min(1).max(32) })
export type FenceBody = z.infer<typeof fenceBody>

export const inFlight = z
  .strictObject({
    executionId: z.string().describe('The id of the execution.'),
    epoch: z.number().int().describe('The attempt that runs.'),
    status: z.enum(executionStatuses).describe('The status of the execution at the change.'),
  })
  .meta({ id: 'InFlight', description: 'An execution that was running when its job was changed.' })
export type InFlight = z.infer<typeof inFlight>

/** `fencedVersion`: the newest version among the changes that were sent. */
export const fenceReply = z.strictObject({ fencedVersion: z.number().int(), inFlight: z.array(inFlight) })
export type FenceReply = z.infer<typeof fenceReply>

/**
 * `PUT /internal/executions/:id/cancel` of the executor. `command`: of a trigger that no job-status has answered yet, so that an
 * executor that does not know the execution stores it as cancelled, and the command that arrives later finds it ended; null for
 * an execution that an executor has published. The answer is the execution's whole state after the cancel. 404: the execution is
 * unknown and there is no command. 409 `illegal-transition`: it has ended otherwise. The same call again gives the same answer.
 */
export const cancelExecutionBody = z.strictObject({ command: jobExecuteMessage.nullable() })
export type CancelExecutionBody = z.infer<typeof cancelExecutionBody>
export const cancelExecutionReply = jobStatusMessage

/** `POST /internal/schedules/versions` of the scheduler: how far it has come with some jobs. A job that it does not know is left out. */
export const scheduleVersionsBody = z.strictObject({ ids: z.array(z.string()).min(1).max(200) })
export const scheduleVersionsReply = z.strictObject({
  data: z.array(z.strictObject({ id: z.string(), version: z.number().int().min(1) })),
})

/**
 * `POST /internal/jobs/reach` of job-service: what a caller may do with a job, by its id, also with what a delete has left of it. A
 * job that is not there answers like one that is out of reach: nothing is allowed.
 */
export const jobReachBody = z.strictObject({
  jobId: z.string().describe('The id of the job.'),
  userId: z.string().describe('The id of the calling user.'),
  roles: z.array(z.enum(roles)).max(roles.length).describe('The roles of the caller.'),
})
export type JobReachBody = z.infer<typeof jobReachBody>
export const jobReachReply = z.strictObject({
  sees: z.boolean().describe('Whether the caller sees the metadata.'),
  seesDetails: z.boolean().describe('Whether the caller also sees params, results, logs and artifacts.'),
  mayOperate: z.boolean().describe('Whether the caller may pause, resume, cancel, retry and redrive.'),
  mayChange: z.boolean().describe('Whether the caller may do everything else.'),
})
export type JobReachReply = z.infer<typeof jobReachReply>

/**
 * `POST /internal/schedules/runs` of the scheduler, with the same body: how far the schedules of some jobs have come. `fired`:
 * how many fire times were issued, the newest one at `lastFireAt`; `nextFireAt`: the first one that is undecided, null where
 * none is left.
 */
export const scheduleRunsReply = z.strictObject({
  data: z.array(
    z.strictObject({
      id: z.string(),
      version: z.number().int().min(1),
      fired: z.number().int().nonnegative(),
      lastFireAt: z.number().int().nullable(),
      nextFireAt: z.number().int().nullable(),
      /** Fire times whose commands no executor has answered yet; a scheduler of an earlier version does not name them. */
      pending: z.array(z.number().int()).default([]),
    }),
  ),
})
export type ScheduleRunsReply = z.infer<typeof scheduleRunsReply>

/** Where a page of a job's fire log ends: by its last range. */
const fireLogPosition = z.strictObject({ from: z.number().int(), decision: z.enum(fireDecisions) })
export type FireLogPosition = z.infer<typeof fireLogPosition>

/** `POST /internal/fire-log/list` of the scheduler: the ranges of a job after a position (null: from the newest on), newest first. */
export const fireLogBody = z.strictObject({
  jobId: z.string(),
  limit: z.number().int().min(1).max(1000),
  after: fireLogPosition.nullable(),
  decision: z.enum(fireDecisions).optional(),
  /** Only ranges with a part from here on, and up to there. */
  from: z.number().int().optional(),
  to: z.number().int().optional(),
})
export type FireLogBody = z.infer<typeof fireLogBody>
/** Times are epoch milliseconds; the fields are those of `fireRangeView`. */
export const fireLogReply = z.strictObject({
  data: z.array(
    fireLogPosition.extend({
      to: z.number().int(),
      count: z.number().int(),
      reason: z.string(),
      version: z.number().int(),
    }),
  ),
})
export type FireLogReply = z.infer<typeof fireLogReply>

/** Where a page of missed fire times ends: when they were logged, and how the scheduler's store names them. */
const missedPosition = z.strictObject({ at: z.number().int(), id: z.string() })
export type MissedPosition = z.infer<typeof missedPosition>

/**
 * `POST /internal/fire-log/missed` of the scheduler: ranges of missed fire times of all jobs in the order in which they were logged. The clocks
 * of several schedulers order them, so a range may come in behind one that was seen.
 */
export const missedBody = z.strictObject({ after: missedPosition, limit: z.number().int().min(1).max(1000) })
/** `now`: the scheduler's clock before the rows were read. */
export const missedReply = z.strictObject({
  now: z.number().int(),
  data: z.array(
    missedPosition.extend({
      jobId: z.string(),
      from: z.number().int(),
      to: z.number().int(),
      count: z.number().int(),
      reason: z.string(),
    }),
  ),
})
export type MissedReply = z.infer<typeof missedReply>

/**
 * The list of a reconcile (docs/protocol.md step 14). Each write of a record gives it a new change number, which its store hands
 * out: unique and growing, with gaps. The list is in the order of these numbers, and goes on after the last one of a page. No
 * clock orders it. A store may store a number later than a higher one (`changeNumberMaxAgeMs`).
 */
export const changesQuery = z.strictObject({
  /** Rows with a higher change number. */
  after: wholeNumber({ min: 0 }).default(0),
  limit: wholeNumber({ min: 1, max: 1000 }).default(1000),
})
export type ChangesQuery = z.infer<typeof changesQuery>

/**
 * How old a change number may be when its record is stored, milliseconds: a writer whose write took longer gives the record
 * a number once more.
 */
export const changeNumberMaxAgeMs = 20_000

/**
 * The least that reconciling must allow between the number of a change and its row (`…ReconcileSettleMs`), milliseconds: three
 * times the oldest number, so that the write and the clocks of two reads have room.
 */
export const leastReconcileSettleMs = 3 * changeNumberMaxAgeMs

/** `head`: the newest change number that the store had handed out before it read the rows; 0 when there was none. */
const changesPageOf = <T extends z.ZodType>(row: T) =>
  z.strictObject({ data: z.array(row), head: z.number().int().min(0), hasMore: z.boolean() })

/** `GET /internal/executions/changes` of the executor. */
export const executionChangesPage = changesPageOf(
  z.strictObject({ id: z.string(), seq: z.number().int(), changeNo: z.number().int() }),
)
export type ExecutionChangesPage = z.infer<typeof executionChangesPage>

/** `GET /internal/jobs/changes` of job-service: the same with job versions. */
export const jobVersionsPage = changesPageOf(
  z.strictObject({ id: z.string(), version: z.number().int(), changeNo: z.number().int() }),
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
export const paramWarning = z
  .strictObject({
    param: z.string().describe('The name of the param.'),
    pattern: z.string().describe('A regular expression; upper and lower case are the same.'),
    code: z.string().describe('The code of the warning.'),
    detail: z.string().describe('The warning as a sentence.'),
  })
  .meta({ id: 'ParamWarning', description: 'A warning for jobs whose param fits a pattern.' })
export type ParamWarning = z.infer<typeof paramWarning>

/** One job type (`GET /job-types`). Schemas are JSON Schema 2020-12. */
export const jobType = z
  .strictObject({
    type: z.string().describe('The name that jobs give as `jobType`.'),
    title: z.string().describe('The name for people.'),
    description: z.string().describe('What it does, in a sentence or two.'),
    params: z
      .record(z.string(), z.unknown())
      .describe('The JSON Schema (2020-12) of `params`, with defaults and descriptions.'),
    result: z.record(z.string(), z.unknown()).describe('The JSON Schema (2020-12) of `result`.'),
    paramWarnings: z
      .array(paramWarning)
      .optional()
      .describe('Params that are accepted although no run of this executor would succeed with them.'),
    timeoutMs: z.number().int().describe('The timeout of a job that names none, milliseconds.'),
    retry: retryPolicy
      .partial()
      .meta({ id: 'RetryDefaults', description: 'Parts of a retry policy.' })
      .optional()
      .describe(
        'What a job of this type gets of its retry policy when it names none; the rest are the general defaults.',
      ),
    examples: z
      .array(z.record(z.string(), z.unknown()))
      .describe('Values for `params` that work; the first one is a good beginning.'),
  })
  .meta({ id: 'JobType', description: 'Something that jobs can do.' })
export type JobType = z.infer<typeof jobType>

/**
 * `POST /internal/users/resolve` of auth-service: users by their names, whatever the case, and by their ids. A user that is not
 * there is left out of the answer, which is in no order: compare a name with `username` in lower case.
 */
export const resolveUsersBody = z.strictObject({
  usernames: z.array(z.string().min(1).max(256)).max(200).default([]).describe('Names of users, in any case.'),
  ids: z.array(z.string().min(1).max(100)).max(200).default([]).describe('Ids of users.'),
})
export type ResolveUsersBody = z.input<typeof resolveUsersBody>
export const resolvedUsers = z.strictObject({
  data: z.array(
    z.strictObject({
      id: z.string().describe('The id of the user.'),
      username: z.string().describe('The name as the user signed up with it.'),
      disabled: z.boolean().describe('Whether the user cannot log in.'),
    }),
  ),
})
export type ResolvedUsers = z.infer<typeof resolvedUsers>

/** `POST /internal/api-keys/swap` of auth-service: an access token of a minute for an API key. */
export const swapKeyBody = z.strictObject({ key: z.string().max(200).describe('The API key, whole.') })
/** `token` is null for a key that is not taken: unknown, deleted or expired, or of a user who is disabled. */
export const swapKeyReply = z.strictObject({
  token: z.string().nullable().describe('The access token, or null for a key that is not taken.'),
})
