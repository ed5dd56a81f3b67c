import {
  fencedJobView,
  isRefusal,
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
import { etagOfText, sendTagged } from './etag.ts'
import { createBody, putBody } from './job-bodies.ts'
import { createExamples, putExamples } from './job-examples.ts'
import { readList } from './job-list.ts'
import { answerFenced } from './job-operations.ts'
import type { JobViews } from './job-view.ts'
import { type ListPages, positionsOf } from './list-pages.ts'
import { readMustBeNew, readPrecondition } from './preconditions.ts'
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
/** PUT takes a key that no job has yet. */
const putRef = z
  .string()
  .describe('The key of the job, 1 to 64 of `a-z0-9._-`, or its id.')
  .meta({ examples: ['daily-sales'] })
const tags = ['jobs']
const reads = { access: 'viewer' } as const
const changes = { access: 'user' } as const

/** `/jobs`: create, replace, read. */
export function mountJobs(app: HttpApp, { context, views, pages, ids, once }: JobRoutes): void {
  const position = positionsOf(context.stores.jobs)
  const duePosition = positionsOf({ isPosition: context.stores.jobs.isDuePosition })
  const headersOf = (job: StoredJob, text: string) => ({
    location: `/jobs/${job.id}`,
    etag: etagOfText(job.version, text),
  })

  const create = {
    operationId: 'createJob',
    tags,
    summary: 'Create a job',
    description:
      'A job type, params, and at most one of `schedule`, `runAt`, `delay` and `scheduledTime`; with none the job runs when it is triggered. Everything else has a default. Everything that is wrong is listed at once.',
    requestHeaders: ['idempotency-key'],
    answerHeaders: { 201: ['location', 'etag', 'idempotency-replayed'] },
    problems: ['conflict', 'impossible', 'quota-exceeded'],
    examples: createExamples,
    body: createBody,
    response: { 201: jobView },
  } as const
  app.post('/jobs', { schema: create, config: changes }, (request, reply) =>
    once(request, reply, async (minted) => {
      const job = await createJob(context, { ownerId: request.caller.userId, minted, body: request.body })
      if (isRefusal(job)) return job
      // Written once: the tag is taken over the text that is answered.
      const text = JSON.stringify(views.of(request.caller).job(job))
      return { status: 201, headers: headersOf(job, text), text }
    }),
  )

  // Keys are checked by the use case, which also takes ids there. The name in the path is the one of
  // the other routes: OpenAPI takes `/jobs/{key}` beside `/jobs/{id}` for the same path twice.
  const put = {
    operationId: 'putJob',
    tags,
    summary: 'Create a job under a key, or replace what there is; the same body again changes nothing',
    description:
      'For definitions that are kept elsewhere and are sent again and again. 201: the job is new. 200: it has this definition, and nothing else that the change closes starts any more. 202: it has this definition, and the executors have not confirmed it yet. With `If-Match` no new job is made; with `If-None-Match: *` a job that is there is not changed.',
    requestHeaders: ['if-match', 'if-none-match'],
    answerHeaders: { 200: ['etag', 'location'], 201: ['etag', 'location'], 202: ['etag', 'location'] },
    problems: ['conflict', 'illegal-transition', 'impossible', 'quota-exceeded', 'too-many-requests'],
    examples: putExamples,
    params: z.object({ id: putRef }),
    body: putBody,
    response: { 200: fencedJobView, 201: jobView, 202: fencedJobView },
  } as const
  app.put('/jobs/:id', { schema: put, config: changes }, async (request, reply) => {
    const ifMatch = readPrecondition(request)
    if (isRefusal(ifMatch)) return reply.refuse(ifMatch)
    const mustBeNew = readMustBeNew(request)
    if (isRefusal(mustBeNew)) return reply.refuse(mustBeNew)
    const { caller, params, body } = request
    const asked = { caller, minted: ids.uuid(), key: params.id, body, ifMatch, mustBeNew }
    const put = await putJob(context, asked)
    if (isRefusal(put)) return reply.refuse(put)
    if ('changed' in put) return answerFenced(reply, views.of(caller), put.changed)
    const shown = views.of(caller).job(put.created)
    return reply
      .code(201)
      .headers(headersOf(put.created, JSON.stringify(shown)))
      .send(shown)
  })

  const list = {
    operationId: 'listJobs',
    tags,
    summary: 'Jobs, newest first, or in the order of their next runs',
    description:
      'Your jobs, without those that are deleted. A page of a filtered list may be empty although more follows: go on while `hasMore` is true.',
    answerHeaders: { 200: ['link'] },
    querystring: jobsQuery,
    response: { 200: pageOf(listedJobView) },
  } as const
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

  const read = {
    operationId: 'getJob',
    tags,
    summary: 'A job, by id or key',
    description: 'The definition of a job with every default filled in, its state, and when it runs next.',
    answerHeaders: { 200: ['etag'] },
    params: jobParams,
    response: { 200: jobView },
  } as const
  app.get('/jobs/:id', { schema: read, config: reads }, async (request, reply) => {
    const job = await readJob(context, request.caller, request.params.id)
    if (isRefusal(job)) return reply.refuse(job)
    return sendTagged(request, reply, job.version, views.of(request.caller).job(job))
  })

  const status = {
    operationId: 'getJobStatus',
    tags,
    summary: "A job's status, in short",
    description:
      'What goes on with a job: its status in a word, the execution that runs, the newest one that has ended, and the next fire time. With `until=terminal` and `Prefer: wait=20` the answer waits, at most so many seconds, until the job has an outcome and nothing of it runs or waits.',
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
