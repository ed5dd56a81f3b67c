import { describe, expect, it } from 'vitest'
import { createWalkPace, walkPages } from '../src/index.ts'

const pages: Record<string, { rows: string[]; next: string | null }> = {
  start: { rows: ['a', 'b'], next: 'after-b' },
  'after-b': { rows: ['c'], next: null },
}

describe('a walk over pages', () => {
  it('reads the next page at each call and begins again after the last one', async () => {
    const walk = walkPages<string, string>(async (after) => pages[after ?? 'start'] ?? { rows: [], next: null })
    expect(await walk()).toEqual({ rows: ['a', 'b'], isMore: true })
    expect(await walk()).toEqual({ rows: ['c'], isMore: false })
    expect(await walk()).toEqual({ rows: ['a', 'b'], isMore: true })
  })

  it('reads the same page again after a failure', async () => {
    const asked: (string | null)[] = []
    const walk = walkPages<string, string>(async (after) => {
      asked.push(after)
      if (asked.length === 2) throw new Error('the store is closed')
      return pages[after ?? 'start'] ?? { rows: [], next: null }
    })
    await walk()
    await expect(walk()).rejects.toThrow('the store is closed')
    expect(await walk()).toEqual({ rows: ['c'], isMore: false })
    expect(asked).toEqual([null, 'after-b', 'after-b'])
  })
})

describe('the pace of a walk that removes rows', () => {
  const more = { isMore: true }

  it('goes on at once while pages have something to remove', () => {
    const goesOn = createWalkPace(1)
    expect([500, 1, 500].map((removed) => goesOn(more, removed))).toEqual([true, true, true])
  })

  it('goes on over so many pages without, and again at the next turn', () => {
    const goesOn = createWalkPace(3)
    const turn = () => [0, 0, 0].map((removed) => goesOn(more, removed))
    expect(turn()).toEqual([true, true, false])
    expect(turn()).toEqual([true, true, false])
  })

  it('counts the pages without anew after one with something', () => {
    const goesOn = createWalkPace(2)
    expect([0, 1, 0].map((removed) => goesOn(more, removed))).toEqual([true, true, true])
  })

  it('ends at the last page', () => expect(createWalkPace(3)({ isMore: false }, 500)).toBe(false))
})
