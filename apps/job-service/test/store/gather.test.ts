import { describe, expect, it } from 'vitest'
import { createGatherer } from '../../src/store/mongo/gather.ts'

const nextTurn = () => new Promise((resolve) => setImmediate(resolve))

describe('writes that are gathered', () => {
  it('of one turn are one batch, and those that come meanwhile are the next', async () => {
    const batches: (readonly number[])[] = []
    const gather = createGatherer<number, number>(3, async (items) => {
      batches.push(items)
      await nextTurn()
      return items.map((item) => item * 10)
    })
    const first = Promise.all([1, 2, 3, 4].map(gather))
    await nextTurn()
    const later = Promise.all([5, 6].map(gather))
    expect([await first, await later]).toEqual([
      [10, 20, 30, 40],
      [50, 60],
    ])
    expect(batches).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ])
  })

  it('all fail with their batch, and the next batch does not', async () => {
    let left = 1
    const gather = createGatherer<number, number>(2, async (items) => {
      if (left-- > 0) throw new Error('away')
      return items
    })
    const answers = await Promise.allSettled([1, 2, 3].map(gather))
    expect(answers.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled'])
  })

  it('are refused beyond a bound', async () => {
    const gather = createGatherer<number, number>(1, () => new Promise(() => undefined))
    for (let n = 0; n < 10_000; n += 1) void gather(n)
    await expect(gather(0)).rejects.toMatchObject({ code: 'overloaded' })
  })
})
