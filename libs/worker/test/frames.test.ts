import { describe, expect, it } from 'vitest'
import { createFrameReader, toFrame } from '../src/runner/frames.ts'

describe('frames', () => {
  const messages = [{ kind: 'run', run: 1, params: { text: 'ä'.repeat(1000) } }, null, new Uint8Array([1, 2, 3]), 'x']

  it.each([1, 3, 7, 4096])('come whole out of pieces of %i bytes', (size) => {
    const bytes = Buffer.concat(messages.map(toFrame))
    const read: unknown[] = []
    const take = createFrameReader(1_000_000, (message) => read.push(message))
    for (let at = 0; at < bytes.length; at += size) take(bytes.subarray(at, at + size))
    expect(read.map((one) => (one instanceof Uint8Array ? [...one] : one))).toEqual([
      ...messages.slice(0, 2),
      [1, 2, 3],
      'x',
    ])
  })

  it.each([
    ['a length beyond the limit', Buffer.alloc(8, 255)],
    ['bytes that are no value', Buffer.concat([Buffer.from([4, 0, 0, 0]), Buffer.alloc(4, 255)])],
  ])('are refused for %s', (_what, bytes) => {
    const take = createFrameReader(1000, () => undefined)
    expect(() => take(bytes)).toThrow()
  })
})
