import { z } from 'zod'
import { executionId } from '../ids.ts'
import { queryTime } from '../values.ts'
import { wireTime } from './parts.ts'

/** `GET /jobs/:id/why`: exactly one of `at` and `execution`. */
export const whyQuery = z
  .strictObject({
    at: queryTime
      .optional()
      .describe(
        'The fire time that is asked about: RFC 3339, or `-8h` for a time before now. A run within the minute counts.',
      ),
    execution: executionId.optional().describe('The execution that is asked about, by its id.'),
  })
  .superRefine(({ at, execution }, context) => {
    if ((at === undefined) !== (execution === undefined)) return
    const message =
      at === undefined ? 'is missing: give a time, or an execution' : 'names what execution names too: give one of both'
    context.addIssue({ code: 'custom', path: ['at'], message })
  })
export type WhyQuery = z.infer<typeof whyQuery>

/** What happened at a time, or to an execution, and why. */
export const whyCodes = [
  'ran-on-time',
  'ran-late',
  'is-running',
  'waits-for-slot',
  'waits-for-place',
  'waits-for-job-type',
  'scheduled',
  'retries',
  'failed',
  'lost',
  'expired',
  'skipped',
  'superseded',
  'cancelled',
  'missed',
  'paused',
  'excluded',
  'not-due-yet',
  'before-the-job',
  'job-cancelled',
  'job-deleted',
  'job-changed',
  'no-schedule',
  'no-fire-time',
  'handed-over-late',
  'waited-for-executor',
  'waited-for-slot',
  'waited-for-place',
  'took-several-attempts',
  'was-run-again',
  'runs-another-again',
  'is-asked-for',
  'no-record',
] as const
export type WhyCode = (typeof whyCodes)[number]

export const whyEvidence = z.strictObject({
  kind: z.enum(['execution', 'fire-log', 'audit', 'job', 'job-type']).describe('What it is.'),
  href: z.string().describe('Its address.'),
  at: wireTime.nullable().describe('When it happened; null where no one time belongs to it.'),
  detail: z.string().nullable().describe('What it shows, in short; null where the address says all.'),
})
export type WhyEvidence = z.infer<typeof whyEvidence>

export const whyView = z
  .strictObject({
    jobId: z.string().describe('The id of the job.'),
    at: wireTime.describe('The fire time that the answers are about.'),
    executionId: z.string().nullable().describe('The execution of that time; null where there is none.'),
    answers: z
      .array(
        z.strictObject({
          code: z.enum(whyCodes).describe('The answer as a word.'),
          text: z.string().describe('The answer as a sentence.'),
          evidence: z.array(whyEvidence).describe('What shows that the answer is true.'),
        }),
      )
      .describe('The first one says what happened, the others how it came to that.'),
  })
  .meta({ id: 'Why', description: 'Why a run of a job happened or did not.' })
export type WhyView = z.infer<typeof whyView>
