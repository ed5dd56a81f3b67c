import { isRefusal, schedulePreviewBody, schedulePreviewView } from '@belfry/contracts'
import type { HttpApp } from '@belfry/http'
import type { Clock } from '@belfry/service'
import { previewSchedule } from '../domain/preview.ts'

export interface PreviewRoutes {
  readonly clock: Clock
  readonly timezone: string
}

/** `POST /schedules/preview`: the fire times of a schedule that no job has yet. */
export function mountPreview(app: HttpApp, { clock, timezone }: PreviewRoutes): void {
  const schema = {
    operationId: 'previewSchedule',
    tags: ['jobs'],
    summary: 'The fire times of a schedule, in words and in numbers, before a job has it',
    description:
      'Takes the schedule fields of a job, and answers its next fire times in UTC and in local time, the schedule in English, and the warnings that the job would have. It refuses what a job would be refused for.',
    body: schedulePreviewBody,
    response: { 200: schedulePreviewView },
    problems: ['impossible'],
    examples: {
      cron: {
        summary: 'Every weekday at 02:30 in Berlin',
        value: { schedule: { cron: '30 2 * * MON-FRI', timezone: 'Europe/Berlin' }, count: 5 },
      },
      interval: { summary: 'Every 90 seconds', value: { schedule: { every: '90s' }, count: 3 } },
    },
  } as const
  app.post('/schedules/preview', { schema, config: { access: 'viewer' } }, async (request, reply) => {
    const preview = previewSchedule(request.body, { now: clock.now(), timezone })
    return isRefusal(preview) ? reply.refuse(preview) : preview
  })
}
