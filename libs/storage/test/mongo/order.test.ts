import { describe, expect, it } from 'vitest'
import { StorageError } from '../../src/index.ts'
import { inOrderOfIds, side } from '../../src/mongo/order.ts'

const away = new StorageError('unavailable', 'no primary')

describe('rows in the order of their ids', () => {
  it('are worked off in batches, and answered in the order of the call', async () => {
    const batches: string[][] = []
    const answers = await inOrderOfIds(
      ['d', 'a', 'c', 'b', 'a'],
      (id) => id,
      2,
      async (batch) => {
        batches.push([...batch])
        return batch.map((id) => id.toUpperCase())
      },
    )
    expect(batches).toEqual([['a', 'a'], ['b', 'c'], ['d']])
    expect(answers).toEqual(['D', 'A', 'C', 'B', 'A'])
  })

  it.each([
    [1, 'unavailable'],
    [2, 'outcome-unknown'],
  ])('fail in batch %i with %s, because those before it are written', async (failing, code) => {
    let batches = 0
    const work = async (batch: readonly string[]) => {
      batches += 1
      if (batches === failing) throw away
      return batch
    }
    await expect(inOrderOfIds(['a', 'b', 'c'], (id) => id, 1, work)).rejects.toMatchObject({ code })
  })
})

describe('calls side by side', () => {
  it('answer in order', async () => {
    expect(await side([Promise.resolve(1), Promise.resolve(2)])).toEqual([1, 2])
  })

  it('fail with outcome-unknown when others are written, else as they fail', async () => {
    await expect(side([Promise.resolve(1), Promise.reject(away)])).rejects.toMatchObject({ code: 'outcome-unknown' })
    await expect(side([Promise.reject(away), Promise.reject(away)])).rejects.toBe(away)
  })
})
