import { createPublicKey, hash } from 'node:crypto'
import { type Jwk, jwkSet, tolerant } from '@belfry/contracts'
import type { Clock } from '@belfry/service'
import { LRUCache } from 'lru-cache'
import { type Caller, callerOf, type Expired, type Known } from './caller.ts'

/** A newer auth-service may answer with more. */
const keySet = tolerant(jwkSet)

/** The keys of a JWKS as auth-service answers it (`GET /auth/.well-known/jwks.json`). Throws when it is none. */
export function readJwks(body: unknown): Jwk[] {
  return keySet.parse(body).keys
}

/** `iss` and `aud` of every access token. */
export const tokenIssuer = 'belfry'
export const tokenAudience = 'belfry'

export interface TokenVerifierOptions {
  /** Fetches the published keys from auth-service. */
  jwks: () => Promise<readonly Jwk[]>
  clock: Clock
  /** How far the clocks of two machines may be apart, milliseconds. */
  skewMs?: number
  /** Shortest time between two fetches of the keys, milliseconds. */
  refetchMs?: number
  /** The same after a fetch that failed, milliseconds: auth-service may just be starting. */
  retryMs?: number
  /** Verified tokens that are remembered; beyond it the one that was used least recently is forgotten. */
  cacheLimit?: number
}

/**
 * Knows the keys and remembers the tokens that were verified; the signature itself is checked by @fastify/jwt in the app
 * (`authenticate.ts`). Remembering counts: a check of EdDSA costs about 100 µs, a look-up 2.
 */
export interface TokenVerifier {
  /** The caller of a token that was verified before, is still valid, and whose keys have not changed. */
  recall(token: string): Caller | undefined
  /** The key of that id as PEM; fetches the keys again when it is unknown. Undefined: there is no such key. */
  keyOf(kid: string): Promise<string | undefined>
  /** Checks the claims of a token whose signature is good, and remembers it. Undefined: they do not hold now. */
  accept(token: string, claims: unknown): Caller | Expired | undefined
  /** A readiness check: resolves once the keys are known; rejects with a `KeysUnavailable`. */
  check(): Promise<void>
}

/** The keys are not known, and auth-service cannot be asked: no token can be verified. */
export class KeysUnavailable extends Error {
  constructor(options?: ErrorOptions) {
    super('the keys of auth-service cannot be fetched', options)
    this.name = 'KeysUnavailable'
  }
}

/** Keys beyond this many are not taken: two are active while they rotate. */
const mostKeys = 8

function pemOf(jwk: Jwk): string | undefined {
  if (jwk.kty !== 'OKP' || jwk.crv !== 'Ed25519' || jwk.alg !== 'EdDSA' || typeof jwk.kid !== 'string') return undefined
  const key = createPublicKey({ key: { kty: jwk.kty, crv: jwk.crv, x: jwk.x }, format: 'jwk' })
  return key.export({ type: 'spki', format: 'pem' }) as string
}

function pemsOf(jwks: readonly Jwk[]): Map<string, string> {
  const pems = new Map<string, string>()
  for (const jwk of jwks.slice(0, mostKeys)) {
    const pem = pemOf(jwk)
    if (pem !== undefined) pems.set(jwk.kid, pem)
  }
  return pems
}

function sameKeys(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && [...a].every(([kid, pem]) => b.get(kid) === pem)
}

const hashOf = (token: string) => hash('sha256', token, 'base64')

/** One for a process: services in one process share what it remembers. */
export function createTokenVerifier(options: TokenVerifierOptions): TokenVerifier {
  const { jwks, clock, skewMs = 30_000, refetchMs = 10_000, retryMs = 1_000, cacheLimit = 10_000 } = options
  const remembered = new LRUCache<string, Known>({ max: cacheLimit })
  let keys = new Map<string, string>()
  let fetching: Promise<void> | undefined
  let fetchedAt = Number.NEGATIVE_INFINITY
  let failure: KeysUnavailable | undefined = new KeysUnavailable()

  const fetchKeys = async () => {
    fetchedAt = clock.monotonic()
    try {
      // Begins in a later turn, so that `fetching` is set before it can end.
      const fetched = pemsOf(await Promise.resolve().then(jwks))
      if (!sameKeys(keys, fetched)) remembered.clear()
      keys = fetched
      failure = undefined
    } catch (cause) {
      failure = new KeysUnavailable({ cause })
    } finally {
      fetching = undefined
    }
  }

  /** One fetch at a time, and one in `refetchMs` (`retryMs` after a failure): made-up key ids cannot drive auth-service. */
  const refresh = (): Promise<void> => {
    if (fetching) return fetching
    if (clock.monotonic() - fetchedAt < (failure ? retryMs : refetchMs)) return Promise.resolve()
    fetching = fetchKeys()
    return fetching
  }

  return {
    recall(token) {
      const found = remembered.get(hashOf(token))
      return found && clock.now() < found.until ? found.caller : undefined
    },
    async keyOf(kid) {
      const known = keys.get(kid)
      if (known !== undefined) return known
      await refresh()
      const found = keys.get(kid)
      if (found === undefined && failure) throw failure
      return found
    },
    accept(token, claims) {
      const known = callerOf(claims, clock.now(), skewMs)
      if (!known || 'expiredAt' in known) return known
      remembered.set(hashOf(token), known)
      return known.caller
    },
    async check() {
      if (keys.size > 0) return
      await refresh()
      if (failure) throw failure
    },
  }
}
