import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type LateSegment, type MisfireRule, resolveMisfire, segmentUpTo } from '../src/index.ts'
import { cronIn } from './schedules.ts'

const minute = 60_000
const hour = 60 * minute
const noon = Date.UTC(2026, 0, 15, 12)
const runOnce: MisfireRule = { policy: 'run-once', withinMs: hour, cap: 100 }
const runAll: MisfireRule = { ...runOnce, policy: 'run-all' }
const skip: MisfireRule = { ...runOnce, policy: 'skip' }
const everyFive = cronIn('UTC', '*/5 * * * *')
const daily = cronIn('UTC', '0 12 * * *')
const at = (hours: number, minutes = 0, seconds = 0) => Date.UTC(2026, 0, 15, hours, minutes, seconds)

/** What is late is a minute old. */
const resolve = (times: typeof daily, nextFireAt: number, now: number, rule: MisfireRule) =>
  resolveMisfire(times, nextFireAt, { lateUpTo: now - minute, now }, rule)

describe('the misfire rule', () => {
  it('decides on nothing while nothing is late', () => {
    expect(resolve(everyFive, noon, noon - hour, runOnce)).toEqual([])
    expect(resolve(everyFive, noon, noon + minute - 1, runOnce)).toEqual([])
  })

  it('runs a single late one, from the moment it is late, unless the policy is skip', () => {
    const one = { from: noon, to: noon, count: 1 }
    expect(resolve(everyFive, noon, noon + minute, runOnce)).toEqual([{ ...one, outcome: 'run' }])
    expect(resolve(everyFive, noon, noon + minute, runAll)).toEqual([{ ...one, outcome: 'run' }])
    expect(resolve(everyFive, noon, noon + minute, skip)).toEqual([{ ...one, outcome: 'overdue' }])
  })

  it('runs the newest of several, and misses the others as one range', () => {
    expect(resolve(everyFive, at(11), at(11, 17), runOnce)).toEqual([
      { from: at(11), to: at(11, 10), count: 3, outcome: 'overdue' },
      { from: at(11, 15), to: at(11, 15), count: 1, outcome: 'run' },
    ])
  })

  it('leaves alone what is due but not yet late', () => {
    expect(resolve(everyFive, at(11), at(11, 15, 59), runOnce).at(-1)?.to).toBe(at(11, 10))
  })

  it('runs all of them, the oldest first, up to the cap', () => {
    expect(resolve(everyFive, at(11), at(11, 17), { ...runAll, cap: 4 })).toEqual([
      { from: at(11), to: at(11, 15), count: 4, outcome: 'run' },
    ])
    expect(resolve(everyFive, at(11), at(11, 17), { ...runAll, cap: 3 })).toEqual([
      { from: at(11), to: at(11, 10), count: 3, outcome: 'run' },
      { from: at(11, 15), to: at(11, 15), count: 1, outcome: 'over-cap' },
    ])
    expect(resolve(everyFive, at(11), at(11, 17), { ...runAll, cap: 1 })[0]).toMatchObject({ to: at(11), count: 1 })
  })

  it('misses what is too old, and goes by the policy for the rest', () => {
    const old = { from: at(10), to: at(10, 15), count: 4, outcome: 'too-old' }
    expect(resolve(everyFive, at(10), at(11, 17), runOnce)).toEqual([
      old,
      { from: at(10, 20), to: at(11, 10), count: 11, outcome: 'overdue' },
      { from: at(11, 15), to: at(11, 15), count: 1, outcome: 'run' },
    ])
    expect(resolve(everyFive, at(10), at(11, 17), runAll)).toEqual([
      old,
      { from: at(10, 20), to: at(11, 15), count: 12, outcome: 'run' },
    ])
    expect(resolve(everyFive, at(10), at(11, 17), skip)).toEqual([
      { from: at(10), to: at(11, 15), count: 16, outcome: 'overdue' },
    ])
  })

  it('still runs one exactly at the bound of its age', () => {
    const [first] = resolve(daily, noon, noon + hour, runOnce)
    expect(first).toMatchObject({ outcome: 'run' })
    expect(resolve(daily, noon - 48 * hour, noon + hour + 1, runOnce)).toEqual([
      { from: noon - 48 * hour, to: noon, count: 3, outcome: 'too-old' },
    ])
  })

  it('makes one range of a per-second cron that slept for a month', () => {
    const perSecond = cronIn('UTC', '* * * * * *')
    const from = noon - 30 * 24 * hour
    expect(resolve(perSecond, from, noon, skip)).toEqual([
      { from, to: noon - minute, count: 30 * 86_400 - 59, outcome: 'overdue' },
    ])
  })

  it('counts a fire time that the schedule no longer knows, once', () => {
    const odd = at(11, 2)
    expect(resolve(everyFive, odd, at(11, 4), runOnce)).toEqual([{ from: odd, to: odd, count: 1, outcome: 'run' }])
    expect(resolve(everyFive, odd, at(11, 11), runOnce)).toEqual([
      { from: odd, to: at(11, 5), count: 2, outcome: 'overdue' },
      { from: at(11, 10), to: at(11, 10), count: 1, outcome: 'run' },
    ])
  })
})

describe('a segment that a change cuts', () => {
  const whole: LateSegment = { from: at(11), to: at(11, 15), count: 4, outcome: 'run' }

  it('keeps what is not later than the change', () => {
    expect(segmentUpTo(everyFive, whole, at(11, 15))).toBe(whole)
    expect(segmentUpTo(everyFive, whole, at(11, 14))).toEqual({ ...whole, to: at(11, 10), count: 3 })
    expect(segmentUpTo(everyFive, whole, at(11))).toEqual({ ...whole, to: at(11), count: 1 })
    expect(segmentUpTo(everyFive, whole, at(11) - 1)).toBeNull()
  })
})

describe('any misfire rule', () => {
  const rules = fc.record({
    policy: fc.constantFrom('run-once' as const, 'run-all' as const, 'skip' as const),
    withinMs: fc.integer({ min: 0, max: 5 * hour }),
    cap: fc.integer({ min: 1, max: 20 }),
  })
  const crons = fc.constantFrom('*/5 * * * *', '30 2 * * *', '0 */2 * * *', '*/20 * * * * *')
  const starts = fc.integer({ min: Date.UTC(2026, 9, 24), max: Date.UTC(2026, 9, 26) })

  it('gives every late fire time the outcome that a naive model gives it, wherever the clock stands', () => {
    const cases = [crons, starts, fc.integer({ min: 0, max: 12 * hour }), rules] as const
    fc.assert(
      fc.property(...cases, (cron, start, later, rule) => {
        const times = cronIn('Europe/Berlin', cron)
        const first = times.next(start) as number
        const now = first + later
        const late = [first, ...times.nextMany(first, 5000)].filter((fireAt) => fireAt <= now - minute)
        const young = late.filter((fireAt) => now - fireAt <= rule.withinMs)
        const naive = (fireAt: number) => {
          if (rule.policy === 'skip') return 'overdue'
          if (!young.includes(fireAt)) return 'too-old'
          if (rule.policy === 'run-once') return fireAt === late.at(-1) ? 'run' : 'overdue'
          return young.indexOf(fireAt) < rule.cap ? 'run' : 'over-cap'
        }
        const found = resolve(times, first, now, rule).flatMap(({ from, to, count, outcome }) => {
          const inside = late.filter((fireAt) => from <= fireAt && fireAt <= to)
          expect(inside).toHaveLength(count)
          expect([inside[0], inside.at(-1)]).toEqual([from, to])
          return inside.map((fireAt) => [fireAt, outcome])
        })
        expect(found).toEqual(late.map((fireAt) => [fireAt, naive(fireAt)]))
      }),
      { numRuns: 300 },
    )
  })
})
