import { z } from 'zod'
import { fieldHints, triggerHints } from '../field-hints.ts'
import { jobIdPattern, jobKey } from '../ids.ts'
import { problem } from '../problems.ts'
import { jsonObject } from '../values.ts'
import { executionView } from './executions.ts'
import { jobView } from './job-views.ts'

/** Items that one batch may have. */
export const mostBatchItems = 1000
/** Largest body of a batch, bytes. */
export const mostBatchBytes = 4 * 1024 * 1024

/** The items of a batch before each is checked on its own: one that does not fit leaves the others alone. */
export const batchItems = z.array(z.unknown()).min(1).max(mostBatchItems)

/** One item of `POST /triggers/batch`: exactly one of `jobId` and `key` names the job. */
export const triggerItem = z
  .strictObject({
    jobId: z.string().regex(jobIdPattern, 'is not a job id').optional().describe('The id of the job.'),
    key: jobKey.optional().describe('The key of the job, instead of its id.'),
    params: jsonObject
      .optional()
      .describe("Replace the job's params for this one execution. Default: those of the job."),
    reason: z.string().max(500).optional().describe('Why it is run, at most 500 characters; stored and shown.'),
  })
  .register(fieldHints, { fields: triggerHints })
  .superRefine(({ jobId, key }, context) => {
    if ((jobId === undefined) !== (key === undefined)) return
    const message = jobId === undefined ? 'is missing: name the job by jobId or by key' : 'give one of jobId and key'
    context.addIssue({ code: 'custom', path: [jobId === undefined ? 'jobId' : 'key'], message })
  })
  .meta({ id: 'TriggerItem', description: 'One trigger of a batch: exactly one of `jobId` and `key` names the job.' })
export type TriggerItem = z.infer<typeof triggerItem>

const status = z.number().int().describe('The HTTP status that the item would have got alone.')
const id = z.string().optional().describe('With "Prefer: return=minimal": the id alone.')
const refused = problem.optional().describe("Why the item was refused; its pointers begin with the item's index.")
const counts = (made: string) => ({
  [made]: z.number().int().describe('Items that took effect.'),
  refused: z.number().int().describe('Items that were refused.'),
})

/** The answer to `POST /jobs/batch`: one result for each item, in their order. */
export const jobBatchReply = z.strictObject({
  counts: z.strictObject(counts('created')).describe('How many items took effect, and how many did not.'),
  results: z
    .array(
      z
        .strictObject({ status, id, job: jobView.optional().describe('The new job.'), problem: refused })
        .meta({ id: 'JobBatchResult', description: 'What became of one item of a batch.' }),
    )
    .describe('One entry for each item, in their order.'),
})

/** The answer to `POST /triggers/batch`: one result for each item, in their order. */
export const triggerBatchReply = z.strictObject({
  counts: z.strictObject(counts('triggered')).describe('How many items took effect, and how many did not.'),
  results: z
    .array(
      z
        .strictObject({
          status,
          id,
          execution: executionView.optional().describe('The new execution.'),
          problem: refused,
        })
        .meta({ id: 'TriggerBatchResult', description: 'What became of one item of a batch.' }),
    )
    .describe('One entry for each item, in their order.'),
})
