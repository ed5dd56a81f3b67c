import { createManualClock } from '@belfry/service'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createRateLimiter } from '../src/index.ts'

function open(quota = 3, windowMs = 60_000, keys = 1_000) {
  const clock = createManualClock()
  return { clock, limiter: createRateLimiter({ name: 'user', counts: 'calls', quota, windowMs, keys, clock }) }
}

describe('a rate limit', () => {
  it('lets the quota through at once, and gives it back evenly', async () => {
    const { clock, limiter } = open()
    expect(limiter.policy).toBe('"user";q=3;w=60')
    expect([limiter.take('a').left, limiter.take('a').left, limiter.take('a').left]).toEqual([
      '"user";r=2;t=20',
      '"user";r=1;t=40',
      '"user";r=0;t=60',
    ])
    const refused = limiter.take('a')
    expect(refused).toEqual({ waitMs: 20_000, left: '"user";r=0;t=60' })
    expect(limiter.refusalOf(refused)).toMatchObject({ code: 'too-many-requests', retryAfterS: 20 })
    await clock.advance(19_999)
    expect(limiter.take('a').waitMs).toBe(1)
    await clock.advance(1)
    expect(limiter.take('a').waitMs).toBe(0)
    expect(limiter.take('a').waitMs).toBe(20_000)
  })

  it('counts each key for itself', () => {
    const { limiter } = open(1)
    expect(['a', 'b', 'a', 'b'].map((key) => limiter.take(key).waitMs > 0)).toEqual([false, false, true, true])
  })

  it('does not follow the wall clock', () => {
    const { clock, limiter } = open(1)
    limiter.take('a')
    clock.step(86_400_000)
    expect(limiter.take('a').waitMs).toBe(60_000)
    clock.step(-2 * 86_400_000)
    expect(limiter.take('a').waitMs).toBe(60_000)
  })

  it('remembers a bounded number of keys: those that were used last', () => {
    const { limiter } = open(2, 60_000, 2)
    for (const key of ['a', 'b', 'a', 'c']) limiter.take(key)
    // b is forgotten; a has used its two.
    expect(['a', 'b'].map((key) => limiter.take(key).waitMs > 0)).toEqual([true, false])
    for (let n = 0; n < 1_000; n++) limiter.take(`other-${n}`)
    expect(limiter.take('a').waitMs).toBe(0)
  })

  it('never lets more through in any window than the quota and what comes back in it', () => {
    const steps = fc.array(fc.nat(3_000), { maxLength: 200 })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), steps, (quota, pauses) => {
        let now = 0
        const clock = { monotonic: () => now }
        const limiter = createRateLimiter({ name: 'user', counts: 'calls', quota, windowMs: 7_000, keys: 9, clock })
        const admitted: number[] = []
        for (const pause of pauses) {
          now += pause
          const { waitMs, left } = limiter.take('a')
          if (waitMs === 0) admitted.push(now)
          expect(Number(/r=(\d+)/.exec(left)?.[1])).toBeLessThan(quota)
          expect(waitMs).toBeLessThanOrEqual(7_000 / quota + 1)
        }
        for (const [first, from] of admitted.entries()) {
          for (const [last, to] of admitted.entries()) {
            if (last < first) continue
            expect(last - first + 1).toBeLessThanOrEqual(quota + ((to - from) * quota) / 7_000 + 1e-6)
          }
        }
      }),
    )
  })
})
