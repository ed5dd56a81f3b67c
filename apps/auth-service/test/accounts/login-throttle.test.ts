import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { addFailure, delayAfter, noFailures, throttleMs } from '../../src/accounts/login-throttle.ts'

const rule = { free: 3, delayMs: 1_000, maxDelayMs: 10_000 }

describe('the login throttle', () => {
  it.each([
    [0, 0],
    [2, 0],
    [3, 1_000],
    [4, 2_000],
    [5, 4_000],
    [6, 8_000],
    [7, 10_000],
    [1_000_000, 10_000],
  ])('after %i wrong passwords waits %i ms', (count, delayMs) => {
    expect(delayAfter(count, rule)).toBe(delayMs)
  })

  it('waits from the newest wrong password on, never longer than the rule says', () => {
    const anyFailures = fc.record({ count: fc.nat(100), lastAt: fc.nat(2_000_000) })
    fc.assert(
      fc.property(anyFailures, fc.nat(2_000_000), (failures, now) => {
        const waitMs = throttleMs(failures, now, rule)
        expect(waitMs).toBeGreaterThanOrEqual(0)
        expect(waitMs).toBeLessThanOrEqual(delayAfter(failures.count, rule))
        expect(throttleMs(failures, now + waitMs, rule) === 0 || now < failures.lastAt).toBe(true)
      }),
    )
  })

  it('makes 10,000 attempts take days', () => {
    let failures = noFailures
    let now = 0
    for (let i = 0; i < 10_000; i++) {
      now += throttleMs(failures, now, { free: 5, delayMs: 1_000, maxDelayMs: 60_000 })
      failures = addFailure(failures, now)
    }
    expect(now).toBeGreaterThan(6 * 86_400_000)
  })
})
