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

  /** Two batches of three slices, each of which takes `sliceMs`: their order, and the iterations of the event loop in which they come. */
  async function turnsOf(sliceMs: number) {
    let clock = 0
    const slices = createSlices(() => clock)
    const seen: string[] = []
    const at = new Set<number>()
    let iterations = 0
    const count = () => {
      iterations += 1
      if (seen.length < 6) setImmediate(count)
    }
    setImmediate(count)
    const work = (name: string) =>
      slices.each(numbers, (_, from) => {
        clock += sliceMs
        seen.push(`${name}${from}`)
        at.add(iterations)
      })
    await Promise.all([work('a'), work('b')])
    return { seen, iterations: at.size }
  }

  it('of two batches take turns, with an iteration of the event loop for each that takes long', async () => {
    const seen = ['a0', 'b0', 'a50', 'b50', 'a100', 'b100']
    expect(await turnsOf(1)).toEqual({ seen, iterations: 6 })
    expect(await turnsOf(0.5)).toEqual({ seen, iterations: 3 })
    expect(await turnsOf(0.1)).toEqual({ seen, iterations: 1 })
  })

  it('reject with the failure of a slice', async () => {
    const failing = createSlices().each(numbers, () => {
      throw new Error('no')
    })
    await expect(failing).rejects.toThrow('no')
  })
})
