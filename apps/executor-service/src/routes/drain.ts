import { drainBody, drainView, refusal, toWireTime } from '@belfry/contracts'
import type { HttpApp } from '@belfry/http'
import type { Clock, Logger } from '@belfry/service'
import type { Drain } from '../drain/drain.ts'

export interface DrainRoutes {
  readonly drain: Drain
  readonly clock: Clock
  readonly log: Logger
  /** How long another executor may take to notice, milliseconds. */
  readonly noticedMs: number
}

const tags = ['system']
const response = { 200: drainView }

const inThePast = refusal('impossible', 'The drain would be over already.', {
  errors: [{ pointer: '/until', code: 'in-the-past', detail: 'must lie in the future' }],
})

/** `/system/drain` and `/system/resume`: an operator stops all new starts, for example during an upgrade. */
export function mountDrain(app: HttpApp, { drain, clock, log, noticedMs }: DrainRoutes): void {
  const view = () => {
    const until = drain.until()
    return { isDrained: until !== undefined, until: toWireTime(until ?? null), noticedWithinMs: noticedMs }
  }

  const read = {
    tags,
    operationId: 'readDrain',
    summary: 'Whether the system is drained',
    description: 'While it is, no execution of any user starts. What runs goes on, and everything else works.',
    response,
  }
  app.get('/system/drain', { schema: read, config: { access: 'viewer' } }, () => view())

  const begin = {
    tags,
    operationId: 'drainSystem',
    summary: 'Let no execution of any user start',
    description:
      'Runs that are at work go on to their end. Jobs, triggers and changes are taken as before; what becomes due waits, and starts when the drain is over, or expires. Survives a restart. The same call again replaces the end.',
    body: drainBody,
    response,
    problems: ['impossible'],
    examples: {
      until: { summary: 'During an upgrade', value: { until: '2099-01-01T09:00:00Z', reason: 'Upgrade' } },
    },
  } as const
  app.post('/system/drain', { schema: begin, config: { access: 'operator' } }, async (request, reply) => {
    const { until = null, reason = null } = request.body ?? {}
    if (until !== null && until <= clock.now()) return reply.refuse(inThePast)
    await drain.set(until)
    log.warn({ userId: request.caller.userId, reason, until: toWireTime(until) }, 'an operator has drained the system')
    return reply.send(view())
  })

  const end = {
    tags,
    operationId: 'resumeSystem',
    summary: 'End the drain: executions start again',
    description: 'What has become due meanwhile starts at once. Without a drain the call changes nothing.',
    response,
  }
  app.post('/system/resume', { schema: end, config: { access: 'operator' } }, async (request) => {
    await drain.set(undefined)
    log.warn({ userId: request.caller.userId }, 'an operator has ended the drain')
    return view()
  })
}
