import { refusal } from '@belfry/contracts'
import type { MetricsRegistry } from '@belfry/service'
import type { FastifyRequest } from 'fastify'
import type { HttpApp } from './http-app.ts'

const elsewhere = refusal('not-found', 'There is nothing at this address.')

export interface MetricsRoute {
  readonly mayRead?: (request: FastifyRequest) => boolean
  readonly url?: string
}

/**
 * `/metrics`: what Prometheus reads. A request that may not read it gets the answer of an address that does not exist. Without
 * `mayRead` each caller may: an app that only other services reach.
 */
export function mountMetrics(
  app: HttpApp,
  { contentType, render }: MetricsRegistry,
  { mayRead = () => true, url = '/metrics' }: MetricsRoute = {},
): void {
  app.get(url, { schema: { hide: true }, config: { access: 'public' } }, async (request, reply) =>
    mayRead(request) ? reply.type(contentType).send(await render()) : reply.refuse(elsewhere),
  )
}
