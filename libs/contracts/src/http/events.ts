import { z } from 'zod'
import { jobRef } from '../ids.ts'
import { executionError } from '../messages.ts'
import { changeKinds } from '../spec.ts'
import { executionCauses, executionStatuses, jobStates } from '../states.ts'
import { listScopes } from './lists.ts'
import { wireTime } from './parts.ts'

/** `GET /events`. */
export const eventsQuery = z.strictObject({
  scope: z
    .enum([...listScopes, 'mine'])
    .default('mine')
    .describe('`own` jobs, jobs `shared` with you, `mine` for both, or, for operators, `all`. Default `mine`.'),
  jobId: jobRef
    .optional()
    .describe('Only events of this job, by its id, or its key among your own. Default: of all jobs of the scope.'),
})
export type EventsQuery = z.infer<typeof eventsQuery>

/** The data of the event `job`: a job as its newest change has made it. */
export const jobEvent = z.strictObject({
  jobId: z.string().describe('The id of the job.'),
  key: z.string().nullable().describe('The key of the job; null without one.'),
  name: z.string().describe('The name of the job.'),
  ownerId: z.string().describe('The id of the owner.'),
  change: z.enum(changeKinds).describe('The newest change.'),
  version: z.number().int().describe('The version that the change has made.'),
  state: z.enum(jobStates).describe('The state of the job after the change.'),
  at: wireTime.describe('When the change was made.'),
})
export type JobEvent = z.infer<typeof jobEvent>

/** The data of the event `execution`: an execution in its newest status. */
export const executionEvent = z.strictObject({
  executionId: z.string().describe('The id of the execution.'),
  jobId: z.string().describe('The id of its job.'),
  ownerId: z.string().describe('The id of the owner.'),
  jobType: z.string().describe('The job type.'),
  jobVersion: z.number().int().describe('The version of the job that it runs.'),
  status: z.enum(executionStatuses).describe('The newest status. Statuses in between may have no event.'),
  cause: z.enum(executionCauses).describe('What asked for it.'),
  fireAt: wireTime.describe('Its fire time, or when it was asked for.'),
  startedAt: wireTime.nullable().describe('When its first attempt started; null before.'),
  endedAt: wireTime.nullable().describe('When it ended; null before.'),
  attempts: z.number().int().describe('Attempts so far.'),
  error: executionError.nullable().describe('Why the newest attempt failed; null where none did.'),
  retryOf: z.string().nullable().describe('The execution that it runs again; null for none.'),
})
export type ExecutionEvent = z.infer<typeof executionEvent>
