import {
  executionView,
  isRefusal,
  type Refusal,
  redriveBody,
  redriveReply,
  retryExecutionBody,
  triggerBody,
} from '@belfry/contracts'
import type { Answer, HttpApp, WithIdempotency } from '@belfry/http'
import type { WholeExecution } from '../domain/execution.ts'
import { ownersRights } from '../domain/reach.ts'
import { cancelExecution } from '../use-cases/cancel-execution.ts'
import type { JobContext } from '../use-cases/context.ts'
import { redrive } from '../use-cases/redrive.ts'
import { retryExecution } from '../use-cases/retry-execution.ts'
import { triggerJob } from '../use-cases/trigger-job.ts'
import type { ExecutionViews } from './execution-view.ts'
import { executionParams } from './executions.ts'
import { jobParams } from './jobs.ts'

export interface ExecutionOperations {
  readonly context: JobContext
  readonly views: ExecutionViews
  readonly once: WithIdempotency
}

const tags = ['executions']
const config = { access: 'user' } as const

/** The calls that make executions or end them: trigger, retry, redrive, cancel. */
export function mountExecutionOperations(app: HttpApp, { context, views, once }: ExecutionOperations): void {
  const accepted = (execution: WholeExecution | Refusal, rights = ownersRights): Answer | Refusal =>
    isRefusal(execution)
      ? execution
      : { status: 202, headers: { location: `/executions/${execution.id}` }, body: views.whole(execution, rights) }

  const trigger = {
    tags,
    summary: 'Run a job now, once',
    params: jobParams,
    body: triggerBody,
    response: { 202: executionView },
  }
  app.post('/jobs/:id/trigger', { schema: trigger, config }, (request, reply) =>
    once(request, reply, async (minted) => {
      const asked = { caller: request.caller, ref: request.params.id, minted, ...request.body }
      return accepted(await triggerJob(context, asked))
    }),
  )

  const retry = {
    tags,
    summary: 'Run an execution that has ended again, as a new one',
    params: executionParams,
    body: retryExecutionBody,
    response: { 202: executionView },
  }
  app.post('/executions/:id/retry', { schema: retry, config }, (request, reply) =>
    once(request, reply, async (minted) => {
      const asked = { caller: request.caller, id: request.params.id, minted, ...request.body }
      const made = await retryExecution(context, asked)
      return isRefusal(made) ? made : accepted(made.execution, made.rights)
    }),
  )

  const cancel = {
    tags,
    summary: 'Cancel an execution; a run that is at work is asked to stop',
    params: executionParams,
    response: { 200: executionView, 202: executionView },
  }
  app.post('/executions/:id/cancel', { schema: cancel, config }, async (request, reply) => {
    const cancelled = await cancelExecution(context, request.caller, request.params.id)
    if (isRefusal(cancelled)) return reply.refuse(cancelled)
    const { execution, rights } = cancelled
    return reply.code(execution.status === 'CANCELLED' ? 200 : 202).send(views.whole(execution, rights))
  })

  const redriven = {
    tags,
    summary: 'Run dead letters again, each once, as new executions',
    body: redriveBody,
    response: { 200: redriveReply },
  }
  app.post('/dead-letters/redrive', { schema: redriven, config }, async (request, reply) => {
    const answer = await redrive(context, request.caller, request.body)
    return isRefusal(answer) ? reply.refuse(answer) : reply.send(answer)
  })
}
