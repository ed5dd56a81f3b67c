import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compileSchedule, type FireTimes, type Schedule } from '../src/index.ts'
import { cronText, cronTextOfMinutes } from './cron-text.ts'
import { dayMs, minuteMs, momentsIn } from './moments.ts'
import { coversTheDayText, localTimeAt, matches, shown, walk } from './naive.ts'
import { cronIn, fireTimesOf } from './schedules.ts'

const zones = [
  'UTC',
  'Europe/Berlin',
  'Europe/London',
  'America/New_York',
  'America/Nuuk',
  'America/Sao_Paulo',
  'Africa/Cairo',
  'Antarctica/Troll',
  'Asia/Kathmandu',
  'Asia/Pyongyang',
  'Australia/Lord_Howe',
  'Pacific/Apia',
  'Pacific/Chatham',
  'Pacific/Kwajalein',
]

const cronCases = (cron: fc.Arbitrary<string>) =>
  fc
    .constantFrom(...zones)
    .chain((zone) => fc.record({ zone: fc.constant(zone), cron, from: momentsIn(zone, minuteMs) }))
    .filter(({ cron: text, zone }) => !('issue' in compileSchedule({ kind: 'cron', cron: text, timezone: zone }, '')))

const intervals = fc
  .record({ everyMs: fc.integer({ min: 1, max: 400 * dayMs }), anchorAt: fc.integer({ min: 0, max: 2e12 }) })
  .map(({ everyMs, anchorAt }): Schedule => ({ kind: 'interval', everyMs, anchorAt }))

const scheduleCases: fc.Arbitrary<{ times: FireTimes; from: number }> = fc.oneof(
  { weight: 3, arbitrary: cronCases(cronText).map(({ zone, cron, from }) => ({ times: cronIn(zone, cron), from })) },
  {
    weight: 1,
    arbitrary: fc.record({
      times: intervals.map((interval) => fireTimesOf(interval)),
      from: fc.integer({ min: -1000, max: 2e12 }),
    }),
  },
)

describe('the fire times of a cron', () => {
  it('are those that a walk along the clock finds, minute by minute', () => {
    fc.assert(
      fc.property(cronCases(cronTextOfMinutes), ({ zone, cron, from }) => {
        const to = from + 1.5 * dayMs
        const times = cronIn(zone, cron)
        const fires = times.nextMany(from - 1, times.count(from, to))
        expect(fires).toEqual(walk(cron, zone, from, to, minuteMs))
      }),
      { numRuns: 80 },
    )
  }, 30_000)

  it('show a local time that the fields ask for, or come right after a jump over one', () => {
    fc.assert(
      fc.property(cronCases(cronText), ({ zone, cron, from }) => {
        for (const fireAt of cronIn(zone, cron).nextMany(from, 10)) {
          const local = localTimeAt(fireAt, zone)
          if (matches(cron, shown(local))) continue
          const before = localTimeAt(fireAt - 1000, zone) + 1000
          expect(coversTheDayText(cron)).toBe(false)
          expect(local).toBeGreaterThan(before)
          const skipped = Array.from({ length: (local - before) / 1000 }, (_, second) => before + second * 1000)
          expect(skipped.some((passed) => matches(cron, shown(passed)))).toBe(true)
        }
      }),
      { numRuns: 500 },
    )
  })
})

describe('any schedule', () => {
  it('fires strictly later each time, at whole milliseconds', () => {
    fc.assert(
      fc.property(scheduleCases, ({ times, from }) => {
        let after = from
        for (const fireAt of times.nextMany(from, 20)) {
          expect(fireAt).toBeGreaterThan(after)
          expect(Number.isInteger(fireAt)).toBe(true)
          expect(times.next(after)).toBe(fireAt)
          expect(times.next(fireAt - 1)).toBe(fireAt)
          after = fireAt
        }
      }),
      { numRuns: 500 },
    )
  })

  it('counts what a walk from one to the next finds, both ends included', () => {
    fc.assert(
      fc.property(scheduleCases, fc.integer({ min: 0, max: 60 }), ({ times, from }, n) => {
        const fires = times.nextMany(from, n + 1)
        const [first, newest] = [fires[0], fires.at(-1)]
        if (first === undefined || newest === undefined) return
        expect(times.count(first, newest)).toBe(fires.length)
        expect(times.count(first + 1, newest - 1)).toBe(Math.max(0, fires.length - 2))
        expect(times.count(from, first - 1)).toBe(times.next(from - 1) === from ? 1 : 0)
      }),
      { numRuns: 500 },
    )
  })

  it('counts a long time as the sum of its parts', () => {
    fc.assert(
      fc.property(
        scheduleCases,
        fc.array(fc.integer({ min: 0, max: 900 * dayMs }), { maxLength: 5 }),
        ({ times, from }, cuts) => {
          const ends = [...cuts, 1000 * dayMs].sort((a, b) => a - b).map((cut) => from + cut)
          let sum = 0
          let start = from
          for (const end of ends) {
            sum += times.count(start, end)
            start = end + 1
          }
          expect(sum).toBe(times.count(from, from + 1000 * dayMs))
        },
      ),
      { numRuns: 500 },
    )
  })

  it('names the newest fire time of a period: none follows within it', () => {
    fc.assert(
      fc.property(scheduleCases, fc.integer({ min: 0, max: 900 * dayMs }), ({ times, from }, length) => {
        const upTo = from + length
        const newest = times.last(from, upTo)
        if (newest === null) {
          expect(times.count(from, upTo)).toBe(0)
          return
        }
        expect(newest).toBeGreaterThanOrEqual(from)
        expect(newest).toBeLessThanOrEqual(upTo)
        expect(times.next(newest - 1)).toBe(newest)
        expect(times.count(newest + 1, upTo)).toBe(0)
      }),
      { numRuns: 500 },
    )
  })

  it('answers the same whatever was asked before', () => {
    fc.assert(
      fc.property(
        cronCases(cronText),
        fc.array(fc.integer({ min: 0, max: 2e12 }), { maxLength: 8 }),
        ({ zone, cron, from }, asked) => {
          const fresh = cronIn(zone, cron).nextMany(from, 3)
          const used = cronIn(zone, cron)
          for (const at of asked) used.next(at)
          expect(used.nextMany(from, 3)).toEqual(fresh)
        },
      ),
      { numRuns: 300 },
    )
  })
})
