import type { Balancer } from '@belfry/discovery'
import { createHttpApp, type HttpApp } from '@belfry/http'
import type { MetricsRegistry } from '@belfry/service'
import { createServiceShell, type ServiceShell, type ServiceShellDeps } from '@belfry/shell'
import { compressAnswers } from './compression/compression.ts'
import type { GatewayConfig } from './config.ts'
import { createApiKeySwap } from './identity/api-keys.ts'
import { addressOfRequest } from './limits/client-address.ts'
import { limitConnections, limitPipelining } from './limits/connections.ts'
import { limitRates } from './limits/rate-limits.ts'
import { mountProxy } from './proxy/proxy.ts'
import { proxiedServices } from './proxy/route-table.ts'
import { mountCompatibility } from './routes/compatibility.ts'
import { mountDocs } from './routes/docs.ts'
import { mountLanding } from './routes/landing.ts'
import { createMetricsListener } from './routes/metrics-listener.ts'
import { mountOneTimePages } from './routes/one-time-pages.ts'
import { mountOpenapi } from './routes/openapi.ts'
import { mountProblems } from './routes/problems.ts'
import { mayReadMetrics, mountSystem } from './routes/system.ts'

export interface GatewayDeps extends Omit<ServiceShellDeps<never, GatewayConfig>, 'stores' | 'bus' | 'serviceTokens'> {
  /** The guarded way to the services, with the gateway as its caller. Closed by its maker; `rest` uses it too. */
  readonly balancer: Balancer
  /** Of the whole process: what `/metrics` shows. */
  readonly metricsRegistry: MetricsRegistry
}

/**
 * In one process with the services the gateway is ready when each of them is. As a process of its own it shows their state and
 * is ready without them: it answers 503 with Retry-After for a service that is away, and the calls of the others go on.
 */
function addReadiness({ health, rest, config }: GatewayDeps): void {
  for (const service of proxiedServices) {
    health.add(
      service,
      async () => {
        const path = '/readyz'
        const answer = await rest.request({ service, method: 'GET', path, deadlineMs: config.gatewayReadyTimeoutMs })
        if (answer.status !== 200) throw new Error(`${service} is not ready`)
      },
      { isAdvisory: config.mode === 'distributed' },
    )
  }
}

/** The app with what holds for every request, whichever route it is for. */
function createApp(deps: GatewayDeps): HttpApp {
  const { clock, log, rest, tokens, metrics, config } = deps
  const app = createHttpApp({
    ...{ service: 'gateway', deps, tokens, openapi: false, publicUrl: config.publicUrl },
    beforeAuthentication: (made) => limitPipelining(made, config.gatewayPipelinedRequests),
    swapApiKey: createApiKeySwap({ rest, clock, log, config }),
    cors: { origins: config.gatewayCorsOrigins ?? [], maxAgeS: config.gatewayCorsMaxAgeS },
    headersTimeoutMs: config.gatewayHeadersTimeoutMs,
    requestTimeoutMs: config.gatewayRequestTimeoutMs,
    connectionTimeoutMs: config.gatewayIdleTimeoutMs,
  })
  const mostOfAddress = config.gatewayTrustProxy ? null : config.gatewayConnectionsPerAddress
  limitConnections(app, { most: config.gatewayConnections, mostOfAddress }, metrics)
  compressAnswers(app, { minBytes: config.gatewayCompressMinBytes, mostAtWork: config.gatewayCompressionsAtWork })
  limitRates(app, config, clock)
  return app
}

export function createGateway(deps: GatewayDeps): ServiceShell {
  const { clock, log, registry, balancer, rest, metricsRegistry, config } = deps
  const app = createApp(deps)
  mountLanding(app)
  mountProblems(app)
  mountDocs(app, config.gatewayCompressMinBytes)
  mountOneTimePages(app)
  const openapi = { cacheMs: config.gatewayOpenapiCacheMs, minBytes: config.gatewayCompressMinBytes }
  mountOpenapi(app, { rest, clock, log, ...openapi })
  mountSystem(app, { registry, balancer, rest, metricsRegistry, clock, readyTimeoutMs: config.gatewayReadyTimeoutMs })
  mountCompatibility(app, { health: deps.health, metricsRegistry, mayRead: mayReadMetrics })
  mountProxy(app, balancer, (request) => addressOfRequest(request.raw, config.gatewayTrustProxy))
  addReadiness(deps)
  const listen = { host: config.host, port: config.port }
  const { gatewayMetricsPort: metricsPort } = config
  const parts = metricsPort === undefined ? [] : [createMetricsListener(config.host, metricsPort, metricsRegistry)]
  return createServiceShell({ service: 'gateway', deps, app, listen, parts })
}
