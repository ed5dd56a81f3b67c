import { type Role, roles } from '@belfry/contracts'
import { z } from 'zod'

/** The user whose token came with a request. */
export interface Caller {
  readonly userId: string
  readonly username: string
  readonly roles: readonly Role[]
  /** The API key that the call was made with; left out after a login. */
  readonly apiKeyId?: string
}

/** The claims of our access tokens. Times are whole seconds (RFC 7519). */
const accessClaims = z.object({
  sub: z.string().min(1).max(100),
  name: z.string().min(1).max(256),
  roles: z.array(z.enum(roles)).max(roles.length),
  key: z.string().min(1).max(100).optional(),
  iat: z.int(),
  exp: z.int(),
  nbf: z.int().optional(),
})

/** Whom the claims of a token with a good signature name, and until when (epoch milliseconds, with the skew). */
export interface Known {
  readonly caller: Caller
  readonly until: number
}

/** A token that was good until `expiredAt`, epoch milliseconds. */
export interface Expired {
  readonly expiredAt: number
}

/**
 * Reads claims at the moment `now` (epoch milliseconds), allowing for `skewMs` between the clocks.
 * Undefined when they are not of our shape, not valid yet, or made in the future.
 */
export function callerOf(claims: unknown, now: number, skewMs: number): Known | Expired | undefined {
  const read = accessClaims.safeParse(claims)
  if (!read.success) return undefined
  const { sub, name, roles: held, key, iat, exp, nbf } = read.data
  const until = exp * 1000 + skewMs
  const from = Math.max(iat, nbf ?? iat) * 1000 - skewMs
  if (now < from || exp <= iat || iat < 0) return undefined
  if (now >= until) return { expiredAt: exp * 1000 }
  const caller = { userId: sub, username: name, roles: held, ...(key !== undefined && { apiKeyId: key }) }
  return { caller, until }
}
