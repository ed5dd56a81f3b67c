import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseHttpDate, readRetryAfter } from '../src/retry-after.ts'

const now = Date.UTC(2026, 10, 21, 12, 0, 0)
const hour = 3_600_000

describe('Retry-After', () => {
  it.each([
    ['0', 0],
    ['1', 1000],
    ['120', 120_000],
    [' 7 ', 7000],
    ['3600', hour],
    ['3601', hour],
    ['99999999999999999999999', hour],
    ['Sat, 21 Nov 2026 12:00:30 GMT', 30_000],
    ['Saturday, 21-Nov-26 12:00:30 GMT', 30_000],
    ['Sat Nov 21 12:00:30 2026', 30_000],
    ['Sun, 22 Nov 2026 12:00:00 GMT', hour],
    ['Sun, 06 Nov 1994 08:49:37 GMT', 0],
    ['Sunday, 06-Nov-94 08:49:37 GMT', 0],
    ['Sun Nov  6 08:49:37 1994', 0],
  ])('"%s" asks for %d ms', (header, ms) => expect(readRetryAfter(header, now)).toBe(ms))

  it.each([undefined, '', '  ', 'soon', '-1', '1.5', '1e3', '0x10', '2026-11-21', 'Sat, 21 Foo 2026 12:00:30 GMT'])(
    '"%s" says nothing, so the policy decides',
    (header) => expect(readRetryAfter(header, now)).toBeNull(),
  )

  it('reads every moment as the standard library writes it', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 253_402_300_799 }), (second) => {
        expect(parseHttpDate(new Date(second * 1000).toUTCString(), now)).toBe(second * 1000)
      }),
    )
  })

  it('never asks for less than nothing or more than an hour, whatever it is given', () => {
    fc.assert(
      fc.property(fc.string(), (header) => {
        const ms = readRetryAfter(header, now)
        expect(ms === null || (ms >= 0 && ms <= hour)).toBe(true)
      }),
    )
  })
})
