import type { FastifyRequest } from 'fastify'

/**
 * When the token of a request that was let in expires, epoch milliseconds; null without a token. The signature was verified before,
 * so that the claim is true.
 */
export function tokenExpiryOf({ headers: { authorization } }: Pick<FastifyRequest, 'headers'>): number | null {
  const payload = authorization?.split('.')[1]
  if (payload === undefined) return null
  try {
    const { exp } = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')) as { exp?: unknown }
    return typeof exp === 'number' ? exp * 1000 : null
  } catch {
    return null
  }
}
