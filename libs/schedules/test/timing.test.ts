import { createJobBody, scheduleSpec } from '@belfry/contracts'
import { describe, expect, it } from 'vitest'
import { compileTiming, type Misread, type Timing } from '../src/index.ts'

/** 2026-06-01T12:00:00Z. */
const noon = Date.UTC(2026, 5, 1, 12)
const minute = 60_000
const context = { createdAt: noon, timezone: 'UTC', jobId: 'job-1' }
const iso = (at: number) => new Date(at).toISOString()

function read(body: Record<string, unknown>): Timing | Misread {
  return compileTiming(createJobBody.parse({ jobType: 'DUMMY', ...body }), context)
}

function timingOf(body: Record<string, unknown>): Timing {
  const timing = read(body)
  if ('issues' in timing) throw new Error(JSON.stringify(timing.issues))
  return timing
}

function issuesOf(body: Record<string, unknown>) {
  const timing = read(body)
  return 'issues' in timing ? timing.issues.map(({ pointer, code }) => [pointer, code]) : null
}

describe('the options of a recurring schedule', () => {
  it('become parts of it, in a form that the services hand each other', () => {
    const options = { startAt: iso(noon + minute), endAt: iso(noon + 60 * minute), maxRuns: 3, jitter: '30s' }
    const { schedule } = timingOf({ schedule: '*/5 * * * *', ...options })
    expect(schedule).toEqual({
      kind: 'cron',
      cron: '*/5 * * * *',
      timezone: 'UTC',
      startAt: noon + minute,
      endAt: noon + 60 * minute,
      maxRuns: 3,
      jitterMs: 30_000,
    })
    expect(scheduleSpec.parse(schedule)).toEqual(schedule)
  })

  it('are absent from a schedule that sets none', () => {
    expect(timingOf({ schedule: '@hourly' })).not.toHaveProperty('misfire')
    expect(timingOf({ schedule: '@hourly', jitter: '0s' }).schedule).toEqual({
      kind: 'cron',
      cron: '@hourly',
      timezone: 'UTC',
    })
  })

  it('anchor an interval at its startAt, which is its first fire time', () => {
    const startAt = noon + 7 * minute + 1
    const { schedule, times } = timingOf({ schedule: { every: '10m' }, startAt: iso(startAt) })
    expect(schedule).toEqual({ kind: 'interval', everyMs: 10 * minute, anchorAt: startAt, startAt })
    expect(times?.nextMany(noon, 2)).toEqual([startAt, startAt + 10 * minute])
    const before = timingOf({ schedule: '@every 10m', startAt: iso(noon - 3 * minute) })
    expect(before.times?.next(noon)).toBe(noon + 7 * minute)
  })

  it('fill a misfire policy up with the defaults', () => {
    const misfireOf = (misfire: object) => timingOf({ schedule: '@hourly', misfire }).misfire
    expect(misfireOf({})).toEqual({ policy: 'run-once', withinMs: 3_600_000, cap: 100 })
    expect(misfireOf({ policy: 'run-all', cap: 5 })).toEqual({ policy: 'run-all', withinMs: 3_600_000, cap: 5 })
    expect(misfireOf({ within: '0s' })).toEqual({ policy: 'run-once', withinMs: 0, cap: 100 })
  })

  it('leave no fire time: that is impossible, and names the end', () => {
    const impossibleOf = (body: object) =>
      timingOf({ schedule: '0 13 * * *', ...body }).impossible.map(({ pointer, code }) => [pointer, code])
    expect(impossibleOf({ endAt: iso(noon + 60 * minute) })).toEqual([])
    expect(impossibleOf({ endAt: iso(noon + 59 * minute) })).toEqual([['/endAt', 'never-fires']])
    expect(impossibleOf({ startAt: iso(noon + 60 * minute), endAt: iso(noon + 60 * minute) })).toEqual([
      ['/endAt', 'out-of-range'],
    ])
    expect(timingOf({ schedule: '0 13 * * *', endAt: iso(noon) }).impossible[0]?.detail).toBe(
      'leaves no fire time: the first one would be at 2026-06-01T13:00:00.000Z',
    )
  })
})

describe('an option that the kind of schedule does not take', () => {
  it.each([
    [{ runAt: iso(noon + minute), maxRuns: 2 }, ['/maxRuns']],
    [
      { delay: '1m', startAt: iso(noon), endAt: iso(noon), jitter: '1s', misfire: {} },
      ['/startAt', '/endAt', '/jitter', '/misfire'],
    ],
    [{ schedule: '@hourly', expiresAfter: '1h' }, ['/expiresAfter']],
    [{ maxRuns: 1, expiresAfter: '1h' }, ['/maxRuns', '/expiresAfter']],
  ])('is named: %j', (body, pointers) => {
    expect(issuesOf(body)).toEqual(pointers.map((pointer) => [pointer, 'not-applicable']))
  })

  it('is named with what to write instead', () => {
    const answer = read({ schedule: '@hourly', expiresAfter: '1h' }) as Misread
    expect(answer.issues[0]?.detail).toBe(
      'a recurring job has no expiresAfter: how late its runs may start is "misfire": {"within": "10m"}',
    )
  })

  it('is named beside a schedule that cannot be read', () => {
    expect(issuesOf({ schedule: '61 * * * *', expiresAfter: '1h' })).toEqual([
      ['/schedule', 'out-of-range'],
      ['/expiresAfter', 'not-applicable'],
    ])
  })
})

describe('other values', () => {
  it('take the time after which a one-shot expires', () => {
    expect(timingOf({ delay: '1m', expiresAfter: '5m' }).expiresAfterMs).toBe(5 * minute)
    expect(timingOf({ delay: '1m' })).not.toHaveProperty('expiresAfterMs')
  })

  it('warn of a one-shot that has expired already, which does not run at once', () => {
    const warningsOf = (runAt: number) =>
      timingOf({ runAt: iso(runAt), expiresAfter: '5m' }).warnings.map(({ code }) => code)
    expect(warningsOf(noon - 5 * minute)).toEqual(['in-the-past'])
    expect(warningsOf(noon - 5 * minute - 1)).toEqual(['expired'])
  })

  it('refuse a jitter that would move runs to other days', () => {
    expect(issuesOf({ schedule: '@daily', jitter: '24h' })).toBeNull()
    expect(issuesOf({ schedule: '@daily', jitter: '86400001ms' })).toEqual([['/jitter', 'out-of-range']])
  })
})
