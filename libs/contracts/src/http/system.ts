import { z } from 'zod'
import { timeAt } from '../values.ts'

/** `POST /system/drain`. */
export const drainBody = z
  .strictObject({
    until: timeAt.nullish().describe('When the drain ends by itself, RFC 3339; null or absent: not before a resume.'),
    reason: z.string().max(500).optional().describe('Why, up to 500 characters; it goes into the log.'),
  })
  .nullish()

export const drainView = z.strictObject({
  isDrained: z.boolean().describe('Whether no execution starts.'),
  until: z.iso
    .datetime()
    .nullable()
    .describe('When the drain ends by itself; null without an end, and without a drain.'),
  noticedWithinMs: z
    .number()
    .int()
    .describe('How long an executor of another process may take to notice a change, milliseconds.'),
})
export type DrainView = z.infer<typeof drainView>

/** `GET /quotas`. */
export const quotasView = z.strictObject({
  running: z
    .strictObject({
      used: z.number().int().describe('Executions of yours that run now, counted up to 1,000.'),
    })
    .describe(
      'Runs at once. They have no bound of their own: while others wait, one user has at most half of the slots.',
    ),
  jobs: z
    .strictObject({
      used: z
        .number()
        .int()
        .describe(
          'Your jobs that are neither cancelled nor deleted, and the one-shots that are over and not yet purged.',
        ),
      limit: z.number().int().describe('Most jobs that you may have; a further one is refused with 429.'),
    })
    .describe('Your jobs.'),
  shortestInterval: z.string().describe('The shortest interval of a schedule, such as `1s`; a shorter one is refused.'),
  redrive: z
    .strictObject({ limit: z.number().int().describe('Dead letters of one redrive.') })
    .describe('One redrive.'),
  backfill: z
    .strictObject({ limit: z.number().int().describe('Fire times of one backfill.') })
    .describe('One backfill.'),
  waitingCalls: z
    .strictObject({
      limit: z.number().int().describe('Calls with `until=terminal` that may wait at once in one job-service.'),
    })
    .describe('Calls that wait for the end of a run.'),
  mails: z
    .strictObject({
      used: z
        .number()
        .int()
        .describe('Mails of your notifications that count now; they come back evenly over an hour.'),
      limit: z.number().int().describe('Mails of your notifications in an hour; further ones wait.'),
    })
    .describe('Mails of your notifications.'),
})
export type QuotasView = z.infer<typeof quotasView>
