import { z } from 'zod'
import { fieldHints, intervalHints, jobHints, retryHints, scheduleHints, triggerHints } from '../field-hints.ts'
import { jobKey } from '../ids.ts'
import { inFlight } from '../internal.ts'
import { mostFailuresBeforePause, mostMisfireCap, overlapPolicies } from '../spec.ts'
import { jobStatuses, shownJobStates } from '../states.ts'
import { duration, jsonObject, longestDurationMs, looseTime, timeAt, wholeNumber } from '../values.ts'
import { pausedBy, pauseReason } from './bulk.ts'
import { fireRangeView, listedExecutionView } from './executions.ts'
import { executionSummary, links, warning, wireTime } from './parts.ts'

/** The shortest interval of a schedule, milliseconds. */
export const shortestIntervalMs = 1000

export const scheduleBody = z
  .union([
    z
      .string()
      .min(1)
      .max(128)
      .describe('A cron in the default zone: `"*/5 * * * *"`. 5 fields, or 6 with the seconds first.'),
    z
      .strictObject({
        cron: z
          .string()
          .min(1)
          .max(128)
          .describe('5 fields (minute, hour, day of month, month, day of week), or 6 with the seconds first.'),
        timezone: z
          .string()
          .min(1)
          .max(64)
          .optional()
          .describe(
            'The IANA zone in which the fields are read, such as `Europe/Berlin`. Default: that of the configuration, mostly `UTC`.',
          ),
      })
      .register(fieldHints, { fields: scheduleHints })
      .meta({ title: 'Cron', description: 'A cron with a time zone.' }),
    z
      .strictObject({
        every: duration({ min: shortestIntervalMs }).describe('The time between two runs, at least `"1s"`.'),
      })
      .register(fieldHints, { fields: intervalHints })
      .meta({
        title: 'Interval',
        description: 'Fire times at equal distances from `startAt`, else from the creation.',
      }),
  ])
  .meta({ id: 'ScheduleBody', description: 'When a recurring job runs: a cron, or an interval.' })
export type ScheduleBody = z.infer<typeof scheduleBody>

export const backoffs = ['exponential', 'fixed'] as const
const backoff = z
  .enum(backoffs)
  .describe('`fixed`: each wait is `delay`. `exponential`: each wait is `factor` times the one before.')

export const retryBody = z
  .strictObject({
    maxRetries: z
      .number()
      .int()
      .min(0)
      .max(100)
      .optional()
      .describe('Retries after the first attempt: with 2 there are up to 3 attempts. Default: 3.'),
    backoff: backoff.optional().describe('How the waits grow. Default: `exponential`.'),
    delay: duration({ min: 0 }).optional().describe('The wait before the first retry. Default: `"5s"`.'),
    factor: z
      .number()
      .min(1)
      .max(100)
      .optional()
      .describe('By how much each wait is longer than the one before, with `exponential`. Default: 2.'),
    maxDelay: duration({ min: 0 }).optional().describe('The longest wait. Default: `"5m"`.'),
    jitter: z
      .boolean()
      .optional()
      .describe(
        'Whether waits are varied at random, so that jobs that failed together do not retry together. Default: true.',
      ),
  })
  .register(fieldHints, { fields: retryHints })
  .meta({
    id: 'RetryBody',
    description: 'What happens after a failed attempt. A field that is left out has its default.',
  })
export type RetryBody = z.infer<typeof retryBody>

const overlapTexts =
  '`skip`: it ends SKIPPED. `queue`: one run waits, further ones end SKIPPED. `cancel-running`: the ones in its way are cancelled. `allow`: it runs beside them.'

export const overlapBody = z
  .strictObject({
    policy: z
      .enum(overlapPolicies)
      .describe(`What becomes of a run while earlier ones of the job have not ended. ${overlapTexts}`),
    limit: z
      .number()
      .int()
      .min(1)
      .max(1000)
      .optional()
      .describe('How many may be open at once. Default: 1; with `allow` any number.'),
  })
  .meta({
    id: 'OverlapBody',
    description: 'What becomes of a run whose time has come while others of the job have not ended.',
  })

const misfirePolicies = ['run-once', 'run-all', 'skip'] as const
const misfireTexts =
  '`run-once`: the newest late one runs. `run-all`: the late ones run, oldest first, up to `cap`. `skip`: none runs.'

export const misfireBody = z
  .strictObject({
    policy: z.enum(misfirePolicies).optional().describe(`${misfireTexts} Default: \`run-once\`.`),
    within: duration({ min: 0 }).optional().describe('How old a late fire time may be to run still. Default: `"1h"`.'),
    cap: z
      .number()
      .int()
      .min(1)
      .max(mostMisfireCap)
      .optional()
      .describe('How many late fire times `run-all` runs at most. Default: 100.'),
  })
  .meta({ id: 'MisfireBody', description: 'What becomes of the fire times that came late, because Belfry was down.' })
export type MisfireBody = z.infer<typeof misfireBody>

/** Timeouts of one attempt (docs/guide/jobs.md), milliseconds. */
export const timeoutBounds = { min: 1000, max: 86_400_000 }

/** Users that one job may be shared with. */
export const mostViewers = 20

const lostLease = z
  .enum(['rerun', 'fail'])
  .describe(
    'After the loss of the executor: `rerun` runs the execution again, `fail` ends it as LOST, so that it never runs twice.',
  )

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

/** A recurring schedule in an answer. */
const scheduleView = z
  .union([
    z
      .strictObject({
        cron: z.string().describe('The cron, as it was given.'),
        timezone: z.string().describe('The IANA zone in which it is read.'),
      })
      .meta({ title: 'Cron', description: 'A cron with its time zone.' }),
    z
      .strictObject({
        every: z.string().describe('The time between two runs, in its largest whole unit: `"90s"`.'),
        anchorAt: wireTime.describe('The time from which the interval counts.'),
        timezone: z.string().describe('The zone in which local times of the job are shown.'),
      })
      .meta({ title: 'Interval', description: 'Fire times at equal distances.' }),
  ])
  .meta({ id: 'Schedule', description: 'When a recurring job runs.' })

/**
 * `POST /schedules/preview`: the schedule fields of a job; `count` fire times after `from` (default: now). The body of a job
 * without its other fields means the same here.
 */
export const schedulePreviewBody = putJobBody
  .pick({
    schedule: true,
    runAt: true,
    delay: true,
    scheduledTime: true,
    startAt: true,
    endAt: true,
    maxRuns: true,
    jitter: true,
    misfire: true,
    expiresAfter: true,
  })
  .extend({
    count: z.number().int().min(1).max(100).optional().describe('How many fire times to show, 1 to 100. Default: 10.'),
    from: timeAt.optional().describe('From when on. Default: now.'),
  })
  .register(fieldHints, { fields: jobHints })
  .meta({ id: 'SchedulePreviewBody', description: 'The schedule fields of a job, and what to show of it.' })
export type SchedulePreviewBody = z.infer<typeof schedulePreviewBody>

/** A fire time in UTC and in a zone. */
const shownFireTime = z
  .strictObject({
    at: wireTime.describe('The fire time in UTC.'),
    local: z
      .string()
      .describe(
        'The same in its zone, with its offset and the name of the zone: `2026-12-01T09:00:00+01:00[Europe/Berlin]`.',
      ),
  })
  .meta({ id: 'FireTime', description: 'A fire time, in UTC and in the zone of its schedule.' })

export const schedulePreviewView = z
  .strictObject({
    schedule: scheduleView
      .nullable()
      .describe('The schedule as a job would have it; null for a job that does not recur.'),
    runAt: wireTime.nullable().describe('When a job that runs once would run; null for others.'),
    text: z
      .string()
      .nullable()
      .describe('The schedule in English; null for a job that runs once, and for one without a schedule.'),
    timezone: z.string().describe('The zone of the local times.'),
    times: z.array(shownFireTime).describe('The next fire times, `count` at most.'),
    total: z
      .number()
      .int()
      .nullable()
      .describe('How many fire times there are from `from` on; null for a schedule without end.'),
    lastAt: wireTime
      .nullable()
      .describe('The last fire time; null for a schedule without end, and where there is none.'),
    warnings: z.array(warning).describe('What the job would be warned of.'),
  })
  .meta({ id: 'SchedulePreview', description: 'The fire times of a schedule that no job has yet.' })
export type SchedulePreviewView = z.infer<typeof schedulePreviewView>

const jobName = z.string().describe('What people read in lists.')
const jobKeyView = z
  .string()
  .nullable()
  .describe('The name that its owner gave it, unique among the jobs of the owner; null: none.')
const jobStatus = z
  .enum(jobStatuses)
  .describe(
    'What goes on with the job, in a word: `CREATED` until the scheduler knows its newest version, `RUNNING`, `RETRYING`, else the end of its newest execution, else `SCHEDULED`; `PAUSED`, `COMPLETED` and `CANCELLED` by its state.',
  )
const jobState = z
  .enum(shownJobStates)
  .describe(
    'What its owner did to it: `active`, `paused`, `cancelled`, `deleted`; `completed` when nothing follows any more.',
  )
const nextRunAt = wireTime.nullable().describe('The next fire time that has not started; null where none is known.')
const lastExecution = executionSummary.nullable().describe('The newest execution that has ended; null: none has.')
const jobLinks = links.describe(
  'Addresses by relation: `self`, `status`, `executions`, and the calls that its state allows.',
)

export const jobView = z
  .strictObject({
    id: z.string().describe('`job-` and a UUID; never used again.'),
    key: jobKeyView,
    name: jobName,
    jobType: z.string().describe('What the job does: a name of `GET /job-types`.'),
    params: jsonObject
      .optional()
      .describe('What each run works with. Absent for an operator who is neither owner nor viewer of the job.'),
    schedule: scheduleView.nullable().describe('When a recurring job runs; null for others.'),
    runAt: wireTime.nullable().describe('When a job that runs once runs; null for others.'),
    scheduledTime: z
      .string()
      .nullable()
      .describe('The text of `scheduledTime` as it was given; null for a job that has its time from another field.'),
    status: jobStatus,
    state: jobState,
    version: z.number().int().describe('1 when it is created; every change makes it larger by one.'),
    priority: z.number().int().describe('Which of several due runs starts first: 1 is the highest, 9 the lowest.'),
    timeout: z.string().describe('How long one attempt may take, as a duration such as `"1h"`.'),
    retry: z
      .strictObject({
        maxRetries: z.number().int().describe('Retries after the first attempt.'),
        backoff,
        delay: z.string().describe('The wait before the first retry, as a duration.'),
        factor: z.number().describe('By how much each wait is longer than the one before, with `exponential`.'),
        maxDelay: z.string().describe('The longest wait, as a duration.'),
        jitter: z.boolean().describe('Whether waits are varied at random.'),
      })
      .meta({ id: 'RetryPolicy', description: 'What happens after a failed attempt.' }),
    onLostLease: lostLease,
    overlap: z
      .strictObject({
        policy: z.enum(overlapPolicies).describe(overlapTexts),
        limit: z.number().int().nullable().describe('How many may be open at once; null: any number.'),
      })
      .meta({
        id: 'OverlapPolicy',
        description: 'What becomes of a run while earlier ones of the job have not ended.',
      }),
    misfire: z
      .strictObject({
        policy: z.enum(misfirePolicies).describe(misfireTexts),
        within: z.string().describe('How old a late fire time may be to run still, as a duration.'),
        cap: z.number().int().describe('How many late fire times `run-all` runs at most.'),
      })
      .meta({ id: 'MisfirePolicy', description: 'What becomes of fire times that came late.' })
      .nullable()
      .describe('null where the job sets none: the newest late fire time runs, if it is at most one hour old.'),
    startAt: wireTime.nullable().describe('No fire time is earlier; null: from the creation on.'),
    endAt: wireTime.nullable().describe('No fire time is later; null: without end.'),
    maxRuns: z.number().int().nullable().describe('After so many runs the job is completed; null: any number.'),
    jitter: z.string().nullable().describe('By how much fire times may be later, as a duration; null: not at all.'),
    expiresAfter: z
      .string()
      .nullable()
      .describe('Of a job that runs once: how late it may start, as a duration; null: however late.'),
    pauseUntil: wireTime
      .nullable()
      .describe(
        'When a paused job resumes by itself; null for one that waits for a resume, and for one that is not paused.',
      ),
    pausedBy: z
      .enum(pausedBy)
      .nullable()
      .describe(
        'Of a paused job: `single` by a call for this job, `bulk` by `POST /jobs/pause`, `failures` by Belfry after failures in a row; null for a job that is not paused.',
      ),
    pauseReason: z
      .string()
      .nullable()
      .describe('Why the job is paused: the text that the pause gave, or a sentence of Belfry; null without one.'),
    pauseAfterFailures: z.number().int().nullable().describe('Failures in a row that pause the job; null: never.'),
    tags: z.array(z.string()).describe('Words to find the job by.'),
    nextRunAt,
    nextRunLocal: z
      .string()
      .nullable()
      .describe(
        '`nextRunAt` in the zone of the job, with its offset and the name of the zone: `2026-12-01T09:00:00+01:00[Europe/Berlin]`.',
      ),
    lastExecution,
    ownerId: z.string().describe('The id of the user whose job it is.'),
    viewers: z.array(z.string()).describe('User names of those who see the job beside its owner.'),
    createdAt: wireTime.describe('When it was created.'),
    updatedAt: wireTime.describe('When its newest version was made.'),
    warnings: z.array(warning).describe('What the owner should look at; empty where all is well.'),
    links: jobLinks,
  })
  .meta({ id: 'Job', description: 'What to run and when.' })
export type JobView = z.infer<typeof jobView>

/** A job in a list: `params` only when `fields` asks for them. */
export const listedJobView = jobView
  .partial({ params: true })
  .meta({ id: 'ListedJob', description: 'A job in a list: `params` is there when `fields` asks for it.' })
export type ListedJobView = z.infer<typeof listedJobView>

/** The answer to every change of a job. `inFlight`: what may still run of its older versions. `effective` is `pending` (202) while the executors could not be reached. */
export const fencedJobView = jobView
  .extend({
    inFlight: z
      .array(inFlight)
      .describe('The executions of older versions that were running at the change and may go on.'),
    effective: z
      .enum(['now', 'pending'])
      .describe(
        '`now`: nothing else that the change closes starts any more. `pending`: the executors have not confirmed it yet.',
      ),
  })
  .meta({ id: 'ChangedJob', description: 'A job after a change, and what may still run of its older versions.' })
export type FencedJobView = z.infer<typeof fencedJobView>

export const jobStatusView = z
  .strictObject({
    jobId: z.string().describe('The id of the job.'),
    key: jobKeyView,
    name: jobName,
    status: jobStatus,
    state: jobState,
    nextRunAt,
    lastExecution,
    currentExecution: executionSummary.nullable().describe('The newest execution that runs; null: none runs.'),
    pauseReason: z
      .string()
      .nullable()
      .describe('Why the job is paused: the text that the pause gave, or a sentence of Belfry; null without one.'),
    consecutiveFailures: z.number().int().describe('How many of its newest ended executions failed in a row.'),
    lastMissed: z
      .strictObject({
        from: wireTime.describe('The first of the fire times.'),
        to: wireTime.describe('The last of the fire times.'),
        count: z.number().int().describe('How many there are.'),
        reason: z.string().describe('Why, as one kebab-case word such as `overdue`.'),
      })
      .nullable()
      .describe('The newest fire times that came too late to run; null: none is known.'),
    warnings: z
      .array(warning)
      .describe('What keeps the job from running now, such as a job type that no executor has.'),
    links: jobLinks,
  })
  .meta({ id: 'JobStatus', description: 'What goes on with a job, in short.' })
export type JobStatusView = z.infer<typeof jobStatusView>

/** `GET /jobs/:id/next-runs?count=`. */
export const nextRunsQuery = z.strictObject({
  count: wholeNumber({ min: 1, max: 100 }).default(10).describe('How many fire times to show.'),
})

export const nextRunsView = z
  .strictObject({
    jobId: z.string().describe('The id of the job.'),
    timezone: z.string().describe('The zone of the local times.'),
    data: z.array(shownFireTime).describe('The next fire times that have not started, earliest first.'),
    reason: z
      .enum(['paused', 'cancelled', 'completed', 'no-schedule', 'ended'])
      .nullable()
      .describe('Why there are none; null where there are some.'),
  })
  .meta({ id: 'NextRuns', description: 'When a job runs next.' })
export type NextRunsView = z.infer<typeof nextRunsView>

/**
 * One entry of `GET /jobs/:id/history`: an execution, or a range of fire times without one. `at`: the fire time of the execution, or
 * the first one of the range.
 */
export const historyEntry = z
  .discriminatedUnion('kind', [
    z
      .strictObject({
        kind: z.literal('execution').describe('An execution.'),
        at: wireTime.describe('Its fire time.'),
        execution: listedExecutionView,
      })
      .meta({ id: 'HistoryExecution', description: 'An execution in the history of a job.' }),
    z
      .strictObject({
        kind: z.literal('fire-log').describe('Fire times without an execution.'),
        at: wireTime.describe('The first of them.'),
        range: fireRangeView,
      })
      .meta({ id: 'HistoryFireRange', description: 'Fire times without an execution in the history of a job.' }),
  ])
  .meta({ id: 'HistoryEntry', description: 'One entry of the history of a job.' })
export type HistoryEntry = z.infer<typeof historyEntry>
