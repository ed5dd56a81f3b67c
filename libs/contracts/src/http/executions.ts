import { z } from 'zod'
import { fieldHints, triggerHints } from '../field-hints.ts'
import { executionId, jobRef } from '../ids.ts'
import { artifactInfo, executionError } from '../messages.ts'
import { attemptOutcomes, executionCauses, executionStatuses, fireDecisions } from '../states.ts'
import { jsonObject, timeAt } from '../values.ts'
import { links, wireTime } from './parts.ts'

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
  /**
   * What a due execution waits for: a slot, an overlap place of its job (`blockedBy` holds it), or an executor that has its job
   * type; null when it does not wait.
   */
  waitingFor: z.enum(['slot', 'place', 'job-type']).nullable(),
  cause: z.enum(executionCauses),
  /** The reason given with the trigger. */
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
  params: jsonObject
    .optional()
    .describe(
      'The params of its trigger, else those of the job. Absent for an operator who is neither owner nor viewer of the job.',
    ),
  result: z.unknown().optional().describe('What the run returned; null without a result. Absent like `params`.'),
  error: executionError.nullable(),
  artifacts: z.array(artifactInfo),
  blockedBy: z.string().nullable(),
  /** The reason that it did not run, or not to its end, as a sentence; null where there is none. */
  statusReason: z.string().nullable(),
  /** The execution that this one runs again. */
  retryOf: z.string().nullable(),
  /** The first execution that ran this one again. */
  retriedBy: z.string().nullable(),
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

/** `POST /executions/:id/retry`: `params` replace those with which the execution ran; `reason` is stored and shown. */
export const retryExecutionBody = z
  .strictObject({ params: jsonObject.optional(), reason: z.string().max(500).optional() })
  .register(fieldHints, { fields: triggerHints })
  .nullish()

/** Dead letters that one call runs again. */
export const mostRedriven = 1000

/** Which dead letters: all that fit; `jobId` may be a key; `from` and `to` bound their fire times. */
const deadLetterFilter = z.strictObject({
  jobId: jobRef.optional(),
  jobType: z.string().min(1).max(100).optional(),
  from: timeAt.optional(),
  to: timeAt.optional(),
})

/**
 * `POST /dead-letters/redrive`. Exactly one of `ids` and `filter`; an empty filter means all. `dryRun`: nothing is run, the answer
 * says what would be. `limit` counts for a filter.
 */
export const redriveBody = z
  .strictObject({
    ids: z.array(executionId).min(1).max(mostRedriven).optional(),
    filter: deadLetterFilter.optional(),
    dryRun: z.boolean().default(false),
    limit: z.number().int().min(1).max(mostRedriven).default(mostRedriven),
    reason: z.string().max(500).optional(),
  })
  .superRefine(({ ids, filter }, context) => {
    if ((ids === undefined) !== (filter === undefined)) return
    const message = ids
      ? 'names dead letters, and so does ids: give one of both'
      : 'is missing: {} means all dead letters'
    context.addIssue({ code: 'custom', path: ['filter'], message })
  })
export type RedriveBody = z.infer<typeof redriveBody>

export const redriveOutcomes = ['redriven', 'already-redriven', 'refused'] as const

/** Newest fire time first, or in the order of `ids`. */
export const redriveReply = z.strictObject({
  dryRun: z.boolean(),
  counts: z.strictObject({ redriven: z.number().int(), alreadyRedriven: z.number().int(), refused: z.number().int() }),
  results: z.array(
    z.strictObject({
      id: z.string(),
      outcome: z.enum(redriveOutcomes),
      /** The execution that runs it again; null when it was refused, and in a dry run. */
      executionId: z.string().nullable(),
      /** Why it was refused: a code of a problem, and a sentence. */
      code: z.string().nullable(),
      detail: z.string().nullable(),
    }),
  ),
  /** The filter may have more. */
  more: z.boolean(),
})
export type RedriveReply = z.infer<typeof redriveReply>

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
