import { describe, expect, it } from 'vitest'
import { retryOnConflict } from '../src/index.ts'

describe('retrying a compare-and-set after a conflict', () => {
  it('repeats the items that lost, and only those, until none are left', async () => {
    const rounds: [readonly number[], number][] = []
    const left = await retryOnConflict([1, 2, 3], 10, async (items, round) => {
      rounds.push([items, round])
      return items.filter((item) => item > round + 1)
    })
    expect(left).toEqual([])
    expect(rounds).toEqual([
      [[1, 2, 3], 0],
      [[2, 3], 1],
      [[3], 2],
    ])
  })

  it('gives up after the given number of tries and answers what is left', async () => {
    let rounds = 0
    const left = await retryOnConflict(['a', 'b'], 3, async () => {
      rounds += 1
      return ['b']
    })
    expect([rounds, left]).toEqual([3, ['b']])
  })

  it('asks nothing for no items, and passes an error on', async () => {
    const fail = async () => {
      throw new Error('the store is closed')
    }
    expect(await retryOnConflict([], 3, fail)).toEqual([])
    await expect(retryOnConflict([1], 3, fail)).rejects.toThrow('the store is closed')
  })
})
