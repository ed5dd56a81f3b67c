import { describe, expect, it } from 'vitest'
import { createRandom } from './random.ts'

const draws = (seed: number) => {
  const random = createRandom(seed)
  return Array.from({ length: 5 }, random.fraction)
}

describe('a seeded generator', () => {
  it('gives the same draws for the same seed, and others for each other seed', () => {
    const seeds = [0, 1, 2, -1, 2 ** 32, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]
    expect(new Set(seeds.map((seed) => draws(seed).join())).size).toBe(seeds.length)
    for (const seed of seeds) expect(draws(seed)).toEqual(draws(seed))
  })

  it('gives neighbouring seeds first draws that are spread', () => {
    const firsts = Array.from({ length: 1_000 }, (_, seed) => Math.floor((draws(seed)[0] ?? 1) * 10))
    for (let part = 0; part < 10; part++) {
      const share = firsts.filter((one) => one === part).length
      expect(share).toBeGreaterThan(60)
      expect(share).toBeLessThan(140)
    }
  })

  it('draws whole numbers from both ends, and refuses to choose from nothing', () => {
    const random = createRandom(3)
    expect(new Set(Array.from({ length: 100 }, () => random.between(-1, 1)))).toEqual(new Set([-1, 0, 1]))
    expect(() => random.oneOf([])).toThrow('nothing to choose from')
  })
})
