import {
  executionsOfJobQuery,
  fencedJobView,
  isRefusal,
  jobRef,
  jobsQuery,
  jobView,
  listedExecutionView,
  listedJobView,
  pageOf,
  pageQuery,
  type Refusal,
  setStateBody,
} from '@belfry/contracts'
import type { HttpApp } from '@belfry/http'
import type { Ids } from '@belfry/service'
import { z } from 'zod'
import { type AskedStep, stepTo } from '../domain/asked-state.ts'
import type { Execution } from '../domain/execution.ts'
import { ownersRights } from '../domain/reach.ts'
import type { ChangeTarget } from '../use-cases/change-job.ts'
import type { FencedJob } from '../use-cases/confirm-changes.ts'
import type { JobContext } from '../use-cases/context.ts'
import { cancelJob, pauseJob, resumeJob } from '../use-cases/job-operations.ts'
import { listExecutions } from '../use-cases/list-executions.ts'
import { listJobs } from '../use-cases/list-jobs.ts'
import { readJob } from '../use-cases/read-job.ts'
import { retryExecution } from '../use-cases/retry-execution.ts'
import type { PageRequest } from '../use-cases/scan-list.ts'
import { executionFilterOf } from './execution-list.ts'
import type { ExecutionViews } from './execution-view.ts'
import { answerExecutionsOfJob } from './executions.ts'
import { answerFenced } from './job-operations.ts'
import type { JobViews } from './job-view.ts'
import { type ListPages, positionsOf } from './list-pages.ts'
import { readPrecondition } from './preconditions.ts'

export interface CompatibilityRoutes {
  readonly context: JobContext
  readonly views: JobViews
  readonly executionViews: ExecutionViews
  readonly pages: ListPages
  readonly ids: Ids
}

const reads = { access: 'viewer' } as const
const changes = { access: 'user' } as const
const params = z.object({ id: jobRef })

type FencedStep = Exclude<AskedStep, 'none' | 'run-again'>
const steps: Record<FencedStep, (context: JobContext, target: ChangeTarget) => Promise<FencedJob | Refusal>> = {
  pause: (context, target) => pauseJob(context, target, { until: null, reason: null }),
  resume: resumeJob,
  cancel: cancelJob,
}

/** Addresses of the systems before Belfry that its own do not have; in the dialect `/api/v1` only (docs/guide/http-conventions.md). */
export function mountCompatibility(app: HttpApp, routes: CompatibilityRoutes): void {
  mountSetState(app, routes)
  mountReadyLists(app, routes)
  mountExecutionsOfJob(app, routes)
}

function mountSetState(app: HttpApp, { context, views, ids }: CompatibilityRoutes): void {
  const schema = { params, body: setStateBody, response: { 200: jobView, 202: z.union([jobView, fencedJobView]) } }
  app.patch('/api/v1/jobs/:id/state', { schema, config: changes }, async (request, reply) => {
    const ifMatch = readPrecondition(request)
    if (isRefusal(ifMatch)) return reply.refuse(ifMatch)
    const { caller } = request
    const ofCaller = views.of(caller)
    const job = await readJob(context, caller, request.params.id)
    if (isRefusal(job)) return reply.refuse(job)
    const step = stepTo(request.body.state, ofCaller.job(job))
    if (isRefusal(step)) return reply.refuse(step)
    if (step === 'none') return reply.send(ofCaller.job(job))
    if (step !== 'run-again') {
      const fenced = await steps[step](context, { caller, ref: job.id, ifMatch })
      return isRefusal(fenced) ? reply.refuse(fenced) : answerFenced(reply, ofCaller, fenced)
    }
    const again = await retryExecution(context, { caller, id: job.known.last?.id ?? '', minted: ids.uuid() })
    if (isRefusal(again)) return reply.refuse(again)
    return reply.code(202).header('location', `/executions/${again.execution.id}`).send(ofCaller.job(job))
  })
}

/** What the scheduler has not been given yet, and what an executor has been given and has not started. */
function mountReadyLists(app: HttpApp, { context, views, executionViews, pages }: CompatibilityRoutes): void {
  const { jobs, executions } = context.stores

  const toSchedule = {
    querystring: pageQuery.extend(jobsQuery.pick({ fields: true, jobType: true, q: true }).shape),
    response: { 200: pageOf(listedJobView) },
  }
  app.get('/api/v1/jobs/ready-to-schedule', { schema: toSchedule, config: reads }, async (request, reply) => {
    const { query } = request
    const { userId } = request.caller
    const filter = { jobType: query.jobType, q: query.q }
    const find = (page: PageRequest) => listJobs(context, { ownerId: userId }, { ...filter, status: ['CREATED'] }, page)
    return pages.answer(reply, {
      userId,
      query,
      position: positionsOf(jobs),
      find,
      view: views.of(request.caller).listed,
    })
  })

  // An execution is there from its look-ahead on: one that is SCHEDULED is within it.
  const toRun = {
    querystring: executionsOfJobQuery.omit({ status: true }),
    response: { 200: pageOf(listedExecutionView) },
  }
  app.get('/api/v1/jobs/ready-to-run', { schema: toRun, config: reads }, async (request, reply) => {
    const { query } = request
    const { userId } = request.caller
    const filter = { ...executionFilterOf(query, context.clock), status: ['SCHEDULED'] } as const
    const find = (page: PageRequest) => listExecutions(context, { ownerId: userId }, filter, page)
    const view = (execution: Execution) => executionViews.listed(execution, ownersRights)
    return pages.answer(reply, { userId, query, position: positionsOf(executions), find, view })
  })
}

/** `GET /jobs/:id/executions` by its older address. */
function mountExecutionsOfJob(app: HttpApp, { context, executionViews, pages }: CompatibilityRoutes): void {
  const schema = {
    params: z.object({ jobId: jobRef }),
    querystring: executionsOfJobQuery,
    response: { 200: pageOf(listedExecutionView) },
  }
  app.get('/api/v1/executions/job/:jobId', { schema, config: reads }, async (request, reply) => {
    const { caller, query, params } = request
    return answerExecutionsOfJob(reply, { context, views: executionViews, pages }, { caller, query, ref: params.jobId })
  })
}
