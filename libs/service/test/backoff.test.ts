import { describe, expect, it } from 'vitest'
import { backoffMs } from '../src/index.ts'

describe('exponential backoff', () => {
  it('begins with the first wait and stays at the longest', () => {
    expect([0, 1, 2, 3, 4].map((doublings) => backoffMs(doublings, 5_000, 60_000))).toEqual([
      5_000, 10_000, 20_000, 40_000, 60_000,
    ])
    expect(backoffMs(1_000_000, 1, 60_000)).toBe(60_000)
  })
})
