import {
  fencedJobView,
  isRefusal,
  jobRef,
  jobStatusView,
  jobsQuery,
  jobView,
  listedJobView,
  pageOf,
} from '@belfry/contracts'
import type { HttpApp, WithIdempotency } from '@belfry/http'
import type { Ids } from '@belfry/service'
import { z } from 'zod'
import type { Jobs } from '../domain/jobs.ts'
import type { Lists, PageRequest } from '../domain/lists.ts'
import type { StoredJob } from '../domain/ports.ts'
import { createBody, putBody } from './job-body.ts'
import type { JobViews } from './job-view.ts'
import type { Pages } from './pages.ts'

export interface JobRoutes {
  readonly jobs: Jobs
  readonly lists: Lists
  readonly views: JobViews
  readonly pages: Pages
  readonly ids: Ids
  readonly once: WithIdempotency
}

/** A job's routes take its id or its key. */
export const jobParams = z.object({ id: jobRef })
const tags = ['jobs']
const reads = { access: 'viewer' } as const
const changes = { access: 'user' } as const
const jobPlace = z.tuple([z.int().nonnegative()])

/** `/jobs`: create, read, cancel. */
export function mountJobs(app: HttpApp, { jobs, lists, views, pages, ids, once }: JobRoutes): void {
  const headersOf = (job: StoredJob) => ({ location: `/jobs/${job.id}`, etag: etagOf(job) })

  const create = { tags, summary: 'Create a job', body: createBody, response: { 201: jobView } }
  app.post('/jobs', { schema: create, config: changes }, (request, reply) =>
    once(request, reply, async (minted) => {
      const job = await jobs.create({ ownerId: request.caller.userId, minted, body: request.body })
      return isRefusal(job) ? job : { status: 201, headers: headersOf(job), body: views.job(job) }
    }),
  )

  // Keys are checked by the use case, which knows what else may stand in their place. The name in the path is the one of
  // the other routes: OpenAPI takes `/jobs/{key}` beside `/jobs/{id}` for the same path twice.
  const put = {
    tags,
    summary: 'Create a job under a key; the same body again changes nothing',
    params: z.object({ id: z.string() }),
    body: putBody,
    response: { 200: jobView, 201: jobView },
  }
  app.put('/jobs/:id', { schema: put, config: changes }, async (request, reply) => {
    const { id: key } = request.params
    const put = await jobs.put({ ownerId: request.caller.userId, minted: ids.uuid(), key, body: request.body })
    if (isRefusal(put)) return reply.refuse(put)
    const { job, isNew } = put
    return reply
      .code(isNew ? 201 : 200)
      .headers(headersOf(job))
      .send(views.job(job))
  })

  const list = { tags, summary: 'Jobs, newest first', querystring: jobsQuery, response: { 200: pageOf(listedJobView) } }
  app.get('/jobs', { schema: list, config: reads }, async (request, reply) => {
    const { query } = request
    const { userId } = request.caller
    const find = (page: PageRequest) => lists.listJobs(userId, query, page)
    return pages.answer(reply, { userId, query, places: jobPlace, find, view: views.listed })
  })

  const read = { tags, summary: 'A job, by id or key', params: jobParams, response: { 200: jobView } }
  app.get('/jobs/:id', { schema: read, config: reads }, async (request, reply) => {
    const job = await jobs.find(request.caller.userId, request.params.id)
    return isRefusal(job) ? reply.refuse(job) : reply.header('etag', etagOf(job)).send(views.job(job))
  })

  const status = { tags, summary: "A job's status, in short", params: jobParams, response: { 200: jobStatusView } }
  app.get('/jobs/:id/status', { schema: status, config: reads }, async (request, reply) => {
    const detail = await lists.jobInDetail(request.caller.userId, request.params.id)
    return isRefusal(detail) ? reply.refuse(detail) : views.status(detail)
  })

  const cancel = {
    tags,
    summary: 'Cancel a job for good; the answer lists what may still run',
    params: jobParams,
    response: { 200: fencedJobView, 202: fencedJobView },
  }
  app.post('/jobs/:id/cancel', { schema: cancel, config: changes }, async (request, reply) => {
    const fenced = await jobs.cancel(request.caller.userId, request.params.id)
    if (isRefusal(fenced)) return reply.refuse(fenced)
    const code = fenced.effective === 'now' ? 200 : 202
    return reply.code(code).header('etag', etagOf(fenced.job)).send(views.fenced(fenced))
  })
}

/** A strong ETag: the version (api.md, concurrency). */
function etagOf(job: StoredJob): string {
  return `"${job.version}"`
}
