import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { backoffMs, longestRetryAfterMs, retryDelayMs } from '../../src/executions/retry.ts'
import { policy } from '../samples.ts'

const retry = policy().retry
const waits = (change: Partial<typeof retry>, random = 0) =>
  [1, 2, 3, 4].map((failures) => backoffMs({ ...retry, ...change }, failures, random))

describe('the wait before a retry', () => {
  it.each([
    ['grows', {}, [5000, 10_000, 20_000, 40_000]],
    ['stays when fixed', { backoff: 'fixed' as const }, [5000, 5000, 5000, 5000]],
    ['ends at its cap', { maxDelayMs: 12_000 }, [5000, 10_000, 12_000, 12_000]],
    ['grows by its factor', { factor: 1.5, delayMs: 100 }, [100, 150, 225, 338]],
    ['may be nothing', { delayMs: 0 }, [0, 0, 0, 0]],
  ])('%s', (_, change, expected) => {
    expect(waits(change)).toEqual(expected)
  })

  it('is whole, never over the cap and never under four fifths, whatever chance says', () => {
    const anyPolicy = fc.record({
      maxRetries: fc.integer({ min: 0, max: 100 }),
      backoff: fc.constantFrom('exponential' as const, 'fixed' as const),
      delayMs: fc.integer({ min: 0, max: 31_622_400_000 }),
      factor: fc.double({ min: 1, max: 100, noNaN: true }),
      maxDelayMs: fc.integer({ min: 0, max: 31_622_400_000 }),
      jitter: fc.boolean(),
    })
    const anyRandom = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
    fc.assert(
      fc.property(anyPolicy, fc.integer({ min: 1, max: 101 }), anyRandom, (one, failures, random) => {
        const most = backoffMs({ ...one, jitter: false }, failures, 0)
        const wait = backoffMs(one, failures, random)
        expect(Number.isSafeInteger(wait)).toBe(true)
        expect(wait).toBeLessThanOrEqual(Math.max(most, 0))
        expect(wait).toBeGreaterThanOrEqual(Math.floor(most * 0.8))
        if (one.backoff === 'exponential') expect(most).toBeLessThanOrEqual(one.maxDelayMs)
      }),
    )
  })

  it('is not to be when none is left, or none is wanted', () => {
    expect(retryDelayMs(retry, 3, 'policy', 0)).toBe(20_000)
    expect(retryDelayMs(retry, 4, 'policy', 0)).toBe(null)
    expect(retryDelayMs(retry, 1, 'never', 0)).toBe(null)
    expect(retryDelayMs(retry, 4, { afterMs: 10 }, 0)).toBe(null)
  })

  it('is what the target asked for, up to an hour', () => {
    const asked = [0, 1500.2, longestRetryAfterMs + 1, -5].map((afterMs) => retryDelayMs(retry, 1, { afterMs }, 0))
    expect(asked).toEqual([0, 1501, longestRetryAfterMs, 0])
  })
})
