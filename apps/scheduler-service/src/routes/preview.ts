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
    tags: ['jobs'],
    summary: 'The fire times of a schedule, in words and in numbers, before a job has it',
    body: schedulePreviewBody,
    response: { 200: schedulePreviewView },
  }
  app.post('/schedules/preview', { schema, config: { access: 'viewer' } }, async (request, reply) => {
    const preview = previewSchedule(request.body, { now: clock.now(), timezone })
    return isRefusal(preview) ? reply.refuse(preview) : preview
  })
}
