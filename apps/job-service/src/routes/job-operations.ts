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
const tags = ['jobs']
const config = { access: 'user' } as const
const response = { 200: fencedJobView, 202: fencedJobView }

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
    tags,
    summary: 'Change some fields of a job; the answer lists what may still run of the version before',
    consumes: ['application/merge-patch+json', 'application/json'],
    params,
    body: patchJobBody,
    response,
  }
  app.patch('/jobs/:id', { schema: patch, config }, (request, reply) =>
    answer(request, reply, (target) => patchJob(context, target, readPatch(request.body))),
  )

  const remove = { tags, summary: 'Delete a job; its executions stay readable until retention', params, response }
  app.delete('/jobs/:id', { schema: remove, config }, (request, reply) =>
    answer(request, reply, (target) => deleteJob(context, target)),
  )

  const pause = { tags, summary: 'Pause a job, with an end or without one', params, body: pauseBody, response }
  app.post('/jobs/:id/pause', { schema: pause, config }, (request, reply) =>
    answer(request, reply, (target) =>
      pauseJob(context, target, { until: request.body?.until ?? null, reason: request.body?.reason ?? null }),
    ),
  )

  const resume = { tags, summary: 'Resume a paused job', params, response }
  app.post('/jobs/:id/resume', { schema: resume, config }, (request, reply) =>
    answer(request, reply, (target) => resumeJob(context, target)),
  )

  const cancel = { tags, summary: 'Cancel a job for good; the answer lists what may still run', params, response }
  app.post('/jobs/:id/cancel', { schema: cancel, config }, (request, reply) =>
    answer(request, reply, (target) => cancelJob(context, target)),
  )
}
