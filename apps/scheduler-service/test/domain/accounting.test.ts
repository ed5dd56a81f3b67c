import type { JobChange, MisfirePolicy, ScheduleSpec } from '@belfry/contracts'
import fc from 'fast-check'
import { describe, it } from 'vitest'
import type { Rules } from '../../src/domain/schedule-record.ts'
import { everyMinute, everySecond, hour, minute, noon, second } from '../fixtures.ts'
import { change, failures, play, wait, waits } from './accounts.ts'

const oneShots = fc
  // A few of them come again and again, as when a change of a schedule is undone.
  .oneof(fc.integer({ min: -60, max: 300 }), fc.constantFrom(-40, 20, 100))
  // At an odd moment, so that it is not at the same time a fire time of another version.
  .map((s): ScheduleSpec => ({ kind: 'once', runAt: noon + s * 1000 + 517 }))
const recurring = fc.oneof(
  fc.constantFrom(everySecond, everyMinute),
  fc
    .integer({ min: 1500, max: 20_000 })
    .map((everyMs): ScheduleSpec => ({ kind: 'interval', everyMs, anchorAt: noon + 1 })),
)
const schedules = fc.oneof({ weight: 2, arbitrary: recurring }, oneShots, fc.constant<ScheduleSpec>({ kind: 'manual' }))

const moments = fc.integer({ min: -20, max: 400 }).map((s) => noon + s * second)
const optional = <T>(values: fc.Arbitrary<T>) => fc.option(values, { nil: undefined, freq: 2 })
/** Recurring schedules with options, and others. */
const withOptions = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .tuple(
        recurring,
        fc.record({
          startAt: optional(moments),
          endAt: optional(moments),
          maxRuns: optional(fc.integer({ min: 1, max: 40 })),
          jitterMs: optional(fc.integer({ min: 0, max: minute })),
        }),
      )
      .map(([schedule, options]) => ({ ...schedule, ...options }) as ScheduleSpec),
  },
  schedules,
)
const policies = fc.record<MisfirePolicy>({
  policy: fc.constantFrom('run-once', 'run-all', 'skip'),
  withinMs: fc.constantFrom(0, 90 * second, hour),
  cap: fc.integer({ min: 1, max: 120 }),
})

const changesTo = (to: fc.Arbitrary<ScheduleSpec>) =>
  fc.oneof(
    fc.constantFrom<JobChange['kind']>('pause', 'resume', 'resume').map((kind) => change(kind)),
    fc.tuple(to, optional(policies)).map(([schedule, misfire]) => change('update', schedule, misfire)),
    fc.constant(change('update')),
  )
const lastChange = fc.option(
  fc.constantFrom<JobChange['kind']>('cancel', 'delete').map((kind) => change(kind)),
  { nil: wait(1) },
)

const runs = { numRuns: 300 }
const long = { maxLength: 60, size: 'max' } as const
const neverLate: Partial<Rules> = {
  misfire: { afterMs: Number.MAX_SAFE_INTEGER / 4, withinMs: Number.MAX_SAFE_INTEGER / 4 },
}

describe('every fire time has one outcome', () => {
  it('while a job is changed, paused and resumed in any order with the bus and the scheduler', () => {
    const acts = fc.array(
      fc.oneof(
        { weight: 2, arbitrary: changesTo(schedules) },
        { weight: 5, arbitrary: failures },
        { weight: 4, arbitrary: waits(4000) },
      ),
      long,
    )
    fc.assert(
      fc.property(schedules, acts, lastChange, (schedule, some, last) => play([schedule], [...some, last], neverLate)),
      runs,
    )
  })

  it('while a scheduler comes back late, again and again, to a job that may be cancelled', () => {
    const acts = fc.array(
      fc.oneof({ weight: 5, arbitrary: failures }, { weight: 2, arbitrary: waits(4000) }, waits(10 * minute)),
      long,
    )
    fc.assert(
      fc.property(schedules, acts, lastChange, acts, (schedule, before, last, after) =>
        play([schedule], [...before, last, ...after], {}),
      ),
      runs,
    )
  })

  it('also with room for two commands and one range only', () => {
    const acts = fc.array(fc.oneof({ weight: 5, arbitrary: failures }, { weight: 3, arbitrary: waits(4000) }), long)
    fc.assert(
      fc.property(schedules, optional(policies), acts, (schedule, misfire, some) =>
        play([schedule, misfire], some, { pendingLimit: 2, fireLogOutboxLimit: 1 }),
      ),
      runs,
    )
  })

  it('while a scheduler that is late, and whose clock is set back, learns of changes of schedules, options and policies', () => {
    const acts = fc.array(
      fc.oneof(
        { weight: 4, arbitrary: changesTo(withOptions) },
        { weight: 10, arbitrary: failures },
        { weight: 6, arbitrary: waits(4000) },
        { weight: 2, arbitrary: waits(5 * minute) },
        fc.integer({ min: 1, max: 90 }).map((s) => wait(-s * second)),
      ),
      long,
    )
    const pendingLimits = fc.constantFrom(3, 64)
    fc.assert(
      fc.property(withOptions, optional(policies), acts, lastChange, pendingLimits, (...drawn) => {
        const [schedule, misfire, some, last, pendingLimit] = drawn
        play([schedule, misfire], [...some, last], { pendingLimit })
      }),
      { numRuns: 600 },
    )
  })
})
