import { bulkExecutionsBody, bulkExecutionsReply, isRefusal } from '@belfry/contracts'
import { type HttpApp, setItemCount } from '@belfry/http'
import { actInBulk } from '../use-cases/bulk-executions.ts'
import type { JobContext } from '../use-cases/context.ts'
import { bulkPageOf, readBulkCursor } from './bulk-jobs.ts'
import { positionsOf } from './list-pages.ts'
import { momentOf } from './query-times.ts'

/** `POST /executions/bulk`: many executions. */
export function mountBulkExecutions(app: HttpApp, context: JobContext): void {
  const { clock, stores } = context
  const position = positionsOf(stores.executions)
  const schema = {
    tags: ['executions'],
    operationId: 'actOnExecutions',
    summary: 'Retry or cancel the executions that fit a filter',
    description:
      'Takes up to 200 executions a call, newest fire time first; go on with `page.nextCursor` while `page.hasMore`. A retry makes one new execution of each, however often it is called. With `dryRun` nothing is done, and the answer says what would be.',
    body: bulkExecutionsBody,
    response: { 200: bulkExecutionsReply },
    problems: ['not-found'],
    examples: {
      dryRun: {
        summary: 'What would be retried of the last night',
        value: { action: 'retry', filter: { from: '-12h' }, dryRun: true },
      },
      retry: {
        summary: 'Retry what failed in the last night',
        value: { action: 'retry', filter: { status: ['FAILED'], from: '-12h' }, reason: 'The database is back.' },
      },
    },
  } as const
  app.post('/executions/bulk', { schema, config: { access: 'user' } }, async (request, reply) => {
    const { filter, cursor, reason, ...more } = request.body
    const after = readBulkCursor(cursor, position)
    if (isRefusal(after)) return reply.refuse(after)
    const page = await actInBulk(context, {
      ...{ ...more, caller: request.caller, after, reason },
      jobRef: filter.jobId ?? null,
      jobType: filter.jobType ?? null,
      statuses: filter.status ?? null,
      from: momentOf(filter.from, clock),
      to: momentOf(filter.to, clock),
    })
    if (isRefusal(page)) return reply.refuse(page)
    const { next, ...shown } = page
    if (!page.dryRun) setItemCount(reply, { items: page.results.length, areRuns: page.action === 'retry' })
    return reply.send({ ...shown, page: bulkPageOf(next) })
  })
}
