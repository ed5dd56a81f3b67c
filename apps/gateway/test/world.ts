import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import type { Role, ServiceName } from '@belfry/contracts'
import { createBalancer, createRestClient, createStaticRegistry } from '@belfry/discovery'
import { createTestDeps, createTestTokens } from '@belfry/testkit'
import { onTestFinished } from 'vitest'
import { createGateway, type GatewayConfig, gatewayConfig } from '../src/index.ts'

/** What a service saw of one request. */
export interface Seen {
  service: ServiceName
  method: string
  url: string
  headers: IncomingMessage['headers']
  body: string
}

const behind = ['auth-service', 'job-service', 'scheduler-service', 'executor-service'] as const
type Behind = (typeof behind)[number]

async function listen(handler: RequestListener): Promise<number> {
  const server = createServer(handler)
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  onTestFinished(async () => {
    server.closeAllConnections()
    await new Promise((closed) => server.close(closed))
  })
  return (server.address() as AddressInfo).port
}

/** Answers whatever comes with its own name, and writes down what it saw. */
function echo(service: Behind, seen: Seen[]) {
  return async (request: IncomingMessage, reply: ServerResponse) => {
    const body = Buffer.concat(await request.toArray()).toString()
    seen.push({ service, method: request.method ?? '', url: request.url ?? '', headers: request.headers, body })
    reply.writeHead(200, { 'content-type': 'application/json', 'x-answered-by': service })
    reply.end(JSON.stringify({ service }))
  }
}

export interface WorldOptions {
  /** What a service does instead of writing down and answering 200; null: no instance is registered. */
  services?: Partial<Record<Behind, RequestListener | null>>
  config?: Partial<GatewayConfig>
}

/** A gateway before four small services on loopback, with a clock, keys and a log that the test holds. */
export async function makeWorld({ services = {}, config: given = {} }: WorldOptions = {}) {
  const { clock, depsOf, lines, metricsRegistry } = createTestDeps({ logLevel: 'info' })
  const deps = depsOf('gateway')
  const registry = createStaticRegistry()
  const seen: Seen[] = []
  const ports = {} as Record<Behind, number>
  for (const service of behind) {
    const handler = services[service]
    if (handler === null) continue
    const port = await listen(handler ?? echo(service, seen))
    ports[service] = port
    await registry.register({ service, id: `${service}-127.0.0.1-${port}`, host: '127.0.0.1', port })
  }

  const config = { ...gatewayConfig.parse({}), port: 0, ...given }
  const breaker = { timeoutMs: config.breakerTimeoutMs, errorPercent: 50, resetMs: config.breakerResetMs }
  const balancer = createBalancer({ registry, clock, metrics: deps.metrics, breaker, caller: 'gateway' })
  const tokens = createTestTokens(clock, { lifetimeS: 900 })
  const rest = createRestClient({ balancer, clock })
  const shared = { registry, balancer, rest, tokens: tokens.verifier, metricsRegistry, config }
  const gateway = createGateway({ ...deps, ...shared })
  onTestFinished(async () => {
    await gateway.stop()
    balancer.close()
  })

  const claims = (held: readonly Role[] = ['user'], more: object = {}) => tokens.claims('usr-1', held, more)
  const bearerOf = (userId: string) => ({ authorization: tokens.bearer(userId, 'user') })
  const token = tokens.token('usr-1', 'user')
  const bearer = { authorization: `Bearer ${token}` }
  return {
    gateway,
    app: gateway.app,
    clock,
    lines,
    metricsRegistry,
    registry,
    balancer,
    seen,
    ports,
    key: tokens.key,
    claims,
    token,
    bearer,
    bearerOf,
  }
}
export type World = Awaited<ReturnType<typeof makeWorld>>

/** Sends bytes as they are, and reads until the other side closes or `until` is seen. */
export function sendRaw(address: string, bytes: string, until?: string): Promise<string> {
  const { hostname, port } = new URL(address)
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname)
    let text = ''
    socket.setEncoding('utf8')
    socket.on('data', (chunk) => {
      text += chunk
      if (until !== undefined && text.includes(until)) socket.destroy()
    })
    socket.on('close', () => resolve(text))
    socket.on('error', reject)
    socket.write(bytes)
  })
}
