import {
  deadLettersQuery,
  executionId,
  executionsQuery,
  executionView,
  listedExecutionView,
  pageOf,
} from '@belfry/contracts'
import type { HttpApp } from '@belfry/http'
import { z } from 'zod'
import type { JobContext } from '../use-cases/context.ts'
import { listExecutions, listExecutionsOfJob } from '../use-cases/list-executions.ts'
import { noSuchExecution } from '../use-cases/retry-execution.ts'
import type { PageRequest } from '../use-cases/scan-list.ts'
import type { ExecutionViews } from './execution-view.ts'
import { jobParams } from './jobs.ts'
import { type ListPages, positionsOf } from './list-pages.ts'

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

/** Lists of executions, `/executions/:id`, and `/dead-letters`. */
export function mountExecutions(app: HttpApp, { context, views, pages }: ExecutionRoutes): void {
  const { executions } = context.stores
  const shown = { position: positionsOf(executions), view: views.listed }

  const ofJob = {
    operationId: 'listJobExecutions',
    tags,
    summary: "A job's executions, newest first",
    description: 'The executions of one job, also of one that is cancelled or deleted, until retention.',
    answerHeaders: { 200: ['link'] },
    params: jobParams,
    querystring: executionsQuery,
    response: page,
  } as const
  app.get('/jobs/:id/executions', { schema: ofJob, config: reads }, (request, reply) => {
    const { query } = request
    const { userId } = request.caller
    const job = { ownerId: userId, ref: request.params.id }
    return pages.answer(reply, {
      ...shown,
      userId,
      query,
      find: (asked) => listExecutionsOfJob(context, job, query, asked),
    })
  })

  const all = {
    operationId: 'listExecutions',
    tags,
    summary: 'Executions, newest first',
    description:
      'The executions of all your jobs. A page of a filtered list may be empty although more follows: go on while `hasMore` is true.',
    answerHeaders: { 200: ['link'] },
    querystring: executionsQuery,
    response: page,
  } as const
  app.get('/executions', { schema: all, config: reads }, (request, reply) => {
    const { query } = request
    const { userId } = request.caller
    const find = (asked: PageRequest) => listExecutions(context, { ownerId: userId }, query, asked)
    return pages.answer(reply, { ...shown, userId, query, find })
  })

  const one = {
    operationId: 'getExecution',
    tags,
    summary: 'An execution, with every attempt',
    description: 'What ran, when and how often, what came of it, and when each step on the way was taken.',
    params: executionParams,
    response: { 200: executionView },
  }
  app.get('/executions/:id', { schema: one, config: reads }, async (request, reply) => {
    const found = await executions.find(request.caller.userId, request.params.id)
    return found ? views.whole(found) : reply.refuse(noSuchExecution)
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
    const scope = { ownerId: userId, failed: true } as const
    return pages.answer(reply, { ...shown, userId, query, find: (asked) => listExecutions(context, scope, {}, asked) })
  })
}
