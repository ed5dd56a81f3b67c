import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readWindows, type Window, windowsDown, windowsUp } from '../../src/store/mongo/windows.ts'

const { MIN_SAFE_INTEGER: lowest, MAX_SAFE_INTEGER: highest } = Number
const time = fc.integer({ min: 0, max: 4_000_000_000_000 })

describe('a list that is read in windows', () => {
  it('covers everything below its position once, the newest first', () => {
    fc.assert(
      fc.property(
        fc.oneof(time, fc.constant(highest)),
        time,
        fc.integer({ min: 1, max: 100_000 }),
        (to, newest, width) => {
          const windows = [...windowsDown(to, newest, width)]
          expect(windows[0]?.to).toBe(to)
          expect(windows.at(-1)?.from).toBe(lowest)
          for (const [index, { from }] of windows.slice(0, -1).entries()) expect(windows[index + 1]?.to).toBe(from - 1)
          expect(windows.length).toBeLessThanOrEqual(12)
        },
      ),
    )
  })

  it('covers everything from its position up to an end once, the oldest first', () => {
    const from = fc.oneof(time, fc.constant(lowest))
    fc.assert(
      fc.property(
        from,
        fc.oneof(time, fc.constant(highest)),
        time,
        fc.integer({ min: 1, max: 1000 }),
        (from, to, oldest, width) => {
          fc.pre(from <= to)
          const windows = [...windowsUp(from, to, oldest, width)]
          expect([windows[0]?.from, windows.at(-1)?.to]).toEqual([from, to])
          for (const [index, one] of windows.slice(0, -1).entries()) {
            expect(one.from).toBeLessThanOrEqual(one.to)
            expect(windows[index + 1]?.from).toBe(one.to + 1)
          }
          expect(windows.length).toBeLessThanOrEqual(14)
        },
      ),
    )
  })

  it('reads no further than its limit, in windows of a bounded number of rows', async () => {
    const asked: Window[] = []
    const at = Array.from({ length: 100_000 }, (_, n) => 1_000_000_000 - n * 10)
    const read = async (window: Window, limit: number) => {
      asked.push(window)
      return at.filter((one) => one >= window.from && one <= window.to).slice(0, limit)
    }
    const rows = await readWindows(windowsDown(999_000_000, 1_000_000_000, 100), 50, read)
    expect(rows).toEqual(at.filter((one) => one <= 999_000_000).slice(0, 50))
    const matching = asked.map(({ from, to }) => at.filter((one) => one >= from && one <= to).length)
    expect(Math.max(...matching)).toBeLessThanOrEqual(50 * 32)
  })
})
