import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compileSchedule, type FireTimes, fireTimeNumber, localText, type Schedule } from '../src/index.ts'
import { jitterShiftMs } from '../src/window.ts'

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour
const noon = Date.UTC(2026, 5, 1, 12)

function compile(schedule: Schedule, seed = 'job-1'): FireTimes {
  const times = compileSchedule(schedule, seed)
  if ('issue' in times) throw new Error(times.issue.detail)
  return times
}

const hourly = { kind: 'cron', cron: '0 * * * *', timezone: 'UTC' } as const

describe('a window', () => {
  const times = compile({ ...hourly, startAt: noon, endAt: noon + 3 * hour })

  it('has the fire times at both of its ends, and none outside', () => {
    expect(times.nextMany(0, 9)).toEqual([0, 1, 2, 3].map((n) => noon + n * hour))
    expect(times.next(noon + 3 * hour)).toBeNull()
    expect(times.next(noon + 365 * day)).toBeNull()
  })

  it('counts and finds the last one without a walk', () => {
    expect(times.count(0, noon + 100 * 365 * day)).toBe(4)
    expect(times.last(0, noon + 100 * 365 * day)).toBe(noon + 3 * hour)
    expect(times.last(0, noon - 1)).toBeNull()
    expect(times.count(noon + 1, noon + 3 * hour - 1)).toBe(2)
  })

  it('may lie in the past, or be empty', () => {
    expect(compile({ ...hourly, startAt: 0 }).next(noon)).toBe(noon + hour)
    expect(compile({ ...hourly, startAt: noon + 1, endAt: noon + 2 }).next(0)).toBeNull()
  })
})

describe('jitter', () => {
  it('moves all fire times of a job by the same time, and those of other jobs by other times', () => {
    const jittered = { ...hourly, jitterMs: 10 * minute }
    const shifts = Array.from({ length: 200 }, (_, n) => (compile(jittered, `job-${n}`).next(noon) as number) % hour)
    expect(Math.max(...shifts)).toBeLessThan(10 * minute)
    expect(new Set(shifts).size).toBeGreaterThan(190)
    const times = compile(jittered).nextMany(noon, 1000)
    expect(new Set(times.map((fireAt) => fireAt % hour))).toEqual(new Set([jitterShiftMs('job-1', 10 * minute)]))
  })

  // A change of these would move every job that has a jitter.
  it.each([
    ['job-01900000-0000-7000-8000-000000000001', 600_000, 108_192],
    ['job-01900000-0000-7000-8000-000000000001', 86_400_000, 25_908_192],
    ['job-01900000-0000-7000-8000-000000000002', 1000, 959],
    ['job-1', 1, 0],
    ['job-1', 0, 0],
  ])('moves %s with a jitter of %d ms by %d ms', (id, jitterMs, shift) => {
    expect(jitterShiftMs(id, jitterMs)).toBe(shift)
  })

  it('counts from what a clock change makes of the time, and stays within the window', () => {
    const nightly = { kind: 'cron', cron: '30 2 * * *', timezone: 'Europe/Berlin', jitterMs: hour } as const
    const window = { startAt: Date.parse('2026-03-28T01:30:00Z'), endAt: Date.parse('2026-03-30T01:00:00Z') }
    const local = compile({ ...nightly, ...window })
      .nextMany(0, 9)
      .map((at) => localText(at, 'Europe/Berlin'))
    expect(local).toEqual([
      '2026-03-28T03:02:10.101+01:00[Europe/Berlin]',
      '2026-03-29T03:32:10.101+02:00[Europe/Berlin]',
    ])
  })

  it('spreads jobs evenly', () => {
    const quarters = [0, 0, 0, 0]
    for (let n = 0; n < 4000; n++) {
      const quarter = Math.floor(jitterShiftMs(`job-${n}`, 1000) / 250)
      quarters[quarter] = (quarters[quarter] as number) + 1
    }
    for (const count of quarters) expect(count).toBeGreaterThan(850)
  })

  it('goes before the window: nothing runs after its end', () => {
    const shift = jitterShiftMs('job-1', 10 * minute)
    expect(shift).toBeGreaterThan(0)
    const times = compile({ ...hourly, jitterMs: 10 * minute, startAt: noon, endAt: noon + 2 * hour })
    expect(times.nextMany(0, 9)).toEqual([noon + shift, noon + hour + shift])
  })
})

describe('the n-th fire time', () => {
  it('is found without a walk, however far away it is', () => {
    const times = compile(hourly)
    expect(fireTimeNumber(times, noon, 1)).toBe(noon + hour)
    expect(fireTimeNumber(times, noon + 1, 1_000_000)).toBe(noon + 1_000_000 * hour)
    expect(fireTimeNumber(compile({ ...hourly, endAt: noon + 3 * hour }), noon, 3)).toBe(noon + 3 * hour)
    expect(fireTimeNumber(compile({ ...hourly, endAt: noon + 3 * hour }), noon, 4)).toBeNull()
  })

  it('costs what lies before it, and not the centuries after it', () => {
    const times = compile({ kind: 'cron', cron: '30 2 * * *', timezone: 'Europe/Berlin' })
    const counted: number[] = []
    const noting: FireTimes = {
      ...times,
      count(from, to) {
        counted.push(to - from)
        return times.count(from, to)
      },
    }
    for (const [number, days] of [
      [1, 2],
      [10, 32],
      [1000, 4096],
    ] as const) {
      counted.length = 0
      const found = fireTimeNumber(noting, noon, number) ?? Number.NaN
      expect([times.count(noon + 1, found), times.count(noon + 1, found - 1)]).toEqual([number, number - 1])
      expect(counted.reduce((sum, span) => sum + span, 0)).toBeLessThan(days * 24 * hour)
    }
  })
})

describe('any schedule with options', () => {
  const schedules = fc.oneof(
    fc
      .constantFrom('*/7 * * * *', '30 2 * * *', '0 */2 * * *', '59 23 * * *', '0 0 * * MON')
      .map((cron): Schedule => ({ kind: 'cron', cron, timezone: 'Europe/Berlin' })),
    fc.integer({ min: 1000, max: day }).map((everyMs): Schedule => ({ kind: 'interval', everyMs, anchorAt: noon })),
  )
  const moments = fc.integer({ min: noon - 20 * day, max: noon + 200 * day })
  const optional = <T>(values: fc.Arbitrary<T>) => fc.option(values, { nil: undefined })
  const options = fc.record({
    startAt: optional(moments),
    endAt: optional(moments),
    jitterMs: optional(fc.integer({ min: 0, max: day })),
  })

  it('has the fire times of the schedule alone, moved, as far as they are in the window', () => {
    fc.assert(
      fc.property(schedules, options, moments, fc.integer({ min: 0, max: 3 * day }), (schedule, some, from, span) => {
        const to = from + span
        const bare = compile(schedule)
        const times = compile({ ...schedule, ...some } as Schedule)
        const shift = jitterShiftMs('job-1', some.jitterMs ?? 0)
        const naive = bare
          .nextMany(from - shift - 1, bare.count(from - shift, to - shift))
          .map((fireAt) => fireAt + shift)
          .filter((fireAt) => fireAt <= to && fireAt >= (some.startAt ?? 0) && fireAt <= (some.endAt ?? to))
        expect(times.count(from, to)).toBe(naive.length)
        expect(times.last(from, to)).toBe(naive.at(-1) ?? null)
        const next = times.next(from - 1)
        expect(next !== null && next <= to ? next : undefined).toBe(naive[0])
      }),
      { numRuns: 200 },
    )
  })
})
