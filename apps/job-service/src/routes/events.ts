import { type EventsQuery, eventsQuery, isRefusal, type Refusal } from '@belfry/contracts'
import type { EventStreams, HttpApp } from '@belfry/http'
import { z } from 'zod'
import { type EventScope, readEventId } from '../domain/events.ts'
import { type Caller, isOperator, scopeOf } from '../domain/reach.ts'
import type { JobContext } from '../use-cases/context.ts'
import { findJobOrTombstone } from '../use-cases/find-job.ts'
import { type FollowEventsOptions, followEvents } from '../use-cases/follow-events.ts'

/** What the caller may follow: the jobs of a scope, or one job, of which a viewer sees what comes while the job names it. */
export async function readScope(
  context: Pick<JobContext, 'stores'>,
  caller: Caller,
  { scope, jobId: ref }: EventsQuery,
): Promise<EventScope | Refusal> {
  const all = { ownerId: null, viewerId: null, jobId: null }
  const mine = { ...all, ownerId: caller.userId, viewerId: caller.userId }
  if (ref !== undefined) {
    const job = await findJobOrTombstone(context, caller, ref)
    if (isRefusal(job)) return job
    return isOperator(caller) ? { ...all, jobId: job.id } : { ...mine, jobId: job.id }
  }
  if (scope === 'mine') return mine
  const allowed = scopeOf(caller, scope)
  if (isRefusal(allowed) || allowed === 'all') return isRefusal(allowed) ? allowed : all
  return { ...all, ...allowed }
}

const eventTexts = {
  description: 'Server-sent events; their data is JSON.',
  content: { 'text/event-stream': { schema: z.string() } },
}

/** `GET /events`: the changes of jobs and executions as they happen. */
export function mountEvents(
  app: HttpApp,
  context: JobContext,
  { streams, ...options }: FollowEventsOptions & { readonly streams: EventStreams },
): void {
  const schema = {
    operationId: 'followEvents',
    tags: ['events'],
    summary: 'Changes of jobs and executions, as they happen',
    description:
      'A stream of server-sent events: `job` and `execution` with the newest state, `gap` where changes before cannot be read any more, and `end` with the reason. Each event has an id; a client that sends the last one as `Last-Event-ID` gets every later change once. A comment comes every 15 s.',
    querystring: eventsQuery,
    requestHeaders: ['last-event-id'],
    response: { 200: eventTexts },
    problems: ['too-many-requests'],
  } as const
  app.get('/events', { schema, config: { access: 'viewer' }, exposeHeadRoute: false }, async (request, reply) => {
    const scope = await readScope(context, request.caller, request.query)
    if (isRefusal(scope)) return reply.refuse(scope)
    const { position: newest, leave } = await options.hub.join()
    try {
      const stream = streams.open(request, reply)
      if (isRefusal(stream)) return reply.refuse(stream)
      const last = request.headers['last-event-id']
      const lastId = typeof last === 'string' ? readEventId(last) : undefined
      await followEvents(stream, { scope, lastId, newest }, options)
      return reply
    } finally {
      leave()
    }
  })
}
