import { type HttpApp, mountMetrics } from '@belfry/http'
import type { Health, MetricsRegistry } from '@belfry/service'
import type { FastifyRequest } from 'fastify'

const route = { schema: { hide: true }, config: { access: 'public' } } as const

export interface CompatibilityRoutes {
  readonly health: Health
  readonly metricsRegistry: MetricsRegistry
  /** Whether a request may read the metrics. */
  readonly mayRead: (request: FastifyRequest) => boolean
}

/** Addresses of the systems before Belfry that lead to its docs, health and metrics (docs/guide/http-conventions.md). */
export function mountCompatibility(app: HttpApp, { health, metricsRegistry, mayRead }: CompatibilityRoutes): void {
  for (const url of ['/swagger-ui', '/swagger-ui/', '/swagger-ui.html', '/swagger-ui/index.html']) {
    app.get(url, route, (_request, reply) => reply.redirect('/docs'))
  }
  app.get('/actuator/health', route, async (_request, reply) => {
    const { ready } = await health.report(false)
    return reply.code(ready ? 200 : 503).send({ status: ready ? 'UP' : 'DOWN' })
  })
  for (const url of ['/actuator/metrics', '/actuator/prometheus']) mountMetrics(app, metricsRegistry, { mayRead, url })
}
