import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createShare, pickNext } from '../../src/dispatch/share.ts'

/** Some owners whose attempts take slots; `pickNext` decides which owner a slot goes to, round robin. */
function openPool(limit: number, share: number) {
  const slots = createShare(limit, share)
  const held = new Map<string, number>()
  const waiting = new Map<string, number>()
  const heldBy = (owner: string) => held.get(owner) ?? 0
  const take = (owner: string, places: number) => held.set(owner, slots.take(heldBy(owner), places))

  /** Starts all that may start; answers the owners in the order in which they were served. */
  function start(most = Number.POSITIVE_INFINITY): string[] {
    const served: string[] = []
    while (served.length < most) {
      const owner = pickNext(waiting.keys(), heldBy, slots)
      if (owner === undefined) break
      const left = (waiting.get(owner) ?? 0) - 1
      waiting.delete(owner)
      if (left > 0) waiting.set(owner, left)
      take(owner, 1)
      served.push(owner)
    }
    return served
  }

  return {
    slots,
    held,
    waiting,
    heldBy,
    start,
    come: (owner: string, runs: number) => waiting.set(owner, (waiting.get(owner) ?? 0) + runs),
    end(owner: string) {
      if (heldBy(owner) > 0) take(owner, -1)
    },
    used: () => [...held.values()].reduce((sum, one) => sum + one, 0),
  }
}

describe("an owner's share", () => {
  it('is all of a pool while no other owner waits', () => {
    const pool = openPool(200, 0.5)
    pool.come('a', 260)
    expect(pool.start()).toHaveLength(200)
  })

  it('is half of it while others wait, though none of its attempts ends', () => {
    const pool = openPool(200, 0.5)
    pool.come('a', 260)
    pool.start()
    pool.come('b', 300)
    pool.start()
    expect([pool.heldBy('a'), pool.heldBy('b')]).toEqual([200, 100])
    for (let run = 0; run < 150; run++) {
      pool.end('a')
      pool.start()
    }
    expect([pool.heldBy('a'), pool.heldBy('b')]).toEqual([100, 100])
  })

  it('goes round between owners that are below their parts', () => {
    const pool = openPool(100, 0.5)
    pool.come('a', 30)
    pool.come('b', 2)
    pool.come('c', 30)
    expect(pool.start(7).join('')).toBe('abcabca')
  })

  it('of 1 lets one owner keep the others waiting', () => {
    const pool = openPool(10, 1)
    pool.come('a', 20)
    pool.start()
    pool.come('b', 1)
    expect(pool.start()).toEqual([])
  })

  it('is at least one unit, however few there are', () => {
    const pool = openPool(1, 0.1)
    pool.come('a', 2)
    pool.come('b', 1)
    expect(pool.start()).toEqual(['a'])
    pool.end('a')
    expect(pool.start()).toEqual(['b'])
  })

  const owner = fc.constantFrom('a', 'b', 'c', 'd')
  const event = fc.oneof(
    fc.record({ comes: owner, runs: fc.integer({ min: 1, max: 30 }) }),
    fc.record({ ends: owner, runs: fc.integer({ min: 1, max: 10 }) }),
  )
  const history = fc.record({
    limit: fc.integer({ min: 1, max: 40 }),
    share: fc.double({ min: 0.01, max: 1, noNaN: true }),
    events: fc.array(event, { maxLength: 40 }),
  })

  it('never lets more run than the bound, and leaves nothing waiting that may start', () => {
    fc.assert(
      fc.property(history, ({ limit, share, events }) => {
        const pool = openPool(limit, share)
        const { part } = pool.slots
        for (const one of events) {
          if ('comes' in one) pool.come(one.comes, one.runs)
          else for (let run = 0; run < one.runs; run++) pool.end(one.ends)
          pool.start()
          expect(pool.slots.used).toBe(pool.used())
          expect(pool.slots.counted).toBe([...pool.held.values()].reduce((sum, n) => sum + Math.min(n, part), 0))
          expect(pool.used()).toBeLessThanOrEqual(2 * limit - part)
          if (pool.waiting.size > 0) expect(pool.used()).toBeGreaterThanOrEqual(limit)
          for (const waits of pool.waiting.keys()) {
            if (pool.heldBy(waits) < part) expect(pool.slots.counted).toBe(limit)
            expect(pool.slots.room(pool.heldBy(waits))).toBe(0)
          }
        }
      }),
    )
  })

  it('lets no owner take a unit beyond its part while one below its part waits', () => {
    fc.assert(
      fc.property(history, ({ limit, share, events }) => {
        const pool = openPool(limit, share)
        for (const one of events) {
          if ('comes' in one) pool.come(one.comes, one.runs)
          else for (let run = 0; run < one.runs; run++) pool.end(one.ends)
          for (;;) {
            const poor = [...pool.waiting.keys()].filter((waits) => pool.heldBy(waits) < pool.slots.part)
            const [served] = pool.start(1)
            if (served === undefined) break
            if (poor.length > 0) expect(poor).toContain(served)
          }
        }
      }),
    )
  })

  it('starves no owner as long as attempts end: each is served before another one is for the second time', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 2, max: 12 }), (limit, owners) => {
        const pool = openPool(limit, 0.5)
        const names = Array.from({ length: owners }, (_, n) => `owner-${n}`)
        for (const name of names) pool.come(name, 1000)
        const served: string[] = pool.start()
        for (let round = 0; served.length < 20 * owners; round++) {
          const oldest = served[round]
          if (oldest === undefined) break
          pool.end(oldest)
          served.push(...pool.start())
        }
        for (const name of names) {
          const turns = served.flatMap((one, at) => (one === name ? [at] : []))
          const gaps = turns.slice(1).map((at, index) => at - (turns[index] ?? 0))
          expect(Math.max(...gaps)).toBeLessThanOrEqual(owners + Math.ceil(limit / 2))
        }
      }),
    )
  })
})
