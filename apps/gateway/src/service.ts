import { type Balancer, createListener, type Registry, type RestClient } from '@belfry/discovery'
import { createHttpApp, type HttpApp, type TokenVerifier } from '@belfry/http'
import { createLifecycle, type MetricsRegistry, type ServiceDeps } from '@belfry/service'
import type { GatewayConfig } from './config.ts'
import { limitRates } from './limits/rate-limits.ts'
import { mountProxy } from './proxy/proxy.ts'
import { proxiedServices } from './proxy/route-table.ts'
import { mountDocs } from './routes/docs.ts'
import { mountLanding } from './routes/landing.ts'
import { mountOpenapi } from './routes/openapi.ts'
import { mountProblems } from './routes/problems.ts'
import { mountSystem } from './routes/system.ts'

export interface GatewayDeps extends ServiceDeps {
  registry: Registry
  /** The guarded way to the services, with the gateway as its caller. Closed by its maker. */
  balancer: Balancer
  /** Calls of the gateway's own, over the same balancer. */
  rest: RestClient
  tokens: TokenVerifier
  /** Of the whole process: what `/metrics` shows. */
  metricsRegistry: MetricsRegistry
  config: GatewayConfig
}

/** The one listener. `start` listens and answers the address (`http://127.0.0.1:8080`); `stop` may be called twice. */
export interface Gateway {
  readonly app: HttpApp
  start(): Promise<string>
  stop(): Promise<void>
}

/** The gateway is ready when every service behind it says that it is. */
function addReadiness({ health, rest, config }: GatewayDeps): void {
  for (const service of proxiedServices) {
    health.add(service, async () => {
      const path = '/readyz'
      const answer = await rest.request({ service, method: 'GET', path, deadlineMs: config.gatewayReadyTimeoutMs })
      if (answer.status !== 200) throw new Error(`${service} is not ready`)
    })
  }
}

export function createGateway(deps: GatewayDeps): Gateway {
  const { clock, log, health, registry, balancer, rest, tokens, metricsRegistry, config } = deps
  const app = createHttpApp({ service: 'gateway', deps, tokens, openapi: false, publicUrl: config.publicUrl })
  limitRates(app, config, clock)
  mountLanding(app)
  mountProblems(app)
  mountDocs(app)
  mountOpenapi(app, { rest, clock, log, cacheMs: config.gatewayOpenapiCacheMs })
  mountSystem(app, { registry, balancer, rest, metricsRegistry, clock, readyTimeoutMs: config.gatewayReadyTimeoutMs })
  mountProxy(app, balancer)
  addReadiness(deps)
  const listener = createListener({ service: 'gateway', app, host: config.host, port: config.port, registry, health })
  const life = createLifecycle([listener])

  return {
    app,
    async start() {
      await life.start()
      return listener.address()
    },
    stop: life.stop,
  }
}
