import { bulkJobsReply, isRefusal, pauseJobsBody, type Refusal, refusal, resumeJobsBody } from '@belfry/contracts'
import { decodeCursor, encodeCursor, type HttpApp, setItemCount } from '@belfry/http'
import type { FastifyReply } from 'fastify'
import type { ListPosition } from '../store/ports.ts'
import { type BulkPage, pauseInBulk, resumeInBulk } from '../use-cases/bulk-jobs.ts'
import type { JobContext } from '../use-cases/context.ts'
import { positionsOf } from './list-pages.ts'

const tags = ['jobs']
const config = { access: 'user' } as const
const response = { 200: bulkJobsReply }

const badCursor = refusal('malformed-request', 'The cursor is not one that this call gave.', {
  errors: [{ pointer: '/cursor', code: 'bad-cursor', detail: 'is not a cursor of this call' }],
})

/** A position of the list that a bulk call walks; null without a cursor. */
export function readBulkCursor(
  cursor: string | undefined,
  position: ReturnType<typeof positionsOf>,
): ListPosition | null | Refusal {
  if (cursor === undefined) return null
  const after = decodeCursor(cursor, position)
  return isRefusal(after) ? badCursor : after
}

/** How far a bulk call has come. */
export function bulkPageOf(next: ListPosition | null) {
  return { nextCursor: next && encodeCursor(next), hasMore: next !== null }
}

/** `POST /jobs/pause` and `/jobs/resume`: many jobs of the caller. */
export function mountBulkJobs(app: HttpApp, context: JobContext): void {
  const position = positionsOf(context.stores.jobs)
  const answer = (reply: FastifyReply, page: BulkPage | Refusal) => {
    if (isRefusal(page)) return reply.refuse(page)
    const { next, ...shown } = page
    if (!page.dryRun) setItemCount(reply, { items: page.results.length, areRuns: false })
    return reply.send({ ...shown, page: bulkPageOf(next) })
  }

  const pause = {
    tags,
    operationId: 'pauseJobs',
    summary: 'Pause all your jobs, or those with a tag',
    description:
      'Changes up to 200 jobs a call, newest first; go on with `page.nextCursor` while `page.hasMore`. A job that was paused by a call of its own stays as it is. The same call again changes nothing more.',
    body: pauseJobsBody,
    response,
    problems: ['impossible'],
    examples: {
      tag: {
        summary: 'Jobs with a tag, until a moment',
        value: { tag: 'reports', until: '2099-01-01T09:00:00Z', reason: 'Deployment' },
      },
      dryRun: { summary: 'What a pause of all would change', value: { all: true, dryRun: true } },
    },
  } as const
  app.post('/jobs/pause', { schema: pause, config }, async (request, reply) => {
    const { tag = null, until = null, reason = null, dryRun, cursor } = request.body
    const after = readBulkCursor(cursor, position)
    if (isRefusal(after)) return reply.refuse(after)
    const call = { caller: request.caller, tag, dryRun, after }
    return answer(reply, await pauseInBulk(context, call, { until, reason }))
  })

  const resume = {
    tags,
    operationId: 'resumeJobs',
    summary: 'Resume all your jobs, or those with a tag, that a bulk pause has paused',
    description:
      'Changes up to 200 jobs a call, newest first; go on with `page.nextCursor` while `page.hasMore`. A job that was paused by a call of its own stays paused, unless `pausedBy` is `any`.',
    body: resumeJobsBody,
    response,
    examples: { tag: { summary: 'Jobs with a tag', value: { tag: 'reports' } } },
  } as const
  app.post('/jobs/resume', { schema: resume, config }, async (request, reply) => {
    const { tag = null, pausedBy, dryRun, cursor } = request.body
    const after = readBulkCursor(cursor, position)
    if (isRefusal(after)) return reply.refuse(after)
    return answer(reply, await resumeInBulk(context, { caller: request.caller, tag, dryRun, after }, pausedBy))
  })
}
