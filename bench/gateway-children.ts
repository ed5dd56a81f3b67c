import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createBalancer, createRestClient, createStaticRegistry } from '@belfry/discovery'
import { createGateway, gatewayConfig } from '@belfry/gateway'
import { createIds, createSystemClock } from '@belfry/service'
import { createTestDeps, createTestTokens } from '@belfry/testkit'
import httpProxy from '@fastify/http-proxy'
import jwt from '@fastify/jwt'
import Fastify from 'fastify'
import CircuitBreaker from 'opossum'
import { raisedLimits } from '../proof/belfry-process.ts'

/** What a child says once it listens. */
export interface Ready {
  readonly port: number
  readonly token: string
}

const clock = createSystemClock()
const breaker = { timeoutMs: 3_000, errorPercent: 50, resetMs: 10_000 }
const { BELFRY_GATEWAY_USER_CALLS_PER_MINUTE: callsPerMinute } = raisedLimits

/** A service whose answer costs next to nothing: what is left is the gateway. */
async function serve(): Promise<Ready> {
  const body = JSON.stringify({ id: 'job-1', name: 'a job', status: 'SCHEDULED' })
  const headers = { 'content-type': 'application/json; charset=utf-8', 'content-length': Buffer.byteLength(body) }
  const server = createServer((_request, reply) => void reply.writeHead(200, headers).end(body))
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  return { port: (server.address() as AddressInfo).port, token: '' }
}

/** Our gateway as a process of its own, with all that it does for a call. */
async function gateway(port: number): Promise<Ready> {
  const { depsOf, metricsRegistry } = createTestDeps({ clock: clock as never })
  const registry = createStaticRegistry()
  await registry.register({ service: 'job-service', id: 'job-service-1', host: '127.0.0.1', port })
  // The ids of a real process: those of tests cost more.
  const deps = { ...depsOf('gateway'), ids: createIds() }
  const balancer = createBalancer({ registry, clock, metrics: deps.metrics, breaker, caller: 'gateway' })
  const tokens = createTestTokens(clock)
  const config = { ...gatewayConfig.parse({ gatewayUserCallsPerMinute: callsPerMinute }), port: 0 }
  const rest = createRestClient({ balancer, clock })
  const shared = { registry, balancer, rest, tokens: tokens.verifier, metricsRegistry, config }
  const address = await createGateway({ ...deps, ...shared }).start()
  return { port: Number(new URL(address).port), token: tokens.token('usr-1', 'user') }
}

/** The plain chain of the same packages: it verifies the token, passes the call on through a breaker, and does nothing else. */
async function chain(port: number, hasCache: boolean): Promise<Ready> {
  const tokens = createTestTokens(clock)
  const publicKey = tokens.key.publicKey.export({ type: 'spki', format: 'pem' }) as string
  const app = Fastify()
  app.register(jwt, { secret: { public: publicKey }, verify: { algorithms: ['EdDSA'], cache: hasCache } } as never)
  app.addHook('onRequest', async (request) => {
    await (request as unknown as { jwtVerify(): Promise<unknown> }).jwtVerify()
  })
  const circuit = new CircuitBreaker(async (isFailed: boolean) => {
    if (isFailed) throw new Error('failed')
  })
  app.addHook('onResponse', async (_request, reply) => {
    await circuit.fire(reply.statusCode >= 500).catch(() => undefined)
  })
  app.register(httpProxy as never, { upstream: `http://127.0.0.1:${port}` } as never)
  const address = await app.listen({ host: '127.0.0.1', port: 0 })
  return { port: Number(new URL(address).port), token: tokens.token('usr-1', 'user') }
}

const [kind, upstream] = process.argv.slice(2)
const port = Number(upstream)
const ready = await (kind === 'service'
  ? serve()
  : kind === 'gateway'
    ? gateway(port)
    : chain(port, kind === 'chain-cached'))
process.stdout.write(`${JSON.stringify(ready)}\n`)
