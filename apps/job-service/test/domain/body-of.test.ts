import { type JobSpec, putJobBody } from '@belfry/contracts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bodyOf, patchedBody } from '../../src/domain/body-of.ts'
import { jobOf, monday } from '../fixtures.ts'

const spec: JobSpec = jobOf({ schedule: { kind: 'cron', cron: '0 3 * * *', timezone: 'Europe/Berlin' } }).spec

const recurrence = fc.record(
  {
    startAt: fc.integer({ min: 0, max: 4e12 }),
    endAt: fc.integer({ min: 0, max: 4e12 }),
    jitterMs: fc.integer({ min: 0, max: 86_400_000 }),
    maxRuns: fc.integer({ min: 1, max: 1e9 }),
  },
  { requiredKeys: [] },
)
const schedules = fc.oneof(
  recurrence.map((options) => ({ kind: 'cron', cron: '*/5 * * * *', timezone: 'UTC', ...options }) as const),
  fc
    .tuple(fc.integer({ min: 1000, max: 366 * 86_400_000 }), recurrence)
    .map(([everyMs, options]) => ({ kind: 'interval', everyMs, anchorAt: monday, ...options }) as const),
  fc.integer({ min: 0, max: 4e12 }).map((runAt) => ({ kind: 'once', runAt }) as const),
  fc.constant({ kind: 'manual' } as const),
)

describe('the body of a job', () => {
  it('is one that the API takes, to the millisecond, whatever the job is', () => {
    fc.assert(
      fc.property(
        schedules,
        fc.integer({ min: 1000, max: 86_400_000 }),
        fc.boolean(),
        (schedule, timeoutMs, isOverlapSet) => {
          const policy = { ...spec.policy, timeoutMs }
          const read = putJobBody.parse(bodyOf({ viewers: [], spec: { ...spec, schedule, policy, isOverlapSet } }))
          expect(read.timeout).toBe(timeoutMs)
          expect(read.overlap !== undefined).toBe(isOverlapSet)
          if (schedule.kind === 'once') expect(read.runAt).toBe(schedule.runAt)
          if (schedule.kind === 'interval') expect(read.schedule).toEqual({ every: schedule.everyMs })
          if (schedule.kind === 'cron' || schedule.kind === 'interval') {
            const { startAt, endAt, jitterMs, maxRuns } = schedule
            expect([read.startAt, read.endAt, read.jitter, read.maxRuns]).toEqual([startAt, endAt, jitterMs, maxRuns])
          }
        },
      ),
    )
  })
})

describe('a merge patch of a job', () => {
  // RFC 7396, appendix A, as far as it concerns members of an object.
  it.each([
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ])('of params %j by %j is %j', (params, patch, expected) => {
    expect(patchedBody({ viewers: [], spec: { ...spec, params } }, { params: patch }).params).toEqual(expected)
  })

  it.each([
    [{ runAt: 'x' }, { runAt: 'x' }],
    [{ delay: '1h' }, { delay: '1h' }],
    [{ scheduledTime: 'x' }, { scheduledTime: 'x' }],
    [{ schedule: '@daily' }, { schedule: '@daily' }],
    [{ schedule: { every: '1h' } }, { schedule: { every: '1h' } }],
    [{ schedule: { cron: '0 4 * * *' } }, { schedule: { cron: '0 4 * * *', timezone: 'Europe/Berlin' } }],
    [{ schedule: { timezone: null } }, { schedule: { cron: '0 3 * * *' } }],
    [{ schedule: null }, { schedule: null }],
    [{ schedule: null, runAt: 'x' }, { runAt: 'x' }],
    [{ runAt: null }, { schedule: { cron: '0 3 * * *', timezone: 'Europe/Berlin' } }],
    [
      { runAt: 'x', schedule: 'y' },
      { runAt: 'x', schedule: 'y' },
    ],
  ])('by %j says when it runs by %j', (patch, expected) => {
    const { schedule, runAt, delay, scheduledTime } = patchedBody({ viewers: [], spec }, patch)
    const given = { schedule, runAt, delay, scheduledTime }
    expect(Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))).toEqual(expected)
  })
})
