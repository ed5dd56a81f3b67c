import {
  fencedJobView,
  isRefusal,
  type JobView,
  jobRef,
  jobStatusView,
  jobsQuery,
  jobView,
  listedJobView,
  pageOf,
  untilQuery,
} from '@belfry/contracts'
import type { HttpApp, WithIdempotency } from '@belfry/http'
import type { Ids } from '@belfry/service'
import { z } from 'zod'
import type { StoredJob } from '../store/ports.ts'
import type { JobContext } from '../use-cases/context.ts'
import { createJob } from '../use-cases/create-job.ts'
import { listJobs } from '../use-cases/list-jobs.ts'
import { listByNextRun } from '../use-cases/list-next-runs.ts'
import { putJob } from '../use-cases/put-job.ts'
import { readJob } from '../use-cases/read-job.ts'
import type { PageRequest } from '../use-cases/scan-list.ts'
import { waitForJob } from '../use-cases/wait-for-end.ts'
import { etagOf, sendTagged } from './etag.ts'
import { createBody, putBody } from './job-bodies.ts'
import { readList } from './job-list.ts'
import { answerFenced } from './job-operations.ts'
import type { JobViews } from './job-view.ts'
import { type ListPages, positionsOf } from './list-pages.ts'
import { readPrecondition } from './preconditions.ts'
import { showWait, signalOf, waitMsOf } from './waiting.ts'

export interface JobRoutes {
  readonly context: JobContext
  readonly views: JobViews
  readonly pages: ListPages
  readonly ids: Ids
  readonly once: WithIdempotency
}

/** A job's routes take its id or its key. */
export const jobParams = z.object({ id: jobRef })
const tags = ['jobs']
const reads = { access: 'viewer' } as const
const changes = { access: 'user' } as const

/** `/jobs`: create, replace, read. */
export function mountJobs(app: HttpApp, { context, views, pages, ids, once }: JobRoutes): void {
  const position = positionsOf(context.stores.jobs)
  const duePosition = positionsOf({ isPosition: context.stores.jobs.isDuePosition })
  const headersOf = (job: StoredJob, shown: JobView) => ({
    location: `/jobs/${job.id}`,
    etag: etagOf(job.version, shown),
  })

  const create = { tags, summary: 'Create a job', body: createBody, response: { 201: jobView } }
  app.post('/jobs', { schema: create, config: changes }, (request, reply) =>
    once(request, reply, async (minted) => {
      const job = await createJob(context, { ownerId: request.caller.userId, minted, body: request.body })
      if (isRefusal(job)) return job
      const body = views.of(request.caller).job(job)
      return { status: 201, headers: headersOf(job, body), body }
    }),
  )

  // Keys are checked by the use case, which also takes ids there. The name in the path is the one of
  // the other routes: OpenAPI takes `/jobs/{key}` beside `/jobs/{id}` for the same path twice.
  const put = {
    tags,
    summary: 'Create a job under a key, or replace what there is; the same body again changes nothing',
    params: z.object({ id: z.string() }),
    body: putBody,
    response: { 200: fencedJobView, 201: jobView, 202: fencedJobView },
  }
  app.put('/jobs/:id', { schema: put, config: changes }, async (request, reply) => {
    const ifMatch = readPrecondition(request)
    if (isRefusal(ifMatch)) return reply.refuse(ifMatch)
    const { caller, params, body } = request
    const asked = { caller, minted: ids.uuid(), key: params.id, body, ifMatch }
    const put = await putJob(context, asked)
    if (isRefusal(put)) return reply.refuse(put)
    if ('changed' in put) return answerFenced(reply, views.of(caller), put.changed)
    const shown = views.of(caller).job(put.created)
    return reply.code(201).headers(headersOf(put.created, shown)).send(shown)
  })

  const list = {
    tags,
    summary: 'Jobs, newest first, or in the order of their next runs',
    querystring: jobsQuery,
    response: { 200: pageOf(listedJobView) },
  }
  app.get('/jobs', { schema: list, config: reads }, async (request, reply) => {
    const { query } = request
    const { userId } = request.caller
    const asked = readList(request.caller, query, context.clock)
    if (isRefusal(asked)) return reply.refuse(asked)
    const { scope, filter, until } = asked
    const view = views.of(request.caller).listed
    if (until === null) {
      const find = (page: PageRequest) => listJobs(context, scope, filter, page)
      return pages.answer(reply, { userId, query, position, find, view })
    }
    const find = (page: PageRequest) => listByNextRun(context, scope.ownerId, { ...filter, until }, page)
    return pages.answer(reply, { userId, query, position: duePosition, find, view })
  })

  const read = { tags, summary: 'A job, by id or key', params: jobParams, response: { 200: jobView } }
  app.get('/jobs/:id', { schema: read, config: reads }, async (request, reply) => {
    const job = await readJob(context, request.caller, request.params.id)
    if (isRefusal(job)) return reply.refuse(job)
    return sendTagged(request, reply, job.version, views.of(request.caller).job(job))
  })

  const status = {
    tags,
    summary: "A job's status, in short",
    description:
      'With `until=terminal` and `Prefer: wait=20` the answer waits, at most so many seconds, until the job has an outcome and nothing of it runs or waits.',
    params: jobParams,
    querystring: untilQuery,
    response: { 200: jobStatusView },
  }
  app.get('/jobs/:id/status', { schema: status, config: reads }, async (request, reply) => {
    const { caller, params } = request
    const detail = await waitForJob(context, caller, params.id, { maxMs: waitMsOf(request), signal: signalOf(reply) })
    if (isRefusal(detail)) return reply.refuse(detail)
    return sendTagged(request, showWait(request, reply), detail.job.version, views.of(caller).status(detail))
  })
}
