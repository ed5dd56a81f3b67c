import { z } from 'zod'
import { fieldHints, jobHints, triggerHints } from '../field-hints.ts'
import { jobKey } from '../ids.ts'
import { mostFailuresBeforePause } from '../spec.ts'
import { jobStatuses } from '../states.ts'
import { duration, jsonObject, longestDurationMs, looseTime, timeAt } from '../values.ts'
import { pauseReason } from './bulk.ts'
import { lostLease, misfireBody, overlapBody, retryBody, scheduleBody } from './job-policies.ts'

/** Timeouts of one attempt (docs/guide/jobs.md), milliseconds. */
export const timeoutBounds = { min: 1000, max: 86_400_000 }

/** Users that one job may be shared with. */
export const mostViewers = 20

const jobFields = {
  name: z
    .string()
    .trim()
    .min(1)
    .max(200)
    .optional()
    .describe('What people read in lists, 1 to 200 characters. Default: the key, else the job type.'),
  jobType: z.string().min(1).max(100).describe('What the job does: a name of `GET /job-types`, such as `HTTP_CALL`.'),
  params: jsonObject
    .optional()
    .describe(
      'What the job works with, by the JSON Schema of its job type; at most 256 KiB with the rest of the body. Default: `{}`.',
    ),
  schedule: scheduleBody
    .nullable()
    .optional()
    .describe('When a recurring job runs. null, or no timing at all: the job runs only when it is triggered.'),
  runAt: timeAt
    .nullable()
    .optional()
    .describe(
      'When a job runs that runs once: RFC 3339 with an offset, in the years 1970 to 9999. In the past: at once.',
    ),
  delay: duration({ min: 0, max: longestDurationMs })
    .optional()
    .describe('Runs once, so long after it was created; at most 366 days.'),
  scheduledTime: looseTime
    .optional()
    .describe(
      'Like `runAt`, for callers that send no offset: then it is read in the default zone, and the job has a warning.',
    ),
  startAt: timeAt.optional().describe('Of a recurring job: no fire time is earlier. An interval counts from it.'),
  endAt: timeAt.optional().describe('Of a recurring job: no fire time is later. Later than `startAt`.'),
  maxRuns: z
    .number()
    .int()
    .min(1)
    .max(1_000_000_000)
    .optional()
    .describe('Of a recurring job: after so many runs it is completed. Missed fire times and triggers do not count.'),
  jitter: duration({ min: 0 })
    .optional()
    .describe(
      'Of a recurring job: every fire time is later by the same part of it, which the id of the job decides; at most `"24h"`.',
    ),
  misfire: misfireBody.optional().describe('Of a recurring job: what becomes of fire times that came late.'),
  expiresAfter: duration({ min: 1 })
    .optional()
    .describe(
      'Of a job that runs once: it ends EXPIRED when it has not started so long after its time. Default: it runs however late.',
    ),
  onLostLease: lostLease.optional().describe('What becomes of a run whose executor is lost. Default: `rerun`.'),
  retry: retryBody.optional().describe('What happens after a failed attempt.'),
  timeout: duration(timeoutBounds)
    .optional()
    .describe('How long one attempt may take, `"1s"` to `"24h"`. Default: that of the job type, mostly `"1h"`.'),
  overlap: overlapBody
    .optional()
    .describe('Without it scheduled runs of a recurring job do not overlap, and manual triggers always may.'),
  pauseAfterFailures: z
    .number()
    .int()
    .min(1)
    .max(mostFailuresBeforePause)
    .optional()
    .describe(
      'Pauses the job once so many of its executions in a row have ended FAILED or LOST, counted from its last change. Default: never.',
    ),
  priority: z
    .number()
    .int()
    .min(1)
    .max(9)
    .optional()
    .describe('Which of several due runs starts first: 1 is the highest. Default: 5.'),
  tags: z
    .array(z.string().min(1).max(50))
    .max(20)
    .optional()
    .describe('Words to find the job by, at most 20 of 50 characters. Default: none.'),
  viewers: z
    .array(z.string().min(1).max(256))
    .max(mostViewers)
    .optional()
    .describe(
      'User names of colleagues who see the job, its executions, params, results and logs, and change nothing. At most 20; default none.',
    ),
}

export const createJobBody = z
  .strictObject({
    ...jobFields,
    key: jobKey
      .optional()
      .describe(
        'A name of your own for the job, which every address takes in place of its id: 1 to 64 of `a-z0-9._-`, unique among your jobs.',
      ),
  })
  .register(fieldHints, { fields: jobHints })
  .meta({
    id: 'CreateJobBody',
    description: 'A new job. At most one of `schedule`, `runAt`, `delay` and `scheduledTime` says when it runs.',
  })
export type CreateJobBody = z.infer<typeof createJobBody>

/** `PUT /jobs/:key`: the key stands in the path. */
export const putJobBody = z
  .strictObject(jobFields)
  .register(fieldHints, { fields: jobHints })
  .meta({ id: 'PutJobBody', description: 'The whole definition of a job; what it leaves out has its default.' })
export type PutJobBody = z.infer<typeof putJobBody>

/** `PATCH /jobs/:id`: what is merged is checked as `putJobBody`. */
export const patchJobBody = jsonObject.meta({
  id: 'PatchJobBody',
  type: 'object',
  additionalProperties: true,
  description:
    'A JSON merge patch (RFC 7396) of the body that makes the job: null takes a field back to its default. One of schedule, runAt, delay and scheduledTime replaces the others.',
})

/** `POST /jobs/:id/pause`. `until`: when the pause ends by itself. */
export const pauseBody = z
  .strictObject({
    until: timeAt
      .nullish()
      .describe('When the pause ends by itself, later than now. Default: null, it ends with a resume.'),
    reason: pauseReason,
  })
  .meta({ id: 'PauseBody', description: 'How long a job is paused.' })
  .nullish()

/** `PATCH /api/v1/jobs/:id/state`: the status that the job shall have; SCHEDULED, PAUSED or CANCELLED. */
export const setStateBody = z.strictObject({
  state: z.enum(jobStatuses).describe('The status that the job shall have: SCHEDULED, PAUSED or CANCELLED.'),
})

/** `POST /jobs/:id/trigger`: `params` replace the job's for this one execution; `reason` is stored and shown. */
export const triggerBody = z
  .strictObject({
    params: jsonObject
      .optional()
      .describe('What this one run works with, in place of the params of the job. Default: those of the job.'),
    reason: z.string().max(500).optional().describe('Why it is run, at most 500 characters; shown with the execution.'),
  })
  .register(fieldHints, { fields: triggerHints })
  .meta({ id: 'TriggerBody', description: 'How a job is run now.' })
  .nullish()
export type TriggerBody = z.infer<typeof triggerBody>
