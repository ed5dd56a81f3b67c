import {
  countRequest,
  createRateLimiter,
  type HttpApp,
  type ItemCount,
  type RateCount,
  type RateLimiter,
  routeConfigOf,
  sendRefusal,
} from '@belfry/http'
import type { Clock } from '@belfry/service'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { GatewayConfig } from '../config.ts'
import { isLimited, type RateRule } from '../proxy/route-table.ts'
import { addressKey, addressOfRequest } from './client-address.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What a request is counted as beside a call of its user. */
    rateRule?: RateRule
  }
  interface FastifyRequest {
    /** On routes that count by address: the address, and the limits that the answer names. Else null. */
    addressCount: AddressCount | null
    /** On routes whose calls have items: counts those beyond the first; answers the header `RateLimit`. Else null. */
    countItems: ((counted: ItemCount) => string) | null
  }
}

interface AddressCount {
  readonly address: string
  /** The headers `RateLimit-Policy` and `RateLimit`. */
  readonly policy: string
  readonly left: string
}

const minuteMs = 60_000
const hourMs = 3_600_000

type Limits = Record<'user' | 'trigger' | 'login' | 'refresh' | 'signup' | 'signupHour' | 'anonymous', RateLimiter>

function createLimits(config: GatewayConfig, clock: Pick<Clock, 'monotonic'>): Limits {
  const limit = (name: string, counts: string, quota: number, windowMs = minuteMs) =>
    createRateLimiter({ name, counts, quota, windowMs, keys: config.gatewayRateKeys, clock })
  return {
    user: limit('user', 'calls of one user', config.gatewayUserCallsPerMinute),
    trigger: limit('trigger', 'triggers of one user', config.gatewayTriggersPerMinute),
    login: limit('login-address', 'logins from one address', config.gatewayLoginsPerMinute),
    refresh: limit('refresh', 'refreshes from one address', config.gatewayRefreshesPerMinute),
    signup: limit('signup', 'sign-ups from one address', config.gatewaySignupsPerMinute),
    anonymous: limit('anonymous', 'calls without a user from one address', config.gatewayAnonymousCallsPerMinute),
    signupHour: limit('signup-hour', 'sign-ups from one address', config.gatewaySignupsPerHour, hourMs),
  }
}

/**
 * A call with items passes when one has room: how many it has is known only from its answer, and later calls wait for them.
 * `isTrigger`: the call was counted as one trigger already.
 */
function itemCounter({ user, trigger }: Limits, key: string, isTrigger: boolean): (counted: ItemCount) => string {
  return ({ items, areRuns }) => {
    const left = user.charge(key, Math.max(0, items - 1))
    if (!areRuns) return isTrigger ? `${left}, ${trigger.charge(key, 0)}` : left
    return `${left}, ${trigger.charge(key, isTrigger ? Math.max(0, items - 1) : items)}`
  }
}

function limitsOfAddress(limits: Limits, rule: RateRule | undefined): readonly RateLimiter[] {
  if (rule === 'login' || rule === 'refresh' || rule === 'anonymous') return [limits[rule]]
  return [limits.signup, limits.signupHour]
}

/**
 * Counts every call with a token by its user, and by address those without one that cost a service work, before the body is read. A refused
 * request costs the services nothing. Each limit is a map in this process (docs/limits.md).
 */
export function limitRates(app: HttpApp, config: GatewayConfig, clock: Pick<Clock, 'monotonic'>): void {
  const limits = createLimits(config, clock)
  const { gatewayTrustProxy: trustProxy } = config

  const countUser = (request: FastifyRequest, reply: FastifyReply) => {
    const { userId } = request.caller
    const { rateRule } = routeConfigOf(request)
    const isTrigger = rateRule === 'trigger' || rateRule === 'triggers'
    const limiters = isTrigger ? [limits.user, limits.trigger] : [limits.user]
    if (rateRule === 'items' || rateRule === 'triggers') request.countItems = itemCounter(limits, userId, isTrigger)
    return countRequest(
      reply,
      limiters.map((limiter): RateCount => [limiter, userId]),
    )
  }

  const countAddress = (request: FastifyRequest, reply: FastifyReply) => {
    const address = addressOfRequest(request.raw, trustProxy)
    const key = addressKey(address)
    const { rateRule } = routeConfigOf(request)
    const counted = limitsOfAddress(limits, rateRule)
    const refused = countRequest(
      reply,
      counted.map((limit) => [limit, key] as const),
    )
    const [policy, left] = [String(reply.getHeader('ratelimit-policy')), String(reply.getHeader('ratelimit'))]
    request.addressCount = { address, policy, left }
    return refused
  }

  app.decorateRequest('addressCount', null)
  app.decorateRequest('countItems', null)
  app.addHook('onRequest', (request, reply, done) => {
    const { access, rateRule } = routeConfigOf(request)
    if (request.is404 || !isLimited(access, rateRule)) return done()
    const refused = access === 'public' ? countAddress(request, reply) : countUser(request, reply)
    if (refused) sendRefusal(reply, refused)
    else done()
  })
}
