import {
  deadLettersQuery,
  type ExecutionsOfJobQuery,
  executionId,
  executionsOfJobQuery,
  executionsQuery,
  executionView,
  isRefusal,
  listedExecutionView,
  pageOf,
  untilQuery,
} from '@belfry/contracts'
import type { HttpApp } from '@belfry/http'
import type { FastifyReply } from 'fastify'
import { z } from 'zod'
import type { Execution } from '../domain/execution.ts'
import { type Caller, noRights, operatorsRights, ownerOf, ownersRights } from '../domain/reach.ts'
import type { JobContext } from '../use-cases/context.ts'
import { listExecutions, listExecutionsOfJob } from '../use-cases/list-executions.ts'
import type { PageRequest } from '../use-cases/scan-list.ts'
import { waitForExecution } from '../use-cases/wait-for-end.ts'
import { sendTagged } from './etag.ts'
import { executionFilterOf, readExecutionList } from './execution-list.ts'
import type { ExecutionViews } from './execution-view.ts'
import { jobParams } from './jobs.ts'
import { type ListPages, positionsOf } from './list-pages.ts'
import { showWait, signalOf, waitMsOf } from './waiting.ts'

export interface ExecutionRoutes {
  readonly context: JobContext
  readonly views: ExecutionViews
  readonly pages: ListPages
}

/** An execution's routes take its id. */
export const executionParams = z.object({ id: executionId })
const tags = ['executions']
const reads = { access: 'viewer' } as const
const page = { 200: pageOf(listedExecutionView) }

interface ListOfJob {
  readonly caller: Caller
  /** Id or key of the job. */
  readonly ref: string
  readonly query: ExecutionsOfJobQuery
}

/** Answers with a page of a job's executions, as far as the caller may see them. */
export function answerExecutionsOfJob(
  reply: FastifyReply,
  { context, views, pages }: ExecutionRoutes,
  { caller, ref, query }: ListOfJob,
): Promise<void> {
  let rights = noRights
  const find = async (asked: PageRequest) => {
    const found = await listExecutionsOfJob(context, { caller, ref }, executionFilterOf(query, context.clock), asked)
    if (!isRefusal(found)) rights = found.rights
    return found
  }
  const view = (execution: Execution) => views.listed(execution, rights)
  return pages.answer(reply, {
    position: positionsOf(context.stores.executions),
    userId: caller.userId,
    query,
    find,
    view,
  })
}

/** Lists of executions, `/executions/:id`, and `/dead-letters`. */
export function mountExecutions(app: HttpApp, { context, views, pages }: ExecutionRoutes): void {
  const { executions } = context.stores
  const position = positionsOf(executions)
  type Owner = { readonly ownerId: string }
  const rightsTo = ({ userId }: Caller, { ownerId }: Owner) => (ownerId === userId ? ownersRights : operatorsRights)
  const viewTo = (caller: Caller, owner: Owner) => (one: Execution) => views.listed(one, rightsTo(caller, owner))
  /** An operator reads no params and results of another user. */
  const shownTo = (caller: Caller, owner: Owner, page: PageRequest) =>
    rightsTo(caller, owner).seesDetails ? page : { ...page, fields: [] }

  const ofJob = {
    operationId: 'listJobExecutions',
    tags,
    summary: "A job's executions, newest first or oldest first",
    description: 'The executions of one job, also of one that is cancelled or deleted, until retention.',
    answerHeaders: { 200: ['link'] },
    params: jobParams,
    querystring: executionsOfJobQuery,
    response: page,
  } as const
  app.get('/jobs/:id/executions', { schema: ofJob, config: reads }, (request, reply) => {
    const { caller, query, params } = request
    return answerExecutionsOfJob(reply, { context, views, pages }, { caller, query, ref: params.id })
  })

  const all = {
    operationId: 'listExecutions',
    tags,
    summary: 'Executions, newest first or oldest first',
    description:
      'The executions of all your jobs, of those that are shared with you, or, for operators, of all users. A page of a filtered list may be empty although more follows: go on while `hasMore` is true.',
    answerHeaders: { 200: ['link'] },
    querystring: executionsQuery,
    response: page,
  } as const
  app.get('/executions', { schema: all, config: reads }, (request, reply) => {
    const { query } = request
    const { userId } = request.caller
    const asked = readExecutionList(request.caller, query, context.clock)
    if (isRefusal(asked)) return reply.refuse(asked)
    const { scope, filter, seesDetails, rightsTo } = asked
    const find = (page: PageRequest) =>
      listExecutions(context, scope, filter, seesDetails ? page : { ...page, fields: [] })
    const view = (execution: Execution) => views.listed(execution, rightsTo(execution))
    return pages.answer(reply, { position, userId, query, find, view })
  })

  const one = {
    operationId: 'getExecution',
    tags,
    summary: 'An execution, with every attempt',
    description:
      'What ran, when and how often, what came of it, and when each step on the way was taken. With `until=terminal` and `Prefer: wait=20` the answer waits, at most so many seconds, until the execution has ended.',
    params: executionParams,
    querystring: untilQuery,
    response: { 200: executionView },
  }
  app.get('/executions/:id', { schema: one, config: reads }, async (request, reply) => {
    const { caller, params } = request
    const limits = { maxMs: waitMsOf(request), signal: signalOf(reply) }
    const found = await waitForExecution(context, caller, params.id, limits)
    if (isRefusal(found)) return reply.refuse(found)
    const { execution, rights } = found
    return sendTagged(request, showWait(request, reply), execution.seq, views.whole(execution, rights))
  })

  const deadLetters = {
    operationId: 'listDeadLetters',
    tags,
    summary: 'Executions that failed for good and were not run again, newest first',
    description:
      'Executions that FAILED. One that was run again is left out: when its new execution fails, that one is here.',
    answerHeaders: { 200: ['link'] },
    querystring: deadLettersQuery,
    response: page,
  } as const
  app.get('/dead-letters', { schema: deadLetters, config: reads }, (request, reply) => {
    const { query } = request
    const { userId } = request.caller
    const owner = ownerOf(request.caller, query.ownerId)
    if (isRefusal(owner)) return reply.refuse(owner)
    const scope = { ...owner, failed: true } as const
    const find = (asked: PageRequest) => listExecutions(context, scope, {}, shownTo(request.caller, owner, asked))
    return pages.answer(reply, { position, userId, query, find, view: viewTo(request.caller, owner) })
  })
}
