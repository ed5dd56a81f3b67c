import { describe, expect, it } from 'vitest'
import { createBatcher } from '../src/index.ts'

const nextIteration = () => new Promise<void>((resolve) => setImmediate(resolve))

function makeBatcher() {
  const batches: (readonly number[])[] = []
  return { batches, ...createBatcher<number>((items) => void batches.push(items)) }
}

describe('the batcher', () => {
  it('hands over all items of one iteration of the event loop together, in order', async () => {
    const { add, batches } = makeBatcher()
    add(1)
    add(2)
    await Promise.resolve()
    add(3)
    expect(batches).toEqual([])
    await nextIteration()
    add(4)
    await nextIteration()
    expect(batches).toEqual([[1, 2, 3], [4]])
  })

  it('flushes at once, hands over nothing twice, and makes no empty batch', async () => {
    const { add, flush, batches } = makeBatcher()
    flush()
    add(1)
    flush()
    flush()
    await nextIteration()
    expect(batches).toEqual([[1]])
  })

  it('takes an item that is added while a batch is handed over into the next batch', async () => {
    const batches: (readonly number[])[] = []
    const { add } = createBatcher<number>((items) => {
      batches.push(items)
      if (batches.length === 1) add(2)
    })
    add(1)
    await nextIteration()
    await nextIteration()
    expect(batches).toEqual([[1], [2]])
  })
})
