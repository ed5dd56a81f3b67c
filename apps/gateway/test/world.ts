import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import type { Jwk, Role, ServiceName } from '@belfry/contracts'
import { createBalancer, createRestClient, createStaticRegistry } from '@belfry/discovery'
import { createTokenVerifier } from '@belfry/http'
import { createHealth, createLog, createManualClock, createMetrics, createSeededIds } from '@belfry/service'
import { onTestFinished } from 'vitest'
import { createGateway, type GatewayConfig, gatewayConfig } from '../src/index.ts'

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** A JWT of any header and claims, signed with Ed25519. */
export function signToken(header: object, claims: unknown, key: KeyObject): string {
  const text = `${encode(header)}.${encode(claims)}`
  return `${text}.${sign(null, Buffer.from(text), key).toString('base64url')}`
}

export function makeKey(kid: string) {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const { x = '' } = publicKey.export({ format: 'jwk' })
  const jwk: Jwk = { kty: 'OKP', crv: 'Ed25519', x, kid, alg: 'EdDSA', use: 'sig' }
  return { kid, privateKey, publicKey, jwk }
}

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
  /** What a service does instead of writing down and answering 200; null: nobody has registered. */
  services?: Partial<Record<Behind, RequestListener | null>>
  config?: Partial<GatewayConfig>
}

/** A gateway before four small services on loopback, with a clock, keys and a log that the test holds. */
export async function makeWorld({ services = {}, config: given = {} }: WorldOptions = {}) {
  const clock = createManualClock()
  const lines: string[] = []
  const log = createLog({ service: 'gateway', destination: { write: (line: string) => void lines.push(line) } })
  const metricsRegistry = createMetrics()
  const metrics = metricsRegistry.forService('gateway')
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
  const balancer = createBalancer({ registry, clock, metrics, breaker, caller: 'gateway' })
  const key = makeKey('k1')
  const tokens = createTokenVerifier({ clock, jwks: async () => [key.jwk] })
  const health = createHealth({ clock, log })
  const rest = createRestClient({ balancer, clock })
  const ids = createSeededIds(1)
  const gateway = createGateway({
    clock,
    log,
    metrics,
    health,
    ids,
    registry,
    balancer,
    rest,
    tokens,
    metricsRegistry,
    config,
  })
  onTestFinished(async () => {
    await gateway.stop()
    balancer.close()
  })

  const claims = (held: readonly Role[] = ['user'], more: object = {}) => {
    const iat = Math.floor(clock.now() / 1000)
    return { sub: 'usr-1', name: 'ada', roles: held, iss: 'belfry', aud: 'belfry', iat, exp: iat + 900, ...more }
  }
  const bearerOf = (userId: string) => {
    const about = claims(['user'], { sub: userId })
    return { authorization: `Bearer ${signToken({ alg: 'EdDSA', typ: 'JWT', kid: key.kid }, about, key.privateKey)}` }
  }
  const token = signToken({ alg: 'EdDSA', typ: 'JWT', kid: key.kid }, claims(), key.privateKey)
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
    key,
    claims,
    token,
    bearer,
    bearerOf,
  }
}
export type World = Awaited<ReturnType<typeof makeWorld>>

/** Sends bytes as they are, and reads until the other side closes or `until` is seen. */
export function exchange(address: string, bytes: string, until?: string): Promise<string> {
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
