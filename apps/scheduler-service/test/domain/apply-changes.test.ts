import type { ScheduleSpec } from '@belfry/contracts'
import { describe, expect, it } from 'vitest'
import { advance, type Compile } from '../../src/domain/advance.ts'
import { applyChanges } from '../../src/domain/apply-changes.ts'
import { commandOf, dueAt, type Rules, type ScheduleRecord } from '../../src/domain/schedule-record.ts'
import {
  changesOf,
  compile,
  everyMinute,
  everySecond,
  horizon,
  hour,
  minute,
  noon,
  once,
  rules,
  type Step,
  second,
} from '../fixtures.ts'

const at = (offset: number) => noon + offset
const twice: ScheduleSpec = { kind: 'cron', cron: '* * * * * *', timezone: 'UTC', maxRuns: 2 }

function apply(known: ScheduleRecord | null, steps: readonly Step[], now: number, some: Partial<Rules> = {}) {
  return applyChanges(known, changesOf(steps), now, compile, { ...rules, ...some }, horizon)
}

function applied(known: ScheduleRecord | null, steps: readonly Step[], now: number): ScheduleRecord {
  const answer = apply(known, steps, now)
  if (answer.outcome !== 'applied') throw new Error(answer.outcome)
  return answer.record
}

/** Created at noon and advanced up to `offset`, with every command still unanswered. */
function running(schedule: NonNullable<Step[2]>, offset: number): ScheduleRecord {
  return advance(applied(null, [['create', noon, schedule]], noon), at(offset), compile, rules)
}

const commands = (record: ScheduleRecord) =>
  record.pending.map((command) => [command.fireAt - noon, command.version, commandOf(record, command).params.name])

describe('a job without a record', () => {
  it('begins with the first fire time after its creation', () => {
    const record = applied(null, [['create', at(30 * second), everyMinute]], at(31 * second))
    expect(record).toMatchObject({ version: 1, state: 'active', nextFireAt: at(minute), lastFireAt: null, fired: 0 })
  })

  it('runs its one-shot although its time has passed', () => {
    expect(applied(null, [['create', noon, once(at(-hour))]], noon).nextFireAt).toBe(at(-hour))
  })

  it('that was cancelled meanwhile runs nothing, and the log says why', () => {
    const record = applied(
      null,
      [
        ['create', noon, everyMinute],
        ['cancel', at(3 * minute)],
      ],
      at(4 * minute),
    )
    expect(record).toMatchObject({ version: 2, state: 'cancelled', nextFireAt: null, pending: [] })
    expect(record.fireLogOutbox).toEqual([
      { from: at(minute), to: at(3 * minute), count: 3, decision: 'skipped', reason: 'cancelled', version: 1 },
    ])
  })

  it('that was cancelled before its one-shot was due leaves nothing at all', () => {
    const record = applied(
      null,
      [
        ['create', noon, once(at(hour))],
        ['cancel', at(minute)],
      ],
      at(minute),
    )
    expect(record).toMatchObject({ state: 'cancelled', nextFireAt: null, fireLogOutbox: [], pending: [] })
    expect(dueAt(record, rules)).toBeNull()
  })

  it('that was changed meanwhile runs the fire times of the first version as the newest', () => {
    const steps: Step[] = [
      ['create', noon, everySecond],
      ['update', at(2500), everyMinute],
    ]
    const record = applied(null, steps, at(3 * second))
    expect(commands(record)).toEqual([
      [1000, 2, 'version 2'],
      [2000, 2, 'version 2'],
    ])
    expect(record.nextFireAt).toBe(at(minute))
  })
})

describe('a change of a job with a record', () => {
  it('still issues what was due before it, as the version before', () => {
    const known = running(everySecond, 0)
    const record = applied(
      known,
      [
        ['create', noon, everySecond],
        ['update', at(6500), everyMinute],
      ],
      at(7 * second),
    )
    expect(commands(record)).toEqual([1, 2, 3, 4, 5, 6].map((n) => [n * second, 1, 'version 1']))
    expect(record).toMatchObject({ version: 2, nextFireAt: at(minute), lastFireAt: at(6 * second), fired: 6 })
  })

  it('takes back what was issued for after it', () => {
    const known = running(everySecond, 5 * second)
    expect(known).toMatchObject({ fired: 9, lastFireAt: at(9 * second) })
    const record = applied(
      known,
      [
        ['create', noon, everySecond],
        ['cancel', at(6 * second)],
      ],
      at(6 * second + 3),
    )
    expect(commands(record).map(([offset]) => offset)).toEqual([1, 2, 3, 4, 5, 6].map((n) => n * second))
    expect(record).toMatchObject({ state: 'cancelled', nextFireAt: null, fired: 6, lastFireAt: at(6 * second) })
  })

  it('leaves issued what it may have started, when an update was never seen and the newest version pauses the job', () => {
    const record = running(everyMinute, minute)
    const steps: Step[] = [
      ['create', noon, everyMinute],
      ['update', at(1)],
      ['pause', at(3 * minute)],
    ]
    const after = applied(record, steps, at(3 * minute))
    // The executors have the command of version 1, which the pause closes unless it has started: its execution is the outcome.
    expect(commands(after).map(([fireAt, version]) => [fireAt, version])).toEqual([[minute, 1]])
    expect(after.fireLogOutbox).toEqual([
      { from: at(2 * minute), to: at(3 * minute), count: 2, decision: 'skipped', reason: 'paused', version: 2 },
    ])
    expect(applied(null, steps, at(3 * minute)).fireLogOutbox).toMatchObject([
      { from: at(minute), to: at(3 * minute), count: 3 },
    ])
  })

  it('logs nothing after the last run that an update allows, when the update was never seen and the job is cancelled', () => {
    const record = running(everySecond, 0)
    const steps: Step[] = [
      ['create', noon, everySecond],
      ['update', at(1500), twice],
      ['cancel', at(60 * second)],
    ]
    const { pending } = record
    const after = applied(
      { ...record, pending: pending.slice(0, 2), fired: 2, lastFireAt: at(2 * second), nextFireAt: at(3 * second) },
      steps,
      at(60 * second),
    )
    expect(after).toMatchObject({ nextFireAt: null, fireLogOutbox: [] })
  })

  it('logs what an update allows after the last run of the version before, when it was never seen and the job is cancelled', () => {
    const record = running(twice, 0)
    expect(record).toMatchObject({ nextFireAt: null, lastFireAt: at(2 * second) })
    const steps: Step[] = [
      ['create', noon, twice],
      ['update', at(500), everySecond],
      ['cancel', at(5 * second)],
    ]
    expect(applied(record, steps, at(5 * second)).fireLogOutbox).toMatchObject([
      { from: at(3 * second), to: at(5 * second), count: 3, decision: 'skipped', version: 2 },
    ])
  })

  it('does not decide again on a one-shot that comes back after another schedule', () => {
    const steps: Step[] = [
      ['create', noon, once(at(-30 * second))],
      ['update', at(1), everySecond],
      ['update', at(10 * second), once(at(-30 * second))],
      ['cancel', at(20 * second)],
    ]
    const fired = advance(applied(null, steps.slice(0, 2), at(2)), at(2), compile, rules)
    expect(fired).toMatchObject({ lastFireAt: at(4 * second), oneShots: [at(-30 * second)] })
    const again = applied(fired, steps.slice(0, 3), at(10 * second))
    expect(again).toMatchObject({ nextFireAt: null })
    const ranges = applied(fired, steps, at(20 * second)).fireLogOutbox
    expect(ranges.filter(({ from }) => from < noon)).toEqual([])
  })

  it('takes a one-shot back and issues it again as the newer version', () => {
    const known = running(once(at(3 * second)), 0)
    const record = applied(
      known,
      [
        ['create', noon, once(at(3 * second))],
        ['update', at(second)],
      ],
      at(second),
    )
    expect(record).toMatchObject({
      pending: [],
      nextFireAt: at(3 * second),
      lastFireAt: null,
      fired: 0,
      olderSpecs: [],
    })
  })

  it('does not run a one-shot again that was due before it', () => {
    const known = running(once(at(3 * second)), 0)
    const record = applied(
      known,
      [
        ['create', noon, once(at(3 * second))],
        ['update', at(4 * second)],
      ],
      at(4 * second),
    )
    expect(commands(record)).toEqual([[3000, 1, 'version 1']])
    expect(record.nextFireAt).toBeNull()
  })

  it('decides by the misfire rule on what is overdue of the version before', () => {
    const known = running(everyMinute, 0)
    const steps: Step[] = [
      ['create', noon, everyMinute],
      ['cancel', at(10 * minute)],
    ]
    const record = applied(known, steps, at(20 * minute))
    expect(commands(record)).toEqual([[10 * minute, 1, 'version 1']])
    expect(record.fireLogOutbox).toMatchObject([{ from: at(minute), to: at(9 * minute), count: 9, decision: 'missed' }])
    const late = applied(known, steps, at(3 * hour))
    expect(commands(late)).toEqual([])
    expect(late.fireLogOutbox).toMatchObject([{ from: at(minute), to: at(10 * minute), count: 10, decision: 'missed' }])
  })

  it('waits until its commands have room', () => {
    const known = running(everySecond, 0)
    const steps: Step[] = [
      ['create', noon, everySecond],
      ['cancel', at(9 * second)],
    ]
    expect(apply(known, steps, at(9 * second), { pendingLimit: 8 })).toEqual({ outcome: 'no-room' })
    expect(apply(known, steps, at(9 * second), { pendingLimit: 9 })).toMatchObject({ outcome: 'applied' })
  })

  it('waits until its range has room', () => {
    const known = running(everyMinute, 0)
    const steps: Step[] = [
      ['create', noon, everyMinute],
      ['cancel', at(9 * minute)],
    ]
    expect(apply(known, steps, at(12 * minute), { fireLogOutboxLimit: 0 })).toEqual({ outcome: 'no-room' })
  })

  it('is not applied twice, and an older one not at all', () => {
    const cancelled = applied(
      null,
      [
        ['create', noon, everyMinute],
        ['cancel', at(minute)],
      ],
      at(minute),
    )
    expect(
      apply(
        cancelled,
        [
          ['create', noon, everyMinute],
          ['cancel', at(minute)],
        ],
        at(hour),
      ),
    ).toEqual({ outcome: 'known' })
    expect(apply(cancelled, [['create', noon, everyMinute]], at(hour))).toEqual({ outcome: 'known' })
  })

  describe('of a one-shot', () => {
    const fireAt = at(10)
    const fired = () => running(once(fireAt), 0)

    it('that was issued ends its schedule at its time, or now when its time has passed', () => {
      expect(fired().endedAt).toBe(fireAt)
      expect(running(once(at(-hour)), minute).endedAt).toBe(at(minute))
      expect(running(once(at(hour)), minute).endedAt).toBeNull()
    })

    it('that was issued leaves the schedule ended, unless the change gives another time', () => {
      const create: Step = ['create', noon, once(fireAt)]
      expect(applied(fired(), [create, ['pause', at(minute)]], at(hour)).endedAt).toBe(fireAt)
      const moved = applied(fired(), [create, ['update', at(minute), once(at(2 * hour))]], at(hour))
      expect(moved).toMatchObject({ endedAt: null, nextFireAt: at(2 * hour) })
    })

    it('whose schedule retention removed after it had fired does not fire again, and its new time does', () => {
      const old = horizon - hour
      const created: Step = ['create', old, once(old + 10)]
      const moved = applied(null, [created, ['update', at(-minute), once(at(-second))]], noon)
      expect(moved).toMatchObject({ pending: [], fireLogOutbox: [], nextFireAt: at(-second), endedAt: null })
      const paused = applied(null, [created, ['pause', at(-minute)], ['resume', at(-second)]], noon)
      expect(paused).toMatchObject({ pending: [], fireLogOutbox: [], nextFireAt: null, endedAt: noon })
      const waited = applied(null, [created, ['pause', old + 5], ['resume', at(-second)]], noon)
      expect(waited).toMatchObject({ pending: [], nextFireAt: old + 10, endedAt: null })
      const recent = applied(
        null,
        [
          ['create', horizon, once(old)],
          ['update', at(-minute), once(at(hour))],
        ],
        noon,
      )
      expect(recent.pending.map((command) => command.fireAt)).toEqual([old])
    })
  })

  it('is incomplete when its newest version is not among its changes', () => {
    const message = { ...changesOf([['create', noon, everyMinute]]), version: 2 }
    expect(applyChanges(null, message, noon, compile, rules, horizon)).toEqual({ outcome: 'incomplete' })
  })
})

describe('pause and resume', () => {
  it('logs the fire times of the pause as one range', () => {
    const paused = applied(
      running(everySecond, 0),
      [
        ['create', noon, everySecond],
        ['pause', at(2500)],
      ],
      at(2600),
    )
    expect(commands(paused).map(([offset]) => offset)).toEqual([1000, 2000])
    expect(dueAt({ ...paused, pending: [] }, rules)).toBeNull()
    const steps: Step[] = [
      ['create', noon, everySecond],
      ['pause', at(2500)],
      ['resume', at(24 * hour)],
    ]
    const resumed = applied(paused, steps, at(24 * hour))
    expect(resumed.fireLogOutbox).toEqual([
      { from: at(3000), to: at(24 * hour), count: 86_398, decision: 'paused', reason: 'paused', version: 2 },
    ])
    expect(resumed.nextFireAt).toBe(at(24 * hour + second))
  })

  it('runs a one-shot after the resume whose time passed meanwhile', () => {
    const soon = once(at(minute))
    const paused = applied(
      null,
      [
        ['create', noon, soon],
        ['pause', at(second)],
      ],
      at(second),
    )
    const resumed = applied(
      paused,
      [
        ['create', noon, soon],
        ['pause', at(second)],
        ['resume', at(hour)],
      ],
      at(hour),
    )
    expect(resumed).toMatchObject({ nextFireAt: at(minute), fireLogOutbox: [] })
  })

  it('logs a one-shot whose time passed before the paused job was deleted', () => {
    const steps: Step[] = [
      ['create', noon, once(at(minute))],
      ['pause', at(second)],
      ['delete', at(hour)],
    ]
    expect(applied(null, steps, at(hour)).fireLogOutbox).toMatchObject([{ from: at(minute), decision: 'paused' }])
  })
})

describe('a version whose schedule does not compile', () => {
  it('is quarantined, and the change is applied', () => {
    const invalid: Compile = (schedule, seed) =>
      schedule.kind === 'interval' ? { issue: { code: 'unknown', detail: '' } } : compile(schedule, seed)
    const interval = { kind: 'interval', everyMs: 7000, anchorAt: noon } as const
    const message = changesOf([
      ['create', noon, everyMinute],
      ['update', at(second), interval],
    ])
    const answer = applyChanges(null, message, at(second), invalid, rules, horizon)
    expect(answer).toMatchObject({ record: { version: 2, quarantined: { until: at(second + hour) } } })
    const record = (answer as { record: ScheduleRecord }).record
    expect(advance(record, at(second + hour), compile, rules).lastFireAt).toBe(at(3_605_000))
  })
})
