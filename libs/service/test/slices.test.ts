import { describe, expect, it } from 'vitest'
import { createSlices } from '../src/index.ts'

const numbers = Array.from({ length: 120 }, (_, n) => n)

describe('slices', () => {
  it('hand over all items in their order, 50 at a time', async () => {
    const slices = createSlices()
    expect(await slices.each(numbers, (slice, from) => [from, slice.length])).toEqual([
      [0, 50],
      [50, 50],
      [100, 20],
    ])
    expect(await slices.each([], () => 1)).toEqual([])
  })

  it('of two batches take turns, with an iteration of the event loop for each', async () => {
    const slices = createSlices()
    const seen: string[] = []
    let iterations = 0
    const count = () => {
      iterations += 1
      if (seen.length < 6) setImmediate(count)
    }
    setImmediate(count)
    const work = (name: string) => slices.each(numbers, (_, from) => void seen.push(`${name}${from} ${iterations}`))
    await Promise.all([work('a'), work('b')])
    const [names, at] = [seen.map((one) => one.split(' ')[0]), seen.map((one) => one.split(' ')[1])]
    expect(names).toEqual(['a0', 'b0', 'a50', 'b50', 'a100', 'b100'])
    expect(new Set(at).size).toBe(6)
  })

  it('reject with the failure of a slice', async () => {
    const failing = createSlices().each(numbers, () => {
      throw new Error('no')
    })
    await expect(failing).rejects.toThrow('no')
  })
})
