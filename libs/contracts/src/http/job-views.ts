import { z } from 'zod'
import { inFlight } from '../internal.ts'
import { overlapPolicies } from '../spec.ts'
import { jobStatuses, shownJobStates } from '../states.ts'
import { jsonObject, wholeNumber } from '../values.ts'
import { pausedBy } from './bulk.ts'
import { fireRangeView, listedExecutionView } from './executions.ts'
import { backoff, lostLease, misfirePolicies, misfireTexts, overlapTexts, scheduleView } from './job-policies.ts'
import { executionSummary, links, warning, wireTime } from './parts.ts'
import { shownFireTime } from './schedule-preview.ts'

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
