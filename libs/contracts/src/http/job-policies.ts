import { z } from 'zod'
import { fieldHints, intervalHints, retryHints, scheduleHints } from '../field-hints.ts'
import { mostMisfireCap, overlapPolicies } from '../spec.ts'
import { duration } from '../values.ts'
import { wireTime } from './parts.ts'

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
export const backoff = z
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

export const overlapTexts =
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

export const misfirePolicies = ['run-once', 'run-all', 'skip'] as const
export const misfireTexts =
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

export const lostLease = z
  .enum(['rerun', 'fail'])
  .describe(
    'After the loss of the executor: `rerun` runs the execution again, `fail` ends it as LOST, so that it never runs twice.',
  )

/** A recurring schedule in an answer. */
export const scheduleView = z
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
