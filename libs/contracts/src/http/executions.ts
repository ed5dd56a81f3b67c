import { z } from 'zod'
import { fieldHints, triggerHints } from '../field-hints.ts'
import { executionId, jobRef } from '../ids.ts'
import { artifactInfo, executionError } from '../messages.ts'
import { attemptOutcomes, executionCauses, fireDecisions } from '../states.ts'
import { jsonObject, timeAt } from '../values.ts'
import { executionStatus, links, wireTime } from './parts.ts'

const errorView = executionError.meta({ id: 'ExecutionError', description: 'What went wrong in an attempt.' })
const artifactView = artifactInfo.meta({ id: 'Artifact', description: 'A file that an attempt has made.' })

export const attemptView = z
  .strictObject({
    epoch: z.number().int().describe('The number of the attempt, from 1.'),
    executor: z.string().describe('The instance of the executor that ran it.'),
    startedAt: wireTime
      .nullable()
      .describe('When the handler was called; null where it never was, or that is not recorded yet.'),
    endedAt: wireTime.nullable().describe('When it ended; null while it runs.'),
    outcome: z
      .enum(attemptOutcomes)
      .nullable()
      .describe('How it ended; `interrupted` by a stop of its executor; null while it runs.'),
    error: errorView.nullable().describe('Why it did not succeed; null where it did.'),
  })
  .meta({ id: 'Attempt', description: 'One try of an execution.' })

const timelineView = z
  .strictObject({
    plannedAt: wireTime.describe('When the scheduler, or the trigger, decided on the execution.'),
    sentAt: wireTime.nullable().describe('When its command was sent to the executors.'),
    admittedAt: wireTime.nullable().describe('When an executor stored it.'),
    startedAt: wireTime.nullable().describe('When its first attempt started.'),
    endedAt: wireTime.nullable().describe('When it ended.'),
    topic: z.string().nullable().describe('The topic of its command on the bus.'),
    partition: z.number().int().nullable().describe('The partition of the topic; null on a bus without partitions.'),
    offset: z.string().nullable().describe('The place in the partition; null on a bus without partitions.'),
  })
  .meta({
    id: 'ExecutionTimeline',
    description: 'When each step of an execution was taken; null: not yet, or not at all.',
  })

export const executionView = z
  .strictObject({
    id: z.string().describe('`exe-`, its time, and a UUID; the same fire time of a job always has the same id.'),
    jobId: z.string().describe('The id of the job that it runs.'),
    jobName: z.string().describe('The name of the job.'),
    jobType: z.string().describe('What it does: a name of `GET /job-types`.'),
    jobVersion: z.number().int().describe('The version of the job that it runs.'),
    ownerId: z.string().describe('The id of the user whose job it is.'),
    status: executionStatus,
    waitingFor: z
      .enum(['slot', 'place', 'job-type'])
      .nullable()
      .describe(
        'What it waits for although it is due: room on an executor, an overlap place of its job (`blockedBy` holds it), or an executor that has its job type; null when it does not wait.',
      ),
    cause: z.enum(executionCauses).describe('What made it: a fire time, a trigger, a retry by hand, or a backfill.'),
    reason: z.string().nullable().describe('The reason that was given with the trigger or the retry; null: none.'),
    fireAt: wireTime.describe('When it is to start.'),
    nextAttemptAt: wireTime
      .nullable()
      .describe('When the next attempt starts; null while one runs, and once it has ended.'),
    startedAt: wireTime.nullable().describe('When the first attempt started.'),
    endedAt: wireTime.nullable().describe('When it ended.'),
    durationMs: z.number().int().nullable().describe('From its start to its end, milliseconds; null before.'),
    latenessMs: z
      .number()
      .int()
      .nullable()
      .describe('How late the first attempt started after `fireAt`, milliseconds; null before.'),
    attempts: z.array(attemptView).describe('Every try, the first one first.'),
    params: jsonObject
      .optional()
      .describe(
        'What it works with: the params of its trigger, else those of the job. Absent for an operator who is neither owner nor viewer of the job.',
      ),
    result: z
      .unknown()
      .optional()
      .describe(
        'What the handler returned, by the JSON Schema of the job type; null before, and where it failed. Absent like `params`.',
      ),
    error: errorView.nullable().describe('Why it failed; null where it did not.'),
    artifacts: z.array(artifactView).describe('The files that it made; `links` has the address of each.'),
    blockedBy: z.string().nullable().describe('The execution that is, or was, in its way; null: none.'),
    statusReason: z
      .string()
      .nullable()
      .describe('Why it did not run, or not to its end, as a sentence; null where there is no such reason.'),
    retryOf: z.string().nullable().describe('The execution that this one runs again; null: none.'),
    retriedBy: z.string().nullable().describe('The first execution that ran this one again; null: none.'),
    timeline: timelineView,
    links: links.describe(
      'Addresses by relation: `self`, `job`, `logs`, the calls that its status allows, and its files.',
    ),
  })
  .meta({ id: 'Execution', description: 'The one record of a fire time or of a trigger.' })
export type ExecutionView = z.infer<typeof executionView>

/** An execution in a list: `params` and `result` only when `fields` asks for them. */
export const listedExecutionView = executionView.partial({ params: true, result: true }).meta({
  id: 'ListedExecution',
  description: 'An execution in a list: `params` and `result` are there when `fields` asks for them.',
})
export type ListedExecutionView = z.infer<typeof listedExecutionView>

/** `POST /executions/:id/retry`: `params` replace those with which the execution ran; `reason` is stored and shown. */
export const retryExecutionBody = z
  .strictObject({
    params: jsonObject
      .optional()
      .describe(
        'What the new execution works with. Default: what the trigger of the original brought, else the params of the job.',
      ),
    reason: z
      .string()
      .max(500)
      .optional()
      .describe('Why it is run again, at most 500 characters; shown with the execution.'),
  })
  .register(fieldHints, { fields: triggerHints })
  .meta({ id: 'RetryExecutionBody', description: 'How an execution is run again.' })
  .nullish()

/** Dead letters that one call runs again. */
export const mostRedriven = 1000

/** Which dead letters: all that fit; `jobId` may be a key; `from` and `to` bound their fire times. */
const deadLetterFilter = z
  .strictObject({
    jobId: jobRef.optional().describe('Only those of this job, by id or key.'),
    jobType: z.string().min(1).max(100).optional().describe('Only those of this job type.'),
    from: timeAt.optional().describe('Only those whose fire time is not earlier.'),
    to: timeAt.optional().describe('Only those whose fire time is not later.'),
  })
  .meta({ id: 'DeadLetterFilter', description: 'Which dead letters; `{}` means all.' })

/**
 * `POST /dead-letters/redrive`. Exactly one of `ids` and `filter`; an empty filter means all. `dryRun`: nothing is run, the answer
 * says what would be. `limit` counts for a filter.
 */
export const redriveBody = z
  .strictObject({
    ids: z
      .array(executionId)
      .min(1)
      .max(mostRedriven)
      .optional()
      .describe('The ids of executions that FAILED, at most 1,000; without a `filter`.'),
    filter: deadLetterFilter.optional().describe('Which dead letters, newest first; without `ids`.'),
    dryRun: z.boolean().default(false).describe('true: nothing is run; the answer says what would be.'),
    limit: z
      .number()
      .int()
      .min(1)
      .max(mostRedriven)
      .default(mostRedriven)
      .describe('How many of a `filter` are run again at most.'),
    reason: z
      .string()
      .max(500)
      .optional()
      .describe('Why they are run again, at most 500 characters; shown with the executions.'),
  })
  .meta({ id: 'RedriveBody', description: 'Which dead letters are run again: exactly one of `ids` and `filter`.' })
  .superRefine(({ ids, filter }, context) => {
    if ((ids === undefined) !== (filter === undefined)) return
    const message = ids
      ? 'names dead letters, and so does ids: give one of both'
      : 'is missing: {} means all dead letters'
    context.addIssue({ code: 'custom', path: ['filter'], message })
  })
export type RedriveBody = z.infer<typeof redriveBody>

export const redriveOutcomes = ['redriven', 'already-redriven', 'refused'] as const

const redriveResult = z
  .strictObject({
    id: z.string().describe('The id of the dead letter.'),
    outcome: z
      .enum(redriveOutcomes)
      .describe('`redriven`: now, or in a dry run it would be. `already-redriven`: before. `refused`: see `code`.'),
    executionId: z
      .string()
      .nullable()
      .describe('The execution that runs it again; null when it was refused, and in a dry run.'),
    code: z.string().nullable().describe('Why it was refused, as the code of a problem; null: it was not.'),
    detail: z.string().nullable().describe('Why it was refused, as a sentence; null: it was not.'),
  })
  .meta({ id: 'RedriveResult', description: 'What became of one dead letter.' })

/** Newest fire time first, or in the order of `ids`. */
export const redriveReply = z
  .strictObject({
    dryRun: z.boolean().describe('Whether nothing was run.'),
    counts: z
      .strictObject({
        redriven: z.number().int().describe('Dead letters that were run again, or in a dry run would be.'),
        alreadyRedriven: z.number().int().describe('Dead letters that had been run again before.'),
        refused: z.number().int().describe('Dead letters that cannot be run again.'),
      })
      .describe('How many results there are of each outcome.'),
    results: z.array(redriveResult).describe('One for each dead letter: newest first, or in the order of `ids`.'),
    more: z.boolean().describe('Whether the filter may have more.'),
  })
  .meta({ id: 'RedriveReply', description: 'What became of the dead letters.' })
export type RedriveReply = z.infer<typeof redriveReply>

export const logLevels = ['debug', 'info', 'warn', 'error'] as const

export const logLine = z
  .strictObject({
    seq: z.number().int().describe('The place of the line in its attempt, from 1.'),
    epoch: z.number().int().describe('The attempt that wrote it.'),
    at: wireTime.describe('When it was written.'),
    level: z.enum(logLevels).describe('How important it is.'),
    text: z.string().describe('What was written.'),
  })
  .meta({ id: 'LogLine', description: 'One line that an attempt has logged.' })
export type LogLine = z.infer<typeof logLine>

/** Fire times without an execution: `count` of them, the first at `from`, the last at `to`. */
export const fireRangeView = z
  .strictObject({
    from: wireTime.describe('The first of the fire times.'),
    to: wireTime.describe('The last of the fire times.'),
    count: z.number().int().describe('How many there are.'),
    decision: z
      .enum(fireDecisions)
      .describe(
        'What became of them: `missed` came too late, `paused` fell into a pause, `skipped` and `excluded` were left out.',
      ),
    reason: z.string().describe('Why, as one kebab-case word such as `overdue`.'),
    version: z.number().int().describe('The version of the job whose fire times they were.'),
  })
  .meta({ id: 'FireRange', description: 'Fire times in a row that have no execution, and why.' })
export type FireRangeView = z.infer<typeof fireRangeView>
