import { type Refusal, refusal } from '@belfry/contracts'
import type { Clock } from '@belfry/service'
import type { FastifyReply } from 'fastify'
import { LRUCache } from 'lru-cache'

export interface RateLimitOptions {
  /** The policy's name in the headers: lower-case ASCII. */
  name: string
  /** What is counted, for the text of the refusal: `calls of one user`. */
  counts: string
  /** Requests of one key in a window. */
  quota: number
  windowMs: number
  /** Keys that are remembered; beyond it the one that was used least recently is forgotten. */
  keys: number
  clock: Pick<Clock, 'monotonic'>
}

/** What is left to a key. */
interface Taken {
  /** 0: the request is within the quota, and is counted. Else it is not counted, and this long is to be waited, milliseconds. */
  readonly waitMs: number
  /** An item of the `RateLimit` header: what is left, and the seconds until all of the quota is there again. */
  readonly left: string
}

/** Counts requests by key: users, addresses, accounts. */
export interface RateLimiter {
  /** An item of the `RateLimit-Policy` header. */
  readonly policy: string
  take(key: string): Taken
  /** Counts so many more items of a request that was taken, beyond the quota too: later requests wait for them. Answers an item of `RateLimit`. */
  charge(key: string, items: number): string
  /** Gives one request back that was taken and turned out not to count. */
  giveBack(key: string): void
  /** The refusal of a request that has to wait. */
  refusalOf(taken: Taken): Refusal
}

/** Accounts for the rounding of window / quota in floating point, milliseconds. */
const roundingMs = 1e-6

/**
 * The generic cell rate algorithm: a key may use its whole quota at once, and gets it back evenly over the window. One
 * number a key is kept, the time at which all of its quota is back; a key whose time has passed is like an unknown one.
 */
export function createRateLimiter(options: RateLimitOptions): RateLimiter {
  const { name, counts, quota, windowMs, keys, clock } = options
  // Bounded by size, not by `max`: that would take memory for all keys at the start.
  const backAt = new LRUCache<string, number>({ maxSize: keys, sizeCalculation: () => 1 })
  const eachMs = windowMs / quota
  const seconds = windowMs / 1000

  const leftOf = (next: number, now: number) => {
    const left = Math.max(0, Math.floor((now + windowMs - next) / eachMs + roundingMs))
    return `"${name}";r=${left};t=${Math.ceil((next - now) / 1000)}`
  }

  const take = (key: string): Taken => {
    const now = clock.monotonic()
    const known = Math.max(backAt.get(key) ?? 0, now)
    const waitMs = known + eachMs - now - windowMs
    if (waitMs > roundingMs) return { waitMs, left: `"${name}";r=0;t=${Math.ceil((known - now) / 1000)}` }
    const next = known + eachMs
    backAt.set(key, next)
    return { waitMs: 0, left: leftOf(next, now) }
  }

  return {
    policy: `"${name}";q=${quota};w=${seconds}`,
    take,
    giveBack(key) {
      const known = backAt.get(key)
      if (known !== undefined) backAt.set(key, known - eachMs)
    },
    charge(key, items) {
      const now = clock.monotonic()
      const next = Math.max(backAt.get(key) ?? 0, now) + items * eachMs
      backAt.set(key, next)
      return leftOf(next, now)
    },
    refusalOf({ waitMs }) {
      const retryAfterS = Math.ceil(waitMs / 1000)
      const detail = `At most ${quota} ${counts} are taken in ${seconds} s: try again in ${retryAfterS} s.`
      return refusal('too-many-requests', detail, { retryAfterS })
    },
  }
}

/** A limiter and the key under which a request counts. */
export type RateCount = readonly [RateLimiter, string]

/**
 * Counts a request and reports it in `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10,
 * structured fields). Answers why it is refused; undefined when it is within all of its limits.
 */
export function countRequest(reply: FastifyReply, counts: readonly RateCount[]): Refusal | undefined {
  let policies = ''
  let lefts = ''
  let refused: Refusal | undefined
  for (const [limiter, key] of counts) {
    const taken = limiter.take(key)
    policies += policies === '' ? limiter.policy : `, ${limiter.policy}`
    lefts += lefts === '' ? taken.left : `, ${taken.left}`
    if (taken.waitMs > 0) {
      refused = limiter.refusalOf(taken)
      break
    }
  }
  reply.header('ratelimit-policy', policies)
  reply.header('ratelimit', lefts)
  return refused
}
