import {
  executionId,
  executionsQuery,
  executionView,
  isRefusal,
  pageOf,
  pageQuery,
  type Refusal,
  triggerBody,
} from '@belfry/contracts'
import type { HttpApp, WithIdempotency } from '@belfry/http'
import type { FastifyReply } from 'fastify'
import { z } from 'zod'
import type { Execution } from '../domain/execution.ts'
import { type Lists, noSuchExecution, type PageRequest, type Rows } from '../domain/lists.ts'
import type { ExecutionStore } from '../domain/ports.ts'
import type { TriggerUseCase } from '../domain/triggers.ts'
import type { ExecutionViews } from './execution-view.ts'
import { jobParams } from './jobs.ts'
import { answerRows, readPage } from './pages.ts'

export interface ExecutionRoutes {
  readonly lists: Lists
  readonly executions: ExecutionStore
  readonly view: ExecutionViews
  readonly trigger: TriggerUseCase
  readonly once: WithIdempotency
}

const tags = ['executions']
const reads = { access: 'viewer' } as const
const executionPlace = z.tuple([z.int().nonnegative(), z.int().nonnegative()])
const page = { 200: pageOf(executionView) }

/** Executions: triggers make them, lists and `/executions/:id` show them, `/dead-letters` those that failed. */
export function mountExecutions(app: HttpApp, { lists, executions, view, trigger, once }: ExecutionRoutes): void {
  const sendTo = (reply: FastifyReply) => (rows: Rows<Execution> | Refusal) =>
    isRefusal(rows) ? reply.refuse(rows) : reply.send(answerRows(reply, rows, view))

  /** One page of a list, or the refusal of its cursor. */
  const list = async (
    reply: FastifyReply,
    query: { limit: number; cursor?: string | undefined },
    find: (page: PageRequest) => Promise<Rows<Execution> | Refusal>,
  ) => {
    const asked = readPage(query, executionPlace)
    return sendTo(reply)(isRefusal(asked) ? asked : await find(asked))
  }

  const triggers = {
    tags,
    summary: 'Run a job now, once',
    params: jobParams,
    body: triggerBody,
    response: { 202: executionView },
  }
  app.post('/jobs/:id/trigger', { schema: triggers, config: { access: 'user' } }, (request, reply) =>
    once(request, reply, async (minted) => {
      const { params, reason } = request.body ?? {}
      const asked = { ownerId: request.caller.userId, ref: request.params.id, minted, params, reason }
      const execution = await trigger(asked)
      if (isRefusal(execution)) return execution
      const headers = { location: `/executions/${execution.id}` }
      return { status: 202, headers, body: view(execution) }
    }),
  )

  const ofJob = {
    tags,
    summary: "A job's executions, newest first",
    params: jobParams,
    querystring: executionsQuery,
    response: page,
  }
  app.get('/jobs/:id/executions', { schema: ofJob, config: reads }, (request, reply) => {
    const job = { ownerId: request.caller.userId, ref: request.params.id }
    return list(reply, request.query, (asked) => lists.listExecutionsOf(job, request.query, asked))
  })

  const all = { tags, summary: 'Executions, newest first', querystring: executionsQuery, response: page }
  app.get('/executions', { schema: all, config: reads }, (request, reply) => {
    const scope = { ownerId: request.caller.userId }
    return list(reply, request.query, (asked) => lists.listExecutions(scope, request.query, asked))
  })

  const one = {
    tags,
    summary: 'An execution, with every attempt',
    params: z.object({ id: executionId }),
    response: { 200: executionView },
  }
  app.get('/executions/:id', { schema: one, config: reads }, async (request, reply) => {
    const found = await executions.find(request.caller.userId, request.params.id)
    return found ? view(found) : reply.refuse(noSuchExecution)
  })

  const deadLetters = {
    tags,
    summary: 'Executions that failed for good, newest first',
    querystring: pageQuery,
    response: page,
  }
  app.get('/dead-letters', { schema: deadLetters, config: reads }, (request, reply) => {
    const scope = { ownerId: request.caller.userId, failed: true } as const
    return list(reply, request.query, (asked) => lists.listExecutions(scope, {}, asked))
  })
}
