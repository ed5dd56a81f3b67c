import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { resolveMisfire } from '../src/index.ts'
import { cronIn, fireTimesOf } from './schedules.ts'

const minute = 60_000
const hour = 60 * minute
const noon = Date.UTC(2026, 0, 15, 12)
const rule = { afterMs: minute, withinMs: hour }
const everyFive = cronIn('UTC', '*/5 * * * *')
const at = (hours: number, minutes = 0, seconds = 0) => Date.UTC(2026, 0, 15, hours, minutes, seconds)

describe('the misfire rule for late fire times', () => {
  it('changes nothing while nothing is late', () => {
    expect(resolveMisfire(everyFive, noon, noon - hour, rule)).toEqual({ missed: null, fireAt: null, nextFireAt: noon })
    expect(resolveMisfire(everyFive, noon, noon + minute - 1, rule)).toEqual({
      missed: null,
      fireAt: null,
      nextFireAt: noon,
    })
  })

  it('runs a single late one, from the moment it is late', () => {
    expect(resolveMisfire(everyFive, noon, noon + minute, rule)).toEqual({
      missed: null,
      fireAt: noon,
      nextFireAt: at(12, 5),
    })
  })

  it('runs the newest of several and records the others as one range', () => {
    expect(resolveMisfire(everyFive, at(11), at(11, 17), rule)).toEqual({
      missed: { from: at(11), to: at(11, 10), count: 3 },
      fireAt: at(11, 15),
      nextFireAt: at(11, 20),
    })
  })

  it('leaves alone what is due but not yet late', () => {
    expect(resolveMisfire(everyFive, at(11), at(11, 15, 59), rule)).toEqual({
      missed: { from: at(11), to: at(11, 5), count: 2 },
      fireAt: at(11, 10),
      nextFireAt: at(11, 15),
    })
  })

  it('still runs the newest late one exactly at the bound of its age', () => {
    const daily = cronIn('UTC', '0 12 * * *')
    expect(resolveMisfire(daily, noon, noon + hour, rule)).toEqual({
      missed: null,
      fireAt: noon,
      nextFireAt: noon + 24 * hour,
    })
  })

  it('records all as missed when even the newest is too old', () => {
    const daily = cronIn('UTC', '0 12 * * *')
    expect(resolveMisfire(daily, noon - 48 * hour, noon + hour + 1, rule)).toEqual({
      missed: { from: noon - 48 * hour, to: noon, count: 3 },
      fireAt: null,
      nextFireAt: noon + 24 * hour,
    })
  })

  it('makes one range of a per-second cron that slept for a month', () => {
    const perSecond = cronIn('UTC', '* * * * * *')
    const from = noon - 30 * 24 * hour
    expect(resolveMisfire(perSecond, from, noon, rule)).toEqual({
      missed: { from, to: noon - minute - 1000, count: 30 * 86_400 - 60 },
      fireAt: noon - minute,
      nextFireAt: noon - minute + 1000,
    })
  })

  it('runs a one-shot however late when its rule has no bound', () => {
    const once = fireTimesOf({ kind: 'once', runAt: noon })
    const years = noon + 3 * 366 * 24 * hour
    expect(resolveMisfire(once, noon, years, { afterMs: minute, withinMs: Number.POSITIVE_INFINITY })).toEqual({
      missed: null,
      fireAt: noon,
      nextFireAt: null,
    })
    expect(resolveMisfire(once, noon, years, rule)).toEqual({
      missed: { from: noon, to: noon, count: 1 },
      fireAt: null,
      nextFireAt: null,
    })
  })

  it('counts a fire time that the schedule no longer knows, once', () => {
    const odd = at(11, 2)
    expect(resolveMisfire(everyFive, odd, at(11, 4), rule)).toEqual({
      missed: null,
      fireAt: odd,
      nextFireAt: at(11, 5),
    })
    expect(resolveMisfire(everyFive, odd, at(11, 11), rule)).toEqual({
      missed: { from: odd, to: at(11, 5), count: 2 },
      fireAt: at(11, 10),
      nextFireAt: at(11, 15),
    })
  })

  it('accounts for every late fire time once, wherever the clock stands', () => {
    const limits = fc.record({
      afterMs: fc.integer({ min: 0, max: 2 * hour }),
      withinMs: fc.integer({ min: 0, max: 5 * hour }),
    })
    const crons = fc.constantFrom('*/5 * * * *', '30 2 * * *', '0 */2 * * *', '*/20 * * * * *')
    const starts = fc.integer({ min: Date.UTC(2026, 9, 24), max: Date.UTC(2026, 9, 26) })
    fc.assert(
      fc.property(crons, starts, fc.integer({ min: 0, max: 40 * hour }), limits, (cron, start, later, limit) => {
        const times = cronIn('Europe/Berlin', cron)
        const first = times.next(start) as number
        const now = first + later
        const outcome = resolveMisfire(times, first, now, limit)
        const late = times.count(first, now - limit.afterMs)
        expect((outcome.missed?.count ?? 0) + (outcome.fireAt === null ? 0 : 1)).toBe(late)
        expect(outcome.nextFireAt).toBe(late === 0 ? first : times.next(now - limit.afterMs))
        if (outcome.fireAt !== null) expect(now - outcome.fireAt).toBeLessThanOrEqual(limit.withinMs)
        if (outcome.missed) expect(times.count(outcome.missed.from, outcome.missed.to)).toBe(outcome.missed.count)
        if (outcome.missed && outcome.fireAt !== null) expect(times.next(outcome.missed.to)).toBe(outcome.fireAt)
      }),
      { numRuns: 500 },
    )
  })
})
