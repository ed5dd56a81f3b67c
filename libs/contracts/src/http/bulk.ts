import { z } from 'zod'
import { jobRef } from '../ids.ts'
import { executionStatuses } from '../states.ts'
import { queryTime, timeAt } from '../values.ts'

/** Exactly one of both says which jobs a bulk call is for. */
const whichJobs = {
  tag: z.string().min(1).max(50).optional().describe('Your jobs that have this tag. Either this or `all`.'),
  all: z.literal(true).optional().describe('All your jobs. Either this or `tag`.'),
}

const cursor = z
  .string()
  .max(512)
  .optional()
  .describe('Where the call goes on: `page.nextCursor` of the answer before. Default: from the newest on.')

const dryRun = z.boolean().default(false).describe('Only say what would be done. Default false.')

export const pauseReason = z
  .string()
  .max(500)
  .optional()
  .describe('Why, up to 500 characters; shown with the job while it is paused.')

type WhichJobs = { readonly tag?: string | undefined; readonly all?: true | undefined }

function oneOfBoth({ tag, all }: WhichJobs, context: z.core.$RefinementCtx): void {
  if ((tag === undefined) !== (all === undefined)) return
  const message =
    tag === undefined ? 'is missing: give a tag, or "all": true' : 'names jobs, and so does all: give one of both'
  context.addIssue({ code: 'custom', path: ['tag'], message })
}

/** `POST /jobs/pause`. A job that is paused already stays as it is. */
export const pauseJobsBody = z
  .strictObject({
    ...whichJobs,
    until: timeAt
      .nullish()
      .describe('When the pauses end by themselves, RFC 3339; null or absent: not before a resume.'),
    reason: pauseReason,
    dryRun,
    cursor,
  })
  .superRefine(oneOfBoth)
export type PauseJobsBody = z.infer<typeof pauseJobsBody>

export const pausedBy = ['single', 'bulk', 'failures'] as const
export type PausedBy = (typeof pausedBy)[number]

/** `POST /jobs/resume`. */
export const resumeJobsBody = z
  .strictObject({
    ...whichJobs,
    pausedBy: z
      .enum(['bulk', 'any'])
      .default('bulk')
      .describe(
        '`bulk`: jobs that a bulk call has paused; those that were paused one by one stay paused. `any`: these too. Default bulk.',
      ),
    dryRun,
    cursor,
  })
  .superRefine(oneOfBoth)
export type ResumeJobsBody = z.infer<typeof resumeJobsBody>

/** How far a bulk call has come: with `hasMore` the same call with this cursor goes on. */
const bulkPage = z
  .strictObject({
    nextCursor: z.string().nullable().describe('The cursor of the next call; null when all is done.'),
    hasMore: z.boolean().describe('Whether there may be more.'),
  })
  .meta({ id: 'BulkPage', description: 'How far a bulk call has come.' })

const refusedCode = z.string().nullable().describe('Why it was refused: the code of a problem; null otherwise.')
const refusedDetail = z.string().nullable().describe('The same as a sentence; null otherwise.')

export const bulkJobsReply = z.strictObject({
  dryRun: z.boolean().describe('Whether nothing was changed.'),
  counts: z
    .strictObject({
      changed: z.number().int().describe('Jobs that were, or in a dry run would be, paused or resumed.'),
      unchanged: z.number().int().describe('Jobs that a pause of another kind keeps as they are.'),
      refused: z.number().int().describe('Jobs that were refused.'),
      pending: z
        .number()
        .int()
        .describe('Changed jobs whose change the executors have not confirmed yet; it is repeated until they do.'),
    })
    .describe('How many there are of each outcome.'),
  results: z
    .array(
      z.strictObject({
        jobId: z.string().describe('The id of the job.'),
        key: z.string().nullable().describe('The key of the job; null without one.'),
        name: z.string().describe('The name of the job.'),
        outcome: z.enum(['changed', 'refused']).describe('What became of it.'),
        effective: z
          .enum(['now', 'pending'])
          .nullable()
          .describe('Whether the executors have confirmed the change; null where none was made.'),
        code: refusedCode,
        detail: refusedDetail,
      }),
    )
    .describe('The jobs that were changed or refused, newest first.'),
  page: bulkPage,
})
export type BulkJobsReply = z.infer<typeof bulkJobsReply>

/** Fire times that one backfill takes. */
export const mostBackfilled = 1000

/** `POST /jobs/:id/backfill`. */
export const backfillBody = z.strictObject({
  from: queryTime.describe('The first fire time may lie here: RFC 3339, or `-7d` for so long ago.'),
  to: queryTime
    .optional()
    .describe('The last fire time may lie here: RFC 3339, or `-1h`; not in the future. Default: now.'),
  limit: z
    .number()
    .int()
    .min(1)
    .max(mostBackfilled)
    .default(mostBackfilled)
    .describe('Most fire times of this call, oldest first. Default 1000.'),
  again: z
    .boolean()
    .default(false)
    .describe('Also fire times that have run, or were backfilled, already. Default false.'),
  dryRun,
  reason: z.string().max(500).optional().describe('Why, up to 500 characters; stored and shown with the executions.'),
})
export type BackfillBody = z.infer<typeof backfillBody>

export const backfillOutcomes = ['planned', 'already-run', 'already-backfilled', 'still-scheduled'] as const

export const backfillReply = z.strictObject({
  jobId: z.string().describe('The id of the job.'),
  dryRun: z.boolean().describe('Whether nothing was run.'),
  counts: z
    .strictObject({
      planned: z.number().int().describe('Fire times that get, or in a dry run would get, an execution.'),
      alreadyRun: z.number().int().describe('Fire times that the schedule has run, or is going to run.'),
      alreadyBackfilled: z.number().int().describe('Fire times that an earlier backfill has run.'),
      stillScheduled: z
        .number()
        .int()
        .describe('Fire times that the scheduler is late with, and may still run: left out until it has decided.'),
    })
    .describe('How many there are of each outcome.'),
  results: z
    .array(
      z.strictObject({
        fireAt: z.iso.datetime().describe('The fire time.'),
        outcome: z.enum(backfillOutcomes).describe('What became of it.'),
        executionId: z
          .string()
          .nullable()
          .describe(
            'The execution of this fire time; null for a planned one of a dry run, and for one that is still scheduled.',
          ),
      }),
    )
    .describe('Fire times, oldest first.'),
  next: z.iso
    .datetime()
    .nullable()
    .describe('The `from` of the next call; null when all fire times up to `to` were taken.'),
})
export type BackfillReply = z.infer<typeof backfillReply>

/** Executions that one bulk call takes. */
export const mostBulkExecutions = 200

/** `POST /executions/bulk`. */
export const bulkExecutionsBody = z.strictObject({
  action: z
    .enum(['retry', 'cancel'])
    .describe('`retry`: run those again that have ended, each once. `cancel`: end those that wait or run.'),
  filter: z
    .strictObject({
      jobId: jobRef.optional().describe('The id or key of their job. Default: all your jobs.'),
      jobType: z.string().min(1).max(100).optional().describe('Their job type. Default: all.'),
      status: z
        .array(z.enum(executionStatuses))
        .min(1)
        .max(executionStatuses.length)
        .optional()
        .describe(
          'Their statuses. Default: FAILED, LOST and EXPIRED for a retry; SCHEDULED, RUNNING and RETRYING for a cancel.',
        ),
      from: queryTime.optional().describe('Fire times at this moment or later: RFC 3339, or `-24h`. Default: all.'),
      to: queryTime.optional().describe('Fire times at this moment or before: RFC 3339, or `-1h`. Default: all.'),
    })
    .describe('Which executions; {} takes all that the action is for.'),
  limit: z
    .number()
    .int()
    .min(1)
    .max(mostBulkExecutions)
    .default(mostBulkExecutions)
    .describe('Most executions of this call, newest first. Default 200.'),
  dryRun,
  reason: z
    .string()
    .max(500)
    .optional()
    .describe('Why, up to 500 characters; stored and shown with the new executions.'),
  cursor,
})
export type BulkExecutionsBody = z.infer<typeof bulkExecutionsBody>

export const bulkExecutionOutcomes = ['retried', 'already-retried', 'cancelled', 'cancelling', 'refused'] as const

export const bulkExecutionsReply = z.strictObject({
  action: z.enum(['retry', 'cancel']).describe('The action of the call.'),
  dryRun: z.boolean().describe('Whether nothing was done.'),
  counts: z
    .strictObject({
      done: z.number().int().describe('Executions that were, or in a dry run would be, retried or cancelled.'),
      already: z.number().int().describe('Executions that were run again before.'),
      refused: z.number().int().describe('Executions that were refused.'),
    })
    .describe('How many there are of each outcome.'),
  results: z
    .array(
      z.strictObject({
        id: z.string().describe('The id of the execution.'),
        outcome: z.enum(bulkExecutionOutcomes).describe('What became of it; `cancelling`: its run is asked to stop.'),
        executionId: z
          .string()
          .nullable()
          .describe('The execution that runs it again; null for a cancel and in a dry run.'),
        code: refusedCode,
        detail: refusedDetail,
      }),
    )
    .describe('Newest fire time first.'),
  page: bulkPage,
})
export type BulkExecutionsReply = z.infer<typeof bulkExecutionsReply>
