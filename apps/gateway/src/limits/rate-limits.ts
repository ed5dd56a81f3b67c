import {
  countRequest,
  createRateLimiter,
  type HttpApp,
  type RateCount,
  type RateLimiter,
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
    /** On routes that take batches: counts the items beyond the first; answers the header `RateLimit`. Else null. */
    countItems: ((items: number) => string) | null
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

type Limits = Record<'user' | 'trigger' | 'login' | 'refresh' | 'signup' | 'signupHour', RateLimiter>

function createLimits(config: GatewayConfig, clock: Pick<Clock, 'monotonic'>): Limits {
  const limit = (name: string, counts: string, quota: number, windowMs = minuteMs) =>
    createRateLimiter({ name, counts, quota, windowMs, keys: config.gatewayRateKeys, clock })
  return {
    user: limit('user', 'calls of one user', config.gatewayUserCallsPerMinute),
    trigger: limit('trigger', 'triggers of one user', config.gatewayTriggersPerMinute),
    login: limit('login-address', 'logins from one address', config.gatewayLoginsPerMinute),
    refresh: limit('refresh', 'refreshes from one address', config.gatewayRefreshesPerMinute),
    signup: limit('signup', 'sign-ups from one address', config.gatewaySignupsPerMinute),
    signupHour: limit('signup-hour', 'sign-ups from one address', config.gatewaySignupsPerHour, hourMs),
  }
}

/** A batch passes when one item has room: how many it has is known only from its answer, and later calls wait for them. */
function itemCounter(limiters: readonly RateLimiter[], key: string): (items: number) => string {
  return (items) => limiters.map((limiter) => limiter.charge(key, Math.max(0, items - 1))).join(', ')
}

/**
 * Counts every call with a token by its user, and sign-ups and logins by address, before the body is read. A refused
 * request costs the services nothing. Each limit is a map in this process (docs/limits.md).
 */
export function limitRates(app: HttpApp, config: GatewayConfig, clock: Pick<Clock, 'monotonic'>): void {
  const limits = createLimits(config, clock)
  const { gatewayTrustProxy: trustProxy } = config

  const countUser = (request: FastifyRequest, reply: FastifyReply) => {
    const { userId } = request.caller
    const { rateRule } = request.routeOptions.config
    const isTrigger = rateRule === 'trigger' || rateRule === 'triggers'
    const limiters = isTrigger ? [limits.user, limits.trigger] : [limits.user]
    if (rateRule === 'jobs' || rateRule === 'triggers') request.countItems = itemCounter(limiters, userId)
    return countRequest(
      reply,
      limiters.map((limiter): RateCount => [limiter, userId]),
    )
  }

  const countAddress = (request: FastifyRequest, reply: FastifyReply) => {
    const address = addressOfRequest(request.raw, trustProxy)
    const key = addressKey(address)
    const { rateRule } = request.routeOptions.config
    const counted =
      rateRule === 'login' || rateRule === 'refresh' ? [limits[rateRule]] : [limits.signup, limits.signupHour]
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
    const { access, rateRule } = request.routeOptions.config
    if (request.is404 || !isLimited(access, rateRule)) return done()
    const refused = access === 'public' ? countAddress(request, reply) : countUser(request, reply)
    if (refused) sendRefusal(reply, refused)
    else done()
  })
}
