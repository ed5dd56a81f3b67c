import { type ServiceName, serviceNames } from '@belfry/contracts'
import type { Clock } from '@belfry/service'
import { createSigner, createVerifier } from 'fast-jwt'
import { z } from 'zod'

export interface ServiceTokensOptions {
  /** The key that all services share, at least 32 bytes; standalone makes a random one at every start. */
  key: string | Uint8Array
  clock: Clock
  /** How long a token is valid, milliseconds. */
  lifetimeMs?: number
  /** How far the clocks of two machines may be apart, milliseconds. */
  skewMs?: number
}

/** Tokens for the routes between services (`/internal/*`): JWT, HS256, valid for seconds. */
export interface ServiceTokens {
  /** A token for a call that `service` makes now. */
  sign(service: ServiceName): string
  /** The service that made the token; undefined when the token has another key, another audience, or is not valid now. */
  verify(token: string): ServiceName | undefined
}

const algorithm = 'HS256'
const audience = 'belfry-internal'

const claims = z.strictObject({
  sub: z.enum(serviceNames),
  aud: z.literal(audience),
  iat: z.int(),
  exp: z.int(),
})

const shortestKeyBytes = 32

/** Throws when the key is shorter than 32 bytes. */
export function createServiceTokens(options: ServiceTokensOptions): ServiceTokens {
  const { clock, lifetimeMs = 30_000, skewMs = 30_000 } = options
  const key = Buffer.from(options.key as Uint8Array)
  if (key.length < shortestKeyBytes) throw new Error(`the service key is shorter than ${shortestKeyBytes} bytes`)
  const signer = createSigner({ key, algorithm })
  // fast-jwt checks the signature with the one algorithm; the times are checked here against the injected clock.
  const verifier = createVerifier({ key, algorithms: [algorithm], ignoreExpiration: true, ignoreNotBefore: true })

  /** The claims of a token with a good signature; undefined for any other text. */
  const signedClaims = (token: string): unknown => {
    try {
      return verifier(token)
    } catch {
      return undefined
    }
  }

  return {
    sign(service) {
      const iat = Math.floor(clock.now() / 1000)
      return signer({ sub: service, aud: audience, iat, exp: iat + Math.ceil(lifetimeMs / 1000) })
    },
    verify(token) {
      const read = claims.safeParse(signedClaims(token))
      if (!read.success) return undefined
      const { sub, iat, exp } = read.data
      const now = clock.now()
      return now >= iat * 1000 - skewMs && now < exp * 1000 + skewMs ? sub : undefined
    },
  }
}
