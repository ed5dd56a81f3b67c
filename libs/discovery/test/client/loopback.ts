import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { ServiceName } from '@belfry/contracts'
import { createManualClock, createMetrics } from '@belfry/service'
import { onTestFinished } from 'vitest'
import {
  type BalancerOptions,
  createBalancer,
  createStaticRegistry,
  type ServiceCallError,
  type UpstreamRequest,
} from '../../src/index.ts'

/** A server on loopback that is closed, with its connections, when the test ends. */
export async function listen(handler: RequestListener): Promise<{ server: Server; port: number }> {
  const server = createServer(handler)
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  onTestFinished(async () => {
    server.closeAllConnections()
    await new Promise((closed) => server.close(closed))
  })
  return { server, port: (server.address() as AddressInfo).port }
}

/** A port without a listener. */
export async function deadPort(): Promise<number> {
  const { server, port } = await listen(() => undefined)
  await new Promise((closed) => server.close(closed))
  return port
}

export const breaker = { timeoutMs: 3_000, errorPercent: 50, resetMs: 10_000 }

/** A balancer with a manual clock to instances of job-service on these ports. */
export async function balancerTo(ports: readonly number[], options: Partial<BalancerOptions> = {}) {
  const clock = createManualClock()
  const metricsRegistry = createMetrics()
  const registry = createStaticRegistry()
  const service: ServiceName = 'job-service'
  for (const port of ports) {
    await registry.register({ service, id: `${service}-127.0.0.1-${port}`, host: '127.0.0.1', port })
  }
  const metrics = metricsRegistry.forService('gateway')
  const balancer = createBalancer({ registry, clock, metrics, breaker, caller: 'gateway', ...options })
  onTestFinished(() => balancer.close())

  /** The status and body of an answer, or the code of what went wrong. */
  const call = (request: Partial<UpstreamRequest> = {}) =>
    new Promise<{ status: number; body: string } | ServiceCallError>((resolve) => {
      balancer.request(
        { origin: 'http://job-service', path: '/jobs', method: 'GET', ...request },
        (error, response) => {
          if (error) resolve(error as ServiceCallError)
          else if (response) void text(response.body).then((body) => resolve({ status: response.statusCode, body }))
        },
      )
    })
  const codeOf = async (request: Partial<UpstreamRequest> = {}) => {
    const outcome = await call(request)
    return 'code' in outcome ? outcome.code : outcome.status
  }
  return { clock, metricsRegistry, registry, balancer, call, codeOf }
}
