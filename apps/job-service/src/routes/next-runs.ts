import {
  isRecurring,
  isRefusal,
  jobRef,
  type NextRunsView,
  nextRunsQuery,
  nextRunsView,
  toWireTime,
} from '@belfry/contracts'
import type { HttpApp } from '@belfry/http'
import { localText } from '@belfry/time'
import { z } from 'zod'
import { deriveNextRunAt, deriveState, statusInputOf, upTo } from '../domain/status.ts'
import type { StoredJob } from '../store/ports.ts'
import type { JobContext } from '../use-cases/context.ts'
import { readJob } from '../use-cases/read-job.ts'

type NextRunsContext = Pick<JobContext, 'stores' | 'scheduler' | 'log' | 'schedules' | 'clock' | 'config'>

/** The next fire times of a job that have not started, at most `count`. */
function nextRunsOf({ schedules, clock }: NextRunsContext, job: StoredJob, count: number): number[] {
  const { schedule } = job.spec
  const after = (at: number) => upTo(job.known.lastAt, schedules.next(job, at))
  const most = isRecurring(schedule) ? Math.min(count, schedule.maxRuns ?? count) : 1
  const times: number[] = []
  let next = deriveNextRunAt(schedule, statusInputOf(job), job.known, clock.now(), after)
  while (next !== null && times.length < most) {
    times.push(next)
    next = times.length < most ? after(next) : null
  }
  return times
}

function whyNone(job: StoredJob): NextRunsView['reason'] {
  const state = deriveState(statusInputOf(job), isRecurring(job.spec.schedule))
  if (state === 'paused' || state === 'completed') return state
  if (state !== 'active') return 'cancelled'
  return job.spec.schedule.kind === 'manual' ? 'no-schedule' : 'ended'
}

/** `GET /jobs/:id/next-runs`. */
export function mountNextRuns(app: HttpApp, context: NextRunsContext): void {
  const schema = {
    operationId: 'listNextRuns',
    tags: ['jobs'],
    summary: 'The next fire times of a job, in UTC and in its zone',
    description: 'The next fire times of the schedule, earliest first. With none, `reason` says why.',
    params: z.object({ id: jobRef }),
    querystring: nextRunsQuery,
    response: { 200: nextRunsView },
  }
  app.get('/jobs/:id/next-runs', { schema, config: { access: 'viewer' } }, async (request, reply) => {
    const job = await readJob(context, request.caller, request.params.id)
    if (isRefusal(job)) return reply.refuse(job)
    const { schedule } = job.spec
    const timezone = schedule.kind === 'cron' ? schedule.timezone : context.config.timezone
    const times = nextRunsOf(context, job, request.query.count)
    const data = times.map((at) => ({ at: toWireTime(at), local: localText(at, timezone) }))
    return reply.send({ jobId: job.id, timezone, data, reason: times.length > 0 ? null : whyNone(job) })
  })
}
