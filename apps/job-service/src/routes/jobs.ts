import {
  createJobBody,
  fencedJobView,
  isRefusal,
  jobRef,
  jobStatusView,
  jobsQuery,
  jobView,
  listedJobView,
  pageOf,
  putJobBody,
} from '@belfry/contracts'
import type { HttpApp, WithIdempotency } from '@belfry/http'
import type { Ids } from '@belfry/service'
import { z } from 'zod'
import { formIssues } from '../domain/spec.ts'
import type { StoredJob } from '../store/ports.ts'
import { cancelJob } from '../use-cases/cancel-job.ts'
import type { JobContext } from '../use-cases/context.ts'
import { createJob } from '../use-cases/create-job.ts'
import { findJob } from '../use-cases/find-job.ts'
import { listJobs } from '../use-cases/list-jobs.ts'
import { putJob } from '../use-cases/put-job.ts'
import type { PageRequest } from '../use-cases/scan-list.ts'
import { showJob } from '../use-cases/show-job.ts'
import type { JobViews } from './job-view.ts'
import { type ListPages, positionsOf } from './list-pages.ts'

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

/**
 * Adds the issues of form that no schema of a single field finds (a cron that cannot be read, two schedules at once) to those
 * that the fields have, so that one answer names all. Fields with an issue of their own are left out. A body whose fields
 * have none is read by the use case, which compiles its schedule once.
 */
function addFormIssues(body: unknown, context: z.core.$RefinementCtx): void {
  if (context.issues.length === 0 || typeof body !== 'object' || body === null) return
  const invalid = new Set(context.issues.map((issue) => String(issue.path?.[0] ?? '')))
  const valid = Object.fromEntries(Object.entries(body).filter(([name]) => !invalid.has(name)))
  for (const { pointer, code, detail, suggestion } of formIssues(valid)) {
    const path = pointer.split('/').slice(1)
    context.addIssue({ code: 'custom', path, message: detail, params: { code, suggestion } })
  }
}

/** Also when the fields have issues. */
const always = { when: () => true }
const createBody = createJobBody.superRefine(addFormIssues, always)
const putBody = putJobBody.superRefine(addFormIssues, always)

/** `/jobs`: create, read, cancel. */
export function mountJobs(app: HttpApp, { context, views, pages, ids, once }: JobRoutes): void {
  const position = positionsOf(context.stores.jobs)
  const headersOf = (job: StoredJob) => ({ location: `/jobs/${job.id}`, etag: etagOf(job) })

  const create = { tags, summary: 'Create a job', body: createBody, response: { 201: jobView } }
  app.post('/jobs', { schema: create, config: changes }, (request, reply) =>
    once(request, reply, async (minted) => {
      const job = await createJob(context, { ownerId: request.caller.userId, minted, body: request.body })
      return isRefusal(job) ? job : { status: 201, headers: headersOf(job), body: views.job(job) }
    }),
  )

  // Keys are checked by the use case, which also takes ids there. The name in the path is the one of
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
    const put = await putJob(context, { ownerId: request.caller.userId, minted: ids.uuid(), key, body: request.body })
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
    const find = (page: PageRequest) => listJobs(context, userId, query, page)
    return pages.answer(reply, { userId, query, position, find, view: views.listed })
  })

  const read = { tags, summary: 'A job, by id or key', params: jobParams, response: { 200: jobView } }
  app.get('/jobs/:id', { schema: read, config: reads }, async (request, reply) => {
    const job = await findJob(context, request.caller.userId, request.params.id)
    return isRefusal(job) ? reply.refuse(job) : reply.header('etag', etagOf(job)).send(views.job(job))
  })

  const status = { tags, summary: "A job's status, in short", params: jobParams, response: { 200: jobStatusView } }
  app.get('/jobs/:id/status', { schema: status, config: reads }, async (request, reply) => {
    const detail = await showJob(context, request.caller.userId, request.params.id)
    return isRefusal(detail) ? reply.refuse(detail) : views.status(detail)
  })

  const cancel = {
    tags,
    summary: 'Cancel a job for good; the answer lists what may still run',
    params: jobParams,
    response: { 200: fencedJobView, 202: fencedJobView },
  }
  app.post('/jobs/:id/cancel', { schema: cancel, config: changes }, async (request, reply) => {
    const fenced = await cancelJob(context, request.caller.userId, request.params.id)
    if (isRefusal(fenced)) return reply.refuse(fenced)
    const code = fenced.effective === 'now' ? 200 : 202
    return reply.code(code).header('etag', etagOf(fenced.job)).send(views.fenced(fenced))
  })
}

/** A strong ETag: the version (api.md, concurrency). */
function etagOf(job: StoredJob): string {
  return `"${job.version}"`
}
