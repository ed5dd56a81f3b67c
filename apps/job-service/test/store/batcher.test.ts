import { describe, expect, it } from 'vitest'
import { createBatcher } from '../../src/store/mongo/batcher.ts'

const nextTurn = () => new Promise((resolve) => setImmediate(resolve))

describe('writes that are batched', () => {
  it('of one turn are one batch, and those that come meanwhile are the next', async () => {
    const batches: (readonly number[])[] = []
    const batched = createBatcher<number, number>(3, async (items) => {
      batches.push(items)
      await nextTurn()
      return items.map((item) => item * 10)
    })
    const first = Promise.all([1, 2, 3, 4].map(batched))
    await nextTurn()
    const later = Promise.all([5, 6].map(batched))
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
    const batched = createBatcher<number, number>(2, async (items) => {
      if (left-- > 0) throw new Error('away')
      return items
    })
    const answers = await Promise.allSettled([1, 2, 3].map(batched))
    expect(answers.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled'])
  })

  it('are refused beyond a bound', async () => {
    const batched = createBatcher<number, number>(1, () => new Promise(() => undefined))
    for (let n = 0; n < 10_000; n += 1) void batched(n)
    await expect(batched(0)).rejects.toMatchObject({ code: 'overloaded' })
  })
})
