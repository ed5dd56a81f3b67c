import {
  executionView,
  isRefusal,
  type Refusal,
  redriveBody,
  redriveReply,
  retryExecutionBody,
  triggerBody,
} from '@belfry/contracts'
import { type Answer, type HttpApp, setItemCount, type WithIdempotency } from '@belfry/http'
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
    operationId: 'triggerJob',
    tags,
    summary: 'Run a job now, once',
    description:
      'Makes an execution that starts at once, beside the schedule of the job. A paused job may be triggered, one that is cancelled may not. An `overlap` policy that the job sets itself counts for triggers too.',
    requestHeaders: ['idempotency-key'],
    answerHeaders: { 202: ['location', 'idempotency-replayed'] },
    problems: ['illegal-transition', 'impossible'],
    examples: {
      plain: { summary: 'With the params of the job', value: {} },
      reason: { summary: 'With a reason', value: { reason: 'The upstream data was late.' } },
    },
    params: jobParams,
    body: triggerBody,
    response: { 202: executionView },
  } as const
  app.post('/jobs/:id/trigger', { schema: trigger, config }, (request, reply) =>
    once(request, reply, async (minted) => {
      const asked = { caller: request.caller, ref: request.params.id, minted, ...request.body }
      return accepted(await triggerJob(context, asked))
    }),
  )

  const retry = {
    operationId: 'retryExecution',
    tags,
    summary: 'Run an execution that has ended again, as a new one',
    description:
      'Makes a new execution with `retryOf`, at the version that the job has now, with the params of the original. The original stays as it ended.',
    requestHeaders: ['idempotency-key'],
    answerHeaders: { 202: ['location', 'idempotency-replayed'] },
    problems: ['illegal-transition', 'impossible'],
    examples: {
      plain: { summary: 'With the params of the original', value: {} },
      reason: { summary: 'With a reason', value: { reason: 'The disk has room again.' } },
    },
    params: executionParams,
    body: retryExecutionBody,
    response: { 202: executionView },
  } as const
  app.post('/executions/:id/retry', { schema: retry, config }, (request, reply) =>
    once(request, reply, async (minted) => {
      const asked = { caller: request.caller, id: request.params.id, minted, ...request.body }
      const made = await retryExecution(context, asked)
      return isRefusal(made) ? made : accepted(made.execution, made.rights)
    }),
  )

  const cancel = {
    operationId: 'cancelExecution',
    tags,
    summary: 'Cancel an execution; a run that is at work is asked to stop',
    description:
      'Ends one execution for good, and leaves its job as it is. 200: it is cancelled. 202: it runs and is asked to stop; after a grace time it is ended. The call may be repeated.',
    problems: ['illegal-transition'],
    params: executionParams,
    response: { 200: executionView, 202: executionView },
  } as const
  app.post('/executions/:id/cancel', { schema: cancel, config }, async (request, reply) => {
    const cancelled = await cancelExecution(context, request.caller, request.params.id)
    if (isRefusal(cancelled)) return reply.refuse(cancelled)
    const { execution, rights } = cancelled
    return reply.code(execution.status === 'CANCELLED' ? 200 : 202).send(views.whole(execution, rights))
  })

  const redriven = {
    operationId: 'redriveDeadLetters',
    tags,
    summary: 'Run dead letters again, each once, as new executions',
    description:
      'Takes ids or a filter, at most 1,000 in one call, and answers a result for each. A dead letter is run again once, however often and from wherever it is called. With `dryRun` nothing is run.',
    problems: ['not-found', 'impossible'],
    examples: {
      dryRun: { summary: 'What would be run again of all', value: { filter: {}, dryRun: true } },
      all: {
        summary: 'All dead letters, 100 at most',
        value: { filter: {}, limit: 100, reason: 'The bug is mended.' },
      },
    },
    body: redriveBody,
    response: { 200: redriveReply },
  } as const
  app.post('/dead-letters/redrive', { schema: redriven, config }, async (request, reply) => {
    const answer = await redrive(context, request.caller, request.body)
    if (isRefusal(answer)) return reply.refuse(answer)
    if (!answer.dryRun) setItemCount(reply, { items: answer.results.length, areRuns: true })
    return reply.send(answer)
  })
}
