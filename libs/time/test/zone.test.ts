import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseCron } from '../src/cron.ts'
import { cronTimes } from '../src/cron-times.ts'
import { compileSchedule, isTimeZone, localText, readZoneless } from '../src/index.ts'
import { openZone } from '../src/zone.ts'
import { localTimeAt } from './naive.ts'

describe('a time zone', () => {
  it.each(['UTC', 'Europe/Berlin', 'europe/berlin', 'Europe/Kyiv', 'US/Eastern', 'Etc/GMT+5', 'EST'])(
    '%s is known',
    (name) => {
      expect(isTimeZone(name)).toBe(true)
    },
  )

  const unknown = [
    '',
    'Z',
    '+01:00',
    '-0500',
    '01:00',
    'Europe',
    'Europe/Berlin ',
    'Mars/Olympus',
    'local',
    'a'.repeat(65),
  ]
  it.each([...unknown, '__proto__', '2026-01-01T00:00[UTC]'])('%j is not', (name) => {
    expect(isTimeZone(name)).toBe(false)
  })

  it('shows what the clocks of Intl show, at any time in any zone', () => {
    const names = fc.constantFrom(...Intl.supportedValuesOf('timeZone'))
    fc.assert(
      fc.property(names, fc.integer({ min: 0, max: Date.UTC(2100, 0, 1) / 1000 }), (name, seconds) => {
        const period = openZone(name)?.periodAt(seconds * 1000)
        expect(seconds * 1000 + (period?.offset ?? Number.NaN)).toBe(localTimeAt(seconds * 1000, name))
      }),
      { numRuns: 2000 },
    )
  })

  it('stays itself however far one asks around in it', () => {
    const zone = openZone('Europe/Berlin')
    const offsets = () => [0, 1.7e12, 1.75e12, 1e13].map((at) => zone?.periodAt(at).offset)
    const before = offsets()
    for (let year = 1900; year < 2600; year++) zone?.periodAt(Date.UTC(year, 6, 1))
    expect(offsets()).toEqual(before)
  })

  it('keeps each offset for more than a day, as the search takes for granted', () => {
    for (const name of Intl.supportedValuesOf('timeZone')) {
      let change = Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(name).getTimeZoneTransition('next')
      while (change && change.year < 2050) {
        const following = change.getTimeZoneTransition('next')
        const length = (following?.epochMilliseconds ?? Number.POSITIVE_INFINITY) - change.epochMilliseconds
        expect(length, `${change}`).toBeGreaterThan(2 * 86_400_000)
        change = following
      }
    }
  })
})

describe('local text', () => {
  it.each([
    ['2026-12-01T08:00:00Z', 'Europe/Berlin', '2026-12-01T09:00:00+01:00[Europe/Berlin]'],
    ['2026-07-01T07:00:00Z', 'europe/berlin', '2026-07-01T09:00:00+02:00[Europe/Berlin]'],
    ['2026-12-01T09:00:00.250Z', 'UTC', '2026-12-01T09:00:00.25+00:00[UTC]'],
    ['2026-12-01T09:00:00Z', 'Asia/Kathmandu', '2026-12-01T14:45:00+05:45[Asia/Kathmandu]'],
    ['2026-10-25T01:30:00Z', 'Europe/Berlin', '2026-10-25T02:30:00+01:00[Europe/Berlin]'],
  ])('of %s in %s', (at, zone, text) => {
    expect(localText(Date.parse(at), zone)).toBe(text)
  })

  it('asks for a zone that exists', () => {
    expect(() => localText(0, 'Mars/Olympus')).toThrow(RangeError)
  })
})

describe('a time without an offset', () => {
  it.each([
    ['2024-01-01T10:00:00', 'UTC', '2024-01-01T10:00:00Z'],
    ['2024-01-01 10:00', 'Europe/Berlin', '2024-01-01T09:00:00Z'],
    ['2024-07-01t10:00:00.25', 'Europe/Berlin', '2024-07-01T08:00:00.250Z'],
    // Skipped: the first moment after the jump.
    ['2026-03-29T02:30:00', 'Europe/Berlin', '2026-03-29T01:00:00Z'],
    ['2026-03-29T03:00:00', 'Europe/Berlin', '2026-03-29T01:00:00Z'],
    ['2011-12-30T12:00:00', 'Pacific/Apia', '2011-12-30T10:00:00Z'],
    ['2026-04-24T00:10:00', 'Africa/Cairo', '2026-04-23T22:00:00Z'],
    // Twice: the first.
    ['2026-10-25T02:30:00', 'Europe/Berlin', '2026-10-25T00:30:00Z'],
    ['2026-10-25T03:00:00', 'Europe/Berlin', '2026-10-25T02:00:00Z'],
    ['2026-11-01T01:00:00', 'America/New_York', '2026-11-01T05:00:00Z'],
    ['1970-01-01T00:00:00', 'Pacific/Kiritimati', '1970-01-01T10:40:00Z'],
    ['9999-12-31T23:59:59', 'America/Los_Angeles', '+010000-01-01T07:59:59Z'],
  ])('%s in %s', (text, zone, at) => {
    expect(readZoneless(text, zone)).toBe(Date.parse(at))
  })

  it('comes back as what the clock shows, unless the clock skipped it', () => {
    const zones = fc.constantFrom('UTC', 'Europe/Berlin', 'Australia/Lord_Howe', 'Pacific/Apia', 'America/Sao_Paulo')
    fc.assert(
      fc.property(zones, fc.integer({ min: 0, max: 2.2e9 }), (zone, second) => {
        const text = new Date(second * 1000).toISOString().slice(0, 19)
        const at = readZoneless(text, zone)
        expect(localTimeAt(at, zone)).toBeGreaterThanOrEqual(second * 1000)
        expect(localTimeAt(at - 1000, zone)).toBeLessThan(second * 1000)
      }),
    )
  })

  it.each(['2024-02-30T10:00:00', '2024-01-01T24:00:00', '2024-01-01', '2024-01-01T10:00:00Z', '', 'now'])(
    '%j is none',
    (text) => {
      expect(() => readZoneless(text, 'UTC')).toThrow(RangeError)
    },
  )
})

describe('the fire times of a cron until the year 9999', () => {
  const year = (n: number) => Date.UTC(n, 0, 1)
  const last = year(9999) - 1

  it.each([
    ['30 2 * * *', 'Europe/Berlin'],
    ['30 0 * * 5L', 'Africa/Cairo'],
    ['15 1,2 29 2 *', 'America/New_York'],
    ['*/20 * * * *', 'Australia/Lord_Howe'],
    ['0 2 31 3,10 *', 'Asia/Gaza'],
    ['30 1 * * 7', 'Antarctica/Troll'],
  ])('are as many as those of its years: %s in %s', (text, name) => {
    const times = compileSchedule({ kind: 'cron', cron: text, timezone: name }, '')
    if ('issue' in times) throw new Error(times.issue.detail)
    let sum = 0
    for (let n = 2026; n < 9999; n++) sum += times.count(year(n), year(n + 1) - 1)
    expect(times.count(year(2026), last)).toBe(sum)
    for (const from of [2099, 2100, 2101, 2345]) {
      const ofYears = Array.from({ length: 900 }, (_, n) => times.count(year(from + n), year(from + n + 1) - 1))
      const upTo = year(from + 900) - 1
      expect(times.count(year(from), upTo)).toBe(ofYears.reduce((total, count) => total + count, 0))
    }
  })

  it('are counted without a walk over all clock changes', () => {
    const read = parseCron('30 2 * * *', '')
    const zone = openZone('Europe/Berlin')
    if ('issue' in read || !zone) throw new Error('cannot be read')
    let periods = 0
    const periodAt = (at: number) => {
      periods += 1
      return zone.periodAt(at)
    }
    const times = cronTimes(read, { ...zone, periodAt })
    expect(times.count(year(2026), last)).toBe((year(9999) - year(2026)) / 86_400_000)
    expect(periods).toBeLessThan(2000)
  })
})
