import { serviceNames } from '@belfry/contracts'

/**
 * The subject of the token that goes with a request: null without a token, and for the services' own calls. The signature
 * is not verified, because a forged name gains nothing: its time-outs count no more than those without a token.
 */
export function userOf(headers: Readonly<Record<string, string | string[] | undefined>> = {}): string | null {
  const { authorization } = headers
  const payload = typeof authorization === 'string' ? authorization.split('.')[1] : undefined
  if (payload === undefined) return null
  try {
    const { sub } = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')) as { sub?: unknown }
    return typeof sub === 'string' && !(serviceNames as readonly string[]).includes(sub) ? sub : null
  } catch {
    return null
  }
}

/**
 * The users whose time-outs have counted already. The calls of a user that ask for more than a service can answer in time
 * say nothing about the calls of others, so the time-outs of one user count once in `windowMs`. It holds no more than the
 * time-outs of one window.
 */
export function createUserTimeouts(windowMs: number): { counts(user: string, now: number): boolean } {
  /** When a time-out of each user counted, oldest first. */
  const counted = new Map<string, number>()
  return {
    counts(user, now) {
      for (const [known, at] of counted) {
        if (now - at < windowMs) break
        counted.delete(known)
      }
      if (counted.has(user)) return false
      counted.set(user, now)
      return true
    },
  }
}
