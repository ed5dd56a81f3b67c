import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import type { Jwk } from '@belfry/contracts'
import { type Role, roles } from '@belfry/contracts'
import {
  createHealth,
  createLog,
  createManualClock,
  createMetrics,
  createSeededIds,
  type ManualClock,
  type ServiceDeps,
} from '@belfry/service'
import { createHttpApp, createServiceTokens, createTokenVerifier, type HttpAppOptions } from '../src/index.ts'

export const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** A key of auth-service, as tests make them. */
export function makeKey(kid: string) {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const { x = '' } = publicKey.export({ format: 'jwk' })
  const jwk: Jwk = { kty: 'OKP', crv: 'Ed25519', x, kid, alg: 'EdDSA', use: 'sig' }
  return { kid, publicKey, privateKey, jwk }
}
export type Key = ReturnType<typeof makeKey>

/** A JWT of any header and claims, signed with Ed25519. */
export function signToken(header: object, claims: unknown, key: KeyObject): string {
  const text = `${encode(header)}.${encode(claims)}`
  return `${text}.${sign(null, Buffer.from(text), key).toString('base64url')}`
}

export function claimsOf(clock: ManualClock, held: readonly Role[] = ['user'], more: object = {}) {
  const iat = Math.floor(clock.now() / 1000)
  return { sub: 'usr-1', name: 'ada', roles: held, iss: 'belfry', aud: 'belfry', iat, exp: iat + 900, ...more }
}

function makeDeps() {
  const clock = createManualClock()
  const lines: string[] = []
  const log = createLog({ service: 'test', destination: { write: (line: string) => void lines.push(line) } })
  const health = createHealth({ clock, log })
  const metricsRegistry = createMetrics()
  const deps: ServiceDeps & { clock: ManualClock } = {
    clock,
    log,
    health,
    metrics: metricsRegistry.forService('test'),
    ids: createSeededIds(1),
  }
  return { deps, clock, lines, metricsRegistry }
}

/** An app with the keys, clock and log that a test advances. */
export function makeWorld(options: Partial<HttpAppOptions> = {}) {
  const { deps, clock, lines, metricsRegistry } = makeDeps()
  const key = makeKey('k1')
  const published = { keys: [key.jwk] as readonly Jwk[], fails: false, fetches: 0 }
  const tokens = createTokenVerifier({
    clock,
    jwks: async () => {
      published.fetches += 1
      if (published.fails) throw new Error('auth-service is away')
      return published.keys
    },
  })
  const serviceTokens = createServiceTokens({ key: 'k'.repeat(32), clock })
  const app = createHttpApp({ service: 'job-service', deps, tokens, serviceTokens, ...options })
  const tokenFor = (...held: Role[]) =>
    signToken({ alg: 'EdDSA', typ: 'JWT', kid: key.kid }, claimsOf(clock, held), key.privateKey)
  const bearer = (...held: Role[]) => ({ authorization: `Bearer ${tokenFor(...held)}` })
  return { app, deps, clock, lines, metricsRegistry, key, published, tokens, serviceTokens, tokenFor, bearer, roles }
}
