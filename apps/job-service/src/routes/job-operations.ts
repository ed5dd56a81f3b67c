import { fencedJobView, isRefusal, jobRef, patchJobBody, pauseBody, type Refusal } from '@belfry/contracts'
import type { HttpApp } from '@belfry/http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { ChangeTarget } from '../use-cases/change-job.ts'
import type { FencedJob } from '../use-cases/confirm-changes.ts'
import type { JobContext } from '../use-cases/context.ts'
import { cancelJob, deleteJob, pauseJob, resumeJob } from '../use-cases/job-operations.ts'
import { patchJob } from '../use-cases/update-job.ts'
import { etagOf } from './etag.ts'
import { readPatch } from './job-bodies.ts'
import type { JobViews, JobViewsOfCaller } from './job-view.ts'
import { readPrecondition } from './preconditions.ts'

/** A job's routes take its id or its key. */
const params = z.object({ id: jobRef })
const config = { access: 'user' } as const
/** What the changes of a job have alike. */
const change = {
  tags: ['jobs'],
  params,
  response: { 200: fencedJobView, 202: fencedJobView },
  requestHeaders: ['if-match'],
  answerHeaders: { 200: ['etag', 'location'], 202: ['etag', 'location'] },
} as const
const effect =
  '200: nothing else that the change closes starts any more. 202: the change is stored, and the executors have not confirmed it yet. The call may be repeated.'

/** 200 when the executors have confirmed a change, 202 while they have not. */
export function answerFenced(reply: FastifyReply, views: JobViewsOfCaller, fenced: FencedJob): FastifyReply {
  const { job, effective } = fenced
  const headers = { location: `/jobs/${job.id}`, etag: etagOf(job.version, views.job(job)) }
  return reply
    .code(effective === 'now' ? 200 : 202)
    .headers(headers)
    .send(views.fenced(fenced))
}

/** The calls that change a job: PATCH, DELETE, pause, resume, cancel. Each honours If-Match, and may be repeated. */
export function mountJobOperations(app: HttpApp, context: JobContext, views: JobViews): void {
  type Request = Pick<FastifyRequest, 'headers' | 'caller'> & { readonly params: { readonly id: string } }
  const answer = async (
    request: Request,
    reply: FastifyReply,
    run: (target: ChangeTarget) => Promise<FencedJob | Refusal>,
  ) => {
    const ifMatch = readPrecondition(request)
    if (isRefusal(ifMatch)) return reply.refuse(ifMatch)
    const fenced = await run({ caller: request.caller, ref: request.params.id, ifMatch })
    return isRefusal(fenced) ? reply.refuse(fenced) : answerFenced(reply, views.of(request.caller), fenced)
  }

  const patch = {
    ...change,
    operationId: 'patchJob',
    summary: 'Change some fields of a job; the answer lists what may still run of the version before',
    description: `A JSON merge patch (RFC 7396) on the body that makes the job: null takes a field back to its default. ${effect}`,
    problems: ['illegal-transition', 'impossible', 'too-many-requests'],
    examples: {
      time: { summary: 'Another time', value: { schedule: { cron: '0 6 * * *', timezone: 'Europe/Berlin' } } },
      retries: { summary: 'More retries', value: { retry: { maxRetries: 5 } } },
    },
    consumes: ['application/merge-patch+json', 'application/json'],
    body: patchJobBody,
  } as const
  app.patch('/jobs/:id', { schema: patch, config }, (request, reply) =>
    answer(request, reply, (target) => patchJob(context, target, readPatch(request.body))),
  )

  const remove = {
    ...change,
    operationId: 'deleteJob',
    summary: 'Delete a job; its executions stay readable until retention',
    description: `The job fires no more and is not shown any more, and runs that are at work are asked to stop. ${effect}`,
    problems: ['too-many-requests'],
  } as const
  app.delete('/jobs/:id', { schema: remove, config }, (request, reply) =>
    answer(request, reply, (target) => deleteJob(context, target)),
  )

  const pause = {
    ...change,
    operationId: 'pauseJob',
    summary: 'Pause a job, with an end or without one',
    description: `The job fires no more until it is resumed, or until \`until\`. Its fire times go into the fire log as \`paused\`. Runs that are at work go on. ${effect}`,
    problems: ['illegal-transition', 'impossible', 'too-many-requests'],
    examples: {
      open: { summary: 'Until it is resumed', value: {} },
      until: { summary: 'Until a moment', value: { until: '2099-01-01T09:00:00Z' } },
    },
    body: pauseBody,
  } as const
  app.post('/jobs/:id/pause', { schema: pause, config }, (request, reply) =>
    answer(request, reply, (target) =>
      pauseJob(context, target, { until: request.body?.until ?? null, reason: request.body?.reason ?? null }),
    ),
  )

  const resume = {
    ...change,
    operationId: 'resumeJob',
    summary: 'Resume a paused job',
    description: `The job fires again, from now on. ${effect}`,
    problems: ['illegal-transition', 'too-many-requests'],
  } as const
  app.post('/jobs/:id/resume', { schema: resume, config }, (request, reply) =>
    answer(request, reply, (target) => resumeJob(context, target)),
  )

  const cancel = {
    ...change,
    operationId: 'cancelJob',
    summary: 'Cancel a job for good; the answer lists what may still run',
    description: `The job fires no more and gives up its key; it stays readable. Runs that are at work are asked to stop. ${effect}`,
    problems: ['illegal-transition', 'too-many-requests'],
  } as const
  app.post('/jobs/:id/cancel', { schema: cancel, config }, (request, reply) =>
    answer(request, reply, (target) => cancelJob(context, target)),
  )
}
