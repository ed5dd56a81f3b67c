import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import type { Jwk, Role } from '@belfry/contracts'
import { createTokenVerifier, type TokenVerifier, tokenAudience, tokenIssuer } from '@belfry/http'
import type { Clock } from '@belfry/service'
import { createSigner } from 'fast-jwt'

/** A signing key of auth-service, and the public half as auth-service publishes it. */
export interface TestKey {
  readonly kid: string
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
  readonly jwk: Jwk
}

export function createTestKey(kid = 'k1'): TestKey {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const { x = '' } = publicKey.export({ format: 'jwk' })
  return { kid, publicKey, privateKey, jwk: { kty: 'OKP', crv: 'Ed25519', x, kid, alg: 'EdDSA', use: 'sig' } }
}

/** The base64url text of a value, as a part of a JWT. */
export const encodePart = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** A JWT of any header and claims, even wrong ones, which no JWT library signs; signed with Ed25519. */
export function forgeToken(header: object, claims: unknown, key: KeyObject): string {
  const text = `${encodePart(header)}.${encodePart(claims)}`
  return `${text}.${sign(null, Buffer.from(text), key).toString('base64url')}`
}

/** The claims of a test's access token. */
export type TestClaims = Readonly<Record<string, unknown>> & { readonly sub: string; readonly roles: readonly Role[] }

/** Access tokens as auth-service signs them. */
export interface TestTokens {
  readonly key: TestKey
  /** Accepts the tokens of this key and no others. */
  readonly verifier: TokenVerifier
  /** The claims of a good token of that user; `more` replaces some of them. */
  claims(userId: string, roles: readonly Role[], more?: object): TestClaims
  token(userId: string, ...roles: Role[]): string
  /** The value of the header `Authorization`. */
  bearer(userId: string, ...roles: Role[]): string
}

/** `lifetimeS`: how long a token is good, seconds; a day unless given, so that tests which advance the clock keep theirs. */
export function createTestTokens(clock: Clock, { lifetimeS = 86_400 }: { lifetimeS?: number } = {}): TestTokens {
  const key = createTestKey()
  const pem = key.privateKey.export({ type: 'pkcs8', format: 'pem' })
  const signer = createSigner({ key: pem as string, algorithm: 'EdDSA', kid: key.kid })
  const claims: TestTokens['claims'] = (userId, roles, more = {}) => {
    const iat = Math.floor(clock.now() / 1000)
    const times = { iat, exp: iat + lifetimeS }
    return { iss: tokenIssuer, aud: tokenAudience, sub: userId, name: userId, roles, ...times, ...more }
  }
  const token: TestTokens['token'] = (userId, ...roles) => signer(claims(userId, roles) as Record<string, unknown>)
  return {
    key,
    verifier: createTokenVerifier({ clock, jwks: async () => [key.jwk] }),
    claims,
    token,
    bearer: (userId, ...roles) => `Bearer ${token(userId, ...roles)}`,
  }
}
