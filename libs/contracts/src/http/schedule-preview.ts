import { z } from 'zod'
import { fieldHints, jobHints } from '../field-hints.ts'
import { timeAt } from '../values.ts'
import { putJobBody } from './job-bodies.ts'
import { scheduleView } from './job-policies.ts'
import { warning, wireTime } from './parts.ts'

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
export const shownFireTime = z
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
