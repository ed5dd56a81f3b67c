import { describe, expect, it } from 'vitest'
import { createRoundRobin } from '../src/index.ts'

function take(queue: ReturnType<typeof createRoundRobin<number>>, fits?: (item: number) => boolean): number[] {
  const taken: number[] = []
  for (const [key, item] of queue.firsts(fits)) {
    queue.remove(key, item)
    taken.push(item)
  }
  return taken
}

function queueOf(...items: readonly (readonly [string, number])[]) {
  const queue = createRoundRobin<number>()
  for (const [key, item] of items) queue.push(key, item)
  return queue
}

describe('a round robin', () => {
  it('serves keys in turn, and the items of a key in their order', () => {
    const queue = queueOf(['a', 1], ['a', 2], ['a', 3], ['b', 4], ['c', 5])
    expect(take(queue)).toEqual([1, 4, 5, 2, 3])
    expect(queue.size()).toBe(0)
  })

  it('passes over what does not fit', () => {
    const queue = queueOf(['a', 1], ['a', 2], ['b', 3])
    expect(take(queue, (item) => item % 2 === 0)).toEqual([2])
    expect(take(queue)).toEqual([3, 1])
  })

  it('counts what waits, in all and of one key', () => {
    const queue = queueOf(['a', 1], ['a', 2], ['b', 3])
    queue.remove('a', 1)
    queue.remove('b', 7)
    expect([queue.size(), queue.sizeOf('a'), queue.sizeOf('b'), queue.sizeOf('c')]).toEqual([2, 1, 1, 0])
  })
})
