import { createHmac, timingSafeEqual } from 'node:crypto'
import { type ServiceName, serviceNames } from '@belfry/contracts'
import type { Clock } from '@belfry/service'
import { z } from 'zod'

export interface ServiceTokensOptions {
  /** The key that all services share, at least 32 bytes; standalone makes a random one at every start. */
  key: string | Uint8Array
  clock: Clock
  /** How long a token is good, milliseconds. */
  lifetimeMs?: number
  /** How far the clocks of two machines may be apart, milliseconds. */
  skewMs?: number
}

/** Tokens for the routes between services (`/internal/*`): JWT, HS256, good for seconds. */
export interface ServiceTokens {
  /** A token for a call that `service` makes now. */
  sign(service: ServiceName): string
  /** Which service made the token; undefined when it is not ours, not for this, or over. */
  verify(token: string): ServiceName | undefined
}

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** The one header there is, compared as text: no other algorithm can be asked for. */
const header = encode({ alg: 'HS256', typ: 'JWT' })
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
  const sealOf = (text: string) => createHmac('sha256', key).update(text).digest('base64url')

  const isSealed = (text: string, seal: string) => {
    const expected = Buffer.from(sealOf(text))
    const given = Buffer.from(seal)
    return expected.length === given.length && timingSafeEqual(expected, given)
  }

  const serviceOf = (payload: string): ServiceName | undefined => {
    const read = claims.safeParse(JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')))
    if (!read.success) return undefined
    const { sub, iat, exp } = read.data
    const now = clock.now()
    const isGood = now >= iat * 1000 - skewMs && now < exp * 1000 + skewMs
    return isGood ? sub : undefined
  }

  return {
    sign(service) {
      const iat = Math.floor(clock.now() / 1000)
      const text = `${header}.${encode({ sub: service, aud: audience, iat, exp: iat + Math.ceil(lifetimeMs / 1000) })}`
      return `${text}.${sealOf(text)}`
    },
    verify(token) {
      const [head, payload, seal, ...rest] = token.split('.')
      if (head !== header || !payload || !seal || rest.length > 0) return undefined
      return isSealed(`${head}.${payload}`, seal) ? serviceOf(payload) : undefined
    },
  }
}
