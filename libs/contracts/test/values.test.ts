import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  duration,
  formatDuration,
  jsonObject,
  latestAt,
  longestDurationMs,
  looseTime,
  parseDurationMs,
  parseTimeAt,
  timeAt,
  toWireTime,
} from '../src/index.ts'

const messageOf = (result: { success: boolean; error?: { issues: { message: string }[] } }) =>
  result.error?.issues.map((issue) => issue.message).join('; ')

describe('a duration', () => {
  it.each([
    ['0s', 0],
    ['1ms', 1],
    ['90s', 90_000],
    ['10m', 600_000],
    ['36h', 129_600_000],
    ['366d', longestDurationMs],
    ['P1D', 86_400_000],
    ['P2W', 1_209_600_000],
    ['PT1H30M', 5_400_000],
    ['PT0.5S', 500],
    ['PT1.25S', 1250],
    ['PT1.005S', 1005],
    ['P1DT1S', 86_401_000],
    ['PT0S', 0],
  ])('%s is %d ms', (text, ms) => {
    expect(parseDurationMs(text)).toBe(ms)
  })

  const notDurations = [
    '',
    's',
    '5',
    '1.5s',
    '-1s',
    '+1s',
    '1 s',
    ' 1s',
    '1s ',
    '1S',
    '1h30m',
    '1y',
    '90seconds',
    '1e3s',
  ]
  const notIso = [
    'P',
    'PT',
    'P1DT',
    'P1Y',
    'P1M',
    'pt1h',
    'PT1',
    'PT.5S',
    'PT1H2',
    'PT1.0005S',
    '-PT1H',
    'P1H',
    'PT1M1H',
  ]
  it.each([...notDurations, ...notIso, '٣s', `${'9'.repeat(16)}ms`])('%j is none', (text) => {
    expect(parseDurationMs(text)).toBeNull()
  })

  it.each([
    [0, '0ms'],
    [999, '999ms'],
    [1000, '1s'],
    [90_000, '90s'],
    [120_000, '2m'],
    [3_600_000, '1h'],
    [129_600_000, '36h'],
    [86_400_000, '1d'],
    [1001, '1001ms'],
  ])('%d ms is written %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text)
  })

  it('comes back from its text as it was', () => {
    const sizes = fc.oneof(
      fc.integer({ min: 0, max: longestDurationMs }),
      fc.integer({ min: 0, max: 366 * 24 }).map((h) => h * 3_600_000),
    )
    fc.assert(
      fc.property(sizes, (ms) => {
        expect(parseDurationMs(formatDuration(ms))).toBe(ms)
      }),
    )
  })

  it('is held to its bounds, which the issue names', () => {
    const bounded = duration({ min: 1000, max: 60_000 })
    expect(bounded.parse('1s')).toBe(1000)
    expect(bounded.parse('PT1M')).toBe(60_000)
    expect(messageOf(bounded.safeParse('999ms'))).toBe('must be between 1s and 1m')
    expect(messageOf(bounded.safeParse('60001ms'))).toBe('must be between 1s and 1m')
    expect(messageOf(bounded.safeParse('soon'))).toContain('is not a duration such as "90s"')
    expect(messageOf(duration({ min: 0 }).safeParse('367d'))).toBe('must be between 0ms and 366d')
    expect(bounded.safeParse(1000).success).toBe(false)
  })
})

describe('a time', () => {
  it.each([
    ['2026-12-01T09:00:00Z', '2026-12-01T09:00:00.000Z'],
    ['2026-12-01T09:00:00+01:00', '2026-12-01T08:00:00.000Z'],
    ['2026-12-01T09:00Z', '2026-12-01T09:00:00.000Z'],
    ['2026-12-01 09:00:00-03:30', '2026-12-01T12:30:00.000Z'],
    ['2026-12-01t09:00:00z', '2026-12-01T09:00:00.000Z'],
    ['2026-12-01T09:00:00.5Z', '2026-12-01T09:00:00.500Z'],
    ['2026-12-01T09:00:00.123456789Z', '2026-12-01T09:00:00.123Z'],
    ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00.000Z'],
    ['2000-02-29T23:59:59Z', '2000-02-29T23:59:59.000Z'],
    ['1970-01-01T00:00:00Z', '1970-01-01T00:00:00.000Z'],
    ['9999-12-31T23:59:59.999Z', '9999-12-31T23:59:59.999Z'],
    ['2026-12-01T09:00:00-00:00', '2026-12-01T09:00:00.000Z'],
    ['2026-12-01T00:00:00+23:59', '2026-11-30T00:01:00.000Z'],
  ])('%s is %s', (text, expected) => {
    expect(toWireTime(parseTimeAt(text))).toBe(expected)
  })

  const noDates = [
    '2026-02-29T00:00:00Z',
    '1900-02-29T00:00:00Z',
    '2026-04-31T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-00-10T00:00:00Z',
    '2026-01-00T00:00:00Z',
  ]
  const noClocks = [
    '2026-12-01T24:00:00Z',
    '2026-12-01T23:60:00Z',
    '2026-12-01T23:59:60Z',
    '2026-12-01T09:00:00+24:00',
    '2026-12-01T09:00:00+01:60',
  ]
  const noTimes = [
    '',
    'now',
    '2026',
    '2026-12-01',
    '2026-12-01T09:00:00',
    '2026-12-01T9:00Z',
    '20261201T090000Z',
    '1764579600000',
    '+02026-12-01T09:00:00Z',
    '2026-12-01T09:00:00+0100',
    '2026-12-01T09:00:00 Z',
    '2026-12-01T09:00:00.Z',
    '2026-W49-2T09:00:00Z',
  ]
  it.each([...noDates, ...noClocks, ...noTimes])('%j is none', (text) => {
    expect(parseTimeAt(text)).toBeNull()
    expect(timeAt.safeParse(text).success).toBe(false)
  })

  it('lies in the years 1970 to 9999', () => {
    expect(timeAt.parse('1970-01-01T00:00:00Z')).toBe(0)
    expect(timeAt.parse('9999-12-31T23:59:59.999Z')).toBe(latestAt)
    for (const text of [
      '1969-12-31T23:59:59.999Z',
      '1970-01-01T00:00:00+00:01',
      '9999-12-31T23:59:59.999-00:01',
      '0000-01-01T00:00:00Z',
    ]) {
      expect(messageOf(timeAt.safeParse(text))).toBe('must lie in the years 1970 to 9999')
    }
  })

  it('comes back from its text as it was', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: latestAt }), (at) => {
        expect(timeAt.parse(toWireTime(at))).toBe(at)
      }),
    )
    expect(toWireTime(null)).toBeNull()
  })
})

describe('a time that may lack its offset', () => {
  it('keeps its text, and its moment when it has an offset', () => {
    expect(looseTime.parse('2024-01-01T10:00:00')).toEqual({ text: '2024-01-01T10:00:00', at: null })
    expect(looseTime.parse('2024-01-01 10:00')).toEqual({ text: '2024-01-01 10:00', at: null })
    expect(looseTime.parse('2024-01-01T10:00:00+01:00')).toEqual({
      text: '2024-01-01T10:00:00+01:00',
      at: Date.UTC(2024, 0, 1, 9),
    })
  })

  it.each(['2024-02-30T10:00:00', '2024-01-01T25:00:00', '2024-01-01', 'soon', ''])('%j is none', (text) => {
    expect(messageOf(looseTime.safeParse(text))).toContain('is not a time such as')
  })

  it.each(['1969-12-31T23:59:59', '1969-12-31T23:59:59Z'])('%j lies before all years', (text) => {
    expect(messageOf(looseTime.safeParse(text))).toBe('must lie in the years 1970 to 9999')
  })
})

describe('a JSON object', () => {
  it('is taken as it is', () => {
    const params = { a: { b: [1, null] } }
    expect(jsonObject.parse(params)).toBe(params)
  })

  it.each([null, [], [1], 'a', 1, true, undefined])('%j is none', (value) => {
    expect(messageOf(jsonObject.safeParse(value))).toBe('must be an object')
  })
})
