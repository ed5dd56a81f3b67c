import {
  batchItems,
  isRefusal,
  jobBatchReply,
  mostBatchBytes,
  paramsSize,
  problems,
  type Refusal,
  triggerBatchReply,
  triggerItem,
} from '@belfry/contracts'
import { type Answer, checkBody, type HttpApp, problemOf, setItemCount, type WithIdempotency } from '@belfry/http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { refusalOfItem } from '../domain/batch.ts'
import type { WholeExecution } from '../domain/execution.ts'
import { ownersRights } from '../domain/reach.ts'
import type { JobContext } from '../use-cases/context.ts'
import { createJobs } from '../use-cases/create-jobs.ts'
import { triggerJobs } from '../use-cases/trigger-jobs.ts'
import type { ExecutionViews } from './execution-view.ts'
import { createBody } from './job-bodies.ts'
import type { JobViews } from './job-view.ts'

export interface BatchRoutes {
  readonly context: JobContext
  readonly views: JobViews
  readonly executionViews: ExecutionViews
  readonly once: WithIdempotency
}

const config = { access: 'user' } as const

/** RFC 7240: the client needs the ids alone. */
const isMinimal = ({ headers }: FastifyRequest) => /(?:^|[,\s])return=minimal(?:[,;\s]|$)/.test(String(headers.prefer))

/** The items are described, and each is checked on its own: one that does not fit leaves the others alone. */
function itemsLike(schema: z.ZodType, description: string) {
  const { $schema: _dialect, ...items } = z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
    target: 'draft-2020-12',
  })
  return batchItems.meta({ description, items })
}

const createItems = itemsLike(
  createBody,
  'The jobs, 1 to 1,000 of them, in at most 4 MiB; each as POST /jobs takes it.',
)
const triggerItems = itemsLike(triggerItem, 'The triggers, 1 to 1,000 of them, in at most 4 MiB.')

interface ShownResults<T> {
  readonly results: readonly (T | Refusal)[]
  readonly status: number
  /** Names the items that took effect. */
  readonly made: string
  /** Names the shown value. */
  readonly name: string
  readonly view: (value: T) => unknown
}

/** `POST /jobs/batch` and `POST /triggers/batch`. */
export function mountBatches(app: HttpApp, { context, views, executionViews, once }: BatchRoutes): void {
  /** The answer as text: an object of a thousand views would only be walked through once more. */
  const answer = async <T extends { readonly id: string }>(
    request: FastifyRequest,
    { results, status, made, name, view }: ShownResults<T>,
  ): Promise<Answer> => {
    const minimal = isMinimal(request)
    let refused = 0
    let isOpen = false
    const textOf = (result: T | Refusal, index: number): string => {
      if (isRefusal(result)) {
        refused += 1
        isOpen ||= problems[result.code].retryable
        const shown = problemOf(refusalOfItem(result, index), request.id)
        return `{"status":${problems[result.code].status},"problem":${JSON.stringify(shown)}}`
      }
      if (minimal) return `{"status":${status},"id":"${result.id}"}`
      return `{"status":${status},"${name}":${JSON.stringify(view(result))}}`
    }
    const texts = await context.slices.each(results, (slice, from) =>
      slice.map((one, index) => textOf(one, from + index)).join(','),
    )
    const counts = `{"${made}":${results.length - refused},"refused":${refused}}`
    const headers = { ...(minimal && { 'preference-applied': 'return=minimal' }) }
    return { status: 200, headers, isOpen, text: `{"counts":${counts},"results":[${texts.join(',')}]}` }
  }

  /** A replayed answer counts as one call, so the header is no part of what is stored. */
  const count = (reply: FastifyReply, { length }: readonly unknown[], areRuns: boolean) =>
    setItemCount(reply, { items: length, areRuns })

  const create = {
    tags: ['jobs'],
    operationId: 'createJobs',
    summary: 'Create up to 1,000 jobs, each on its own',
    description:
      'Answers 200 with a result for each item, in their order: status 201 with the job, or the status and the problem with which POST /jobs refuses the item; the pointers of a problem begin with the index of its item, as in /3/schedule. "Prefer: return=minimal" gives the ids alone. An Idempotency-Key counts for the whole batch: the same call again makes nothing twice, and tries again what was refused with 429 or 503. Each item counts as a call of the rate limit.',
    requestHeaders: ['idempotency-key', 'prefer'],
    answerHeaders: { 200: ['idempotency-replayed'] },
    problems: ['too-many-requests'],
    examples: {
      two: {
        summary: 'A job for later and one without a schedule',
        value: [
          { name: 'In a minute', jobType: 'DUMMY', delay: '1m' },
          { name: 'On demand', jobType: 'DUMMY' },
        ],
      },
    },
    body: createItems,
    response: { 200: jobBatchReply },
  } as const
  app.post('/jobs/batch', { schema: create, config, bodyLimit: mostBatchBytes }, (request, reply) =>
    once(request, reply, async (minted) => {
      const { body: items, caller } = request
      count(reply, items, false)
      const check = (item: unknown) => checkBody(createBody, item)
      const results = await createJobs(context, { ownerId: caller.userId, minted, items, check })
      if (isRefusal(results)) return results
      return answer(request, { results, status: 201, made: 'created', name: 'job', view: views.of(caller).job })
    }),
  )

  const trigger = {
    tags: ['executions'],
    operationId: 'triggerJobs',
    summary: 'Run up to 1,000 jobs now, once each',
    description:
      'Answers 200 with a result for each item, in their order: status 202 with the execution, or the status and the problem with which POST /jobs/{id}/trigger refuses the item; the pointers of a problem begin with the index of its item, as in /3/params. "Prefer: return=minimal" gives the ids alone. An Idempotency-Key counts for the whole batch: the same call again makes nothing twice, and tries again what was refused with 429 or 503. Each item counts as a trigger of the rate limit. Once the params that are shown take up 4 MiB, the results after them show none.',
    requestHeaders: ['idempotency-key', 'prefer'],
    answerHeaders: { 200: ['idempotency-replayed'] },
    problems: ['too-many-requests'],
    examples: {
      key: { summary: 'A job by its key, with a reason', value: [{ key: 'nightly', reason: 'The data was late.' }] },
    },
    body: triggerItems,
    response: { 200: triggerBatchReply },
  } as const
  app.post('/triggers/batch', { schema: trigger, config, bodyLimit: mostBatchBytes }, (request, reply) =>
    once(request, reply, async (minted) => {
      const { body: items, caller } = request
      count(reply, items, true)
      const check = (item: unknown) => checkBody(triggerItem, item)
      const results = await triggerJobs(context, { caller, minted, items, check })
      if (isRefusal(results)) return results
      let bytes = 0
      const view = ({ params, ...execution }: WholeExecution) => {
        bytes += paramsSize(params)
        return executionViews.listed({ ...execution, ...(bytes <= mostBatchBytes && { params }) }, ownersRights)
      }
      return answer(request, { results, status: 202, made: 'triggered', name: 'execution', view })
    }),
  )
}
