import { type Role, roles } from '@belfry/contracts'

/**
 * The access rule of a route. `public`: any caller. A role: callers that hold it or a higher one (viewer < user < operator < admin),
 * so `viewer` is open to every caller with a token. `service`: another service of ours, with a service token.
 */
export type Access = 'public' | 'service' | Role

const known: readonly string[] = ['public', 'service', ...roles]

export function isAccess(value: unknown): value is Access {
  return typeof value === 'string' && known.includes(value)
}

/** Whether one of the roles reaches `needed`. */
export function mayAccess(held: readonly Role[], needed: Role): boolean {
  const rank = roles.indexOf(needed)
  return held.some((role) => roles.indexOf(role) >= rank)
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The access rule of the route; without one the app does not start. */
    access?: Access
  }
}
