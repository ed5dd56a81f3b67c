import type { MisfirePolicy, ScheduleSpec } from '@belfry/contracts'
import { describe, expect, it } from 'vitest'
import { advance } from '../../src/domain/advance.ts'
import { applyChanges } from '../../src/domain/apply-changes.ts'
import { withoutDelivered } from '../../src/domain/fire-log-outbox.ts'
import { dueAt, type Rules, recordDefaults, type ScheduleRecord } from '../../src/domain/schedule-record.ts'
import {
  changesOf,
  compile,
  everyMinute,
  everySecond,
  horizon,
  hour,
  minute,
  noon,
  rules,
  second,
} from '../fixtures.ts'

const runAll: MisfirePolicy = { policy: 'run-all', withinMs: hour, cap: 100 }
const runOnce: MisfirePolicy = { ...runAll, policy: 'run-once' }
const skip: MisfirePolicy = { ...runAll, policy: 'skip' }
const perMinute = { kind: 'cron', cron: '* * * * *', timezone: 'UTC' } as const
const at = (offset: number) => noon + offset

function created(schedule: ScheduleSpec, misfire?: MisfirePolicy): ScheduleRecord {
  const message = changesOf([['create', noon, schedule, misfire]])
  const applied = applyChanges(null, message, noon, compile, rules, horizon)
  if (applied.outcome !== 'applied') throw new Error(applied.outcome)
  return applied.record
}

const advanced = (record: ScheduleRecord, offset: number, some: Partial<Rules> = {}) =>
  advance(record, at(offset), compile, { ...rules, ...some })
const fireTimes = (record: ScheduleRecord) => record.pending.map(({ fireAt }) => (fireAt - noon) / minute)
const ranges = (record: ScheduleRecord) =>
  record.fireLogOutbox.map(({ from, to, count, reason }) => [
    (from - noon) / minute,
    (to - noon) / minute,
    count,
    reason,
  ])

describe('a per-minute job after ten minutes without a scheduler', () => {
  const back = 10 * minute + 30 * second

  it('runs the newest late one with run-once, which is the default', () => {
    for (const misfire of [undefined, runOnce]) {
      const record = advanced(created(everyMinute, misfire), back)
      expect(fireTimes(record)).toEqual([9, 10])
      expect(ranges(record)).toEqual([[1, 8, 8, 'overdue']])
    }
  })

  it('runs all of them with run-all, the oldest first', () => {
    const record = advanced(created(everyMinute, runAll), back)
    expect(fireTimes(record)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    expect(ranges(record)).toEqual([])
  })

  it('runs as many as the cap says, and misses the rest', () => {
    const record = advanced(created(everyMinute, { ...runAll, cap: 4 }), back)
    expect(fireTimes(record)).toEqual([1, 2, 3, 4, 10])
    expect(ranges(record)).toEqual([[5, 9, 5, 'over-cap']])
    expect(record.fired).toBe(5)
  })

  it('runs none of them with skip, and what is not late yet all the same', () => {
    const record = advanced(created(everyMinute, skip), back)
    expect(fireTimes(record)).toEqual([10])
    expect(ranges(record)).toEqual([[1, 9, 9, 'overdue']])
  })

  it('misses what is older than `within`, whatever the policy runs', () => {
    const within = { withinMs: 5 * minute }
    const all = advanced(created(everyMinute, { ...runAll, ...within }), back)
    expect(fireTimes(all)).toEqual([6, 7, 8, 9, 10])
    expect(ranges(all)).toEqual([[1, 5, 5, 'too-old']])
    const one = advanced(created(everyMinute, { ...runOnce, ...within }), back)
    expect(fireTimes(one)).toEqual([9, 10])
    expect(ranges(one)).toEqual([
      [1, 5, 5, 'too-old'],
      [6, 8, 3, 'overdue'],
    ])
  })
})

describe('late fire times for which there is no room', () => {
  it('run when commands are answered, oldest first, and none is lost or run for a newer one', () => {
    let record = created(everyMinute, { ...runAll, cap: 7 })
    const fired: number[] = []
    // The wait is so long that more of them become late; only those that were late at first count towards the cap.
    for (let offset = 10 * minute + 30 * second; offset < 14 * minute; offset += 30 * second) {
      record = advanced(record, offset, { pendingLimit: 2 })
      expect(record.pending.length).toBeLessThanOrEqual(2)
      fired.push(...fireTimes(record))
      record = { ...record, pending: [] }
    }
    expect(fired).toEqual([1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13])
    expect(ranges(record)).toEqual([[8, 9, 2, 'over-cap']])
  })

  it('wait while `pending` is full, and are due again with the first answer', () => {
    const few = { pendingLimit: 3 }
    const full = advanced(created(everyMinute, runAll), 10 * minute, few)
    expect(fireTimes(full)).toEqual([1, 2, 3])
    expect(full.lateSegments).toEqual([{ from: at(4 * minute), to: at(9 * minute), count: 6, outcome: 'run' }])
    expect(advanced(full, 10 * minute + second, few)).toBe(full)
    const answered = { ...full, pending: full.pending.slice(1) }
    expect(dueAt(answered, { ...rules, ...few })).toBeLessThan(at(5 * minute))
    expect(fireTimes(advanced(answered, 10 * minute + second, few))).toEqual([2, 3, 4])
  })

  it('are logged range by range with room for one range only', () => {
    const narrow = { fireLogOutboxLimit: 1 }
    const misfire = { ...runOnce, withinMs: 5 * minute }
    const first = advanced(created(everyMinute, misfire), 10 * minute + 30 * second, narrow)
    expect([ranges(first), fireTimes(first)]).toEqual([[[1, 5, 5, 'too-old']], []])
    expect(dueAt(first, { ...rules, ...narrow })).toBe(0)
    const then = advanced(withoutDelivered(first, first.fireLogOutbox), 10 * minute + 31 * second, narrow)
    expect([ranges(then), fireTimes(then)]).toEqual([[[6, 8, 3, 'overdue']], [9, 10]])
  })
})

describe('the end of a schedule', () => {
  it('is its last run that `maxRuns` allows, and what would come after it does not exist', () => {
    const limited = { ...perMinute, maxRuns: 3 }
    const record = advanced(created(limited, runAll), 10 * minute + 30 * second)
    expect(fireTimes(record)).toEqual([1, 2, 3])
    expect(record).toMatchObject({ nextFireAt: null, fired: 3, fireLogOutbox: [], lateSegments: [] })
    expect(dueAt({ ...record, pending: [] }, rules)).toBeNull()
    const once = advanced(created(limited), 10 * minute + 30 * second)
    expect([fireTimes(once), ranges(once), once.fired]).toEqual([[9, 10], [[1, 8, 8, 'overdue']], 2])
  })

  it('is its endAt', () => {
    const record = advanced(created({ ...perMinute, endAt: at(2 * minute) }), 2 * minute)
    expect(fireTimes(record)).toEqual([1, 2])
    expect(record.nextFireAt).toBeNull()
  })

  it('leaves the schedule to its job: retention removes the schedules of one-shots only', () => {
    expect(advanced(created({ ...perMinute, maxRuns: 1 }), minute).endedAt).toBeNull()
  })
})

describe('a change that comes late', () => {
  const steps = (kind: 'update' | 'pause', offset: number, schedule?: ScheduleSpec) =>
    changesOf([
      ['create', noon, everyMinute],
      [kind, at(offset), schedule],
    ])
  const changed = (record: ScheduleRecord, message: ReturnType<typeof changesOf>, offset: number) => {
    const answer = applyChanges(record, message, at(offset), compile, rules, horizon)
    if (answer.outcome !== 'applied') throw new Error(answer.outcome)
    return answer.record
  }

  it('cuts the range that was logged for after it, also once the fire log has it, and gives its runs back', () => {
    const late = advanced(created(everyMinute), 10 * minute + 30 * second)
    expect(late.fired).toBe(2)
    const delivered = withoutDelivered(late, late.fireLogOutbox)
    const paused = changed(delivered, steps('pause', 3 * minute + 1), 11 * minute)
    expect(ranges(paused)).toEqual([[1, 3, 3, 'overdue']])
    expect(paused).toMatchObject({ fired: 0, pending: [], nextFireAt: at(4 * minute), recentRanges: [] })
    const updated = changed(delivered, steps('update', 30 * second, everySecond), 11 * minute)
    expect(updated.fireLogOutbox).toMatchObject([{ from: at(minute), count: 0, version: 1 }])
    expect(updated.nextFireAt).toBe(at(31 * second))
  })

  it('gives back the runs that it takes back', () => {
    const limited = { ...perMinute, maxRuns: 2 }
    const message = changesOf([
      ['create', noon, limited],
      ['update', at(minute + 1)],
    ])
    const done = advanced(advanced(created(limited), minute), 2 * minute)
    expect(done).toMatchObject({ fired: 2, nextFireAt: null })
    expect(changed({ ...done, pending: [] }, message, 2 * minute)).toMatchObject({
      fired: 1,
      nextFireAt: at(2 * minute),
    })
  })
})

describe('a record of an earlier version', () => {
  it('goes on with the defaults of what it lacks', () => {
    const { lateSegments: _, recentRanges: __, ...old } = created(everyMinute)
    const record = advanced({ ...recordDefaults, ...old }, 3 * minute)
    expect([fireTimes(record), ranges(record)]).toEqual([[2, 3], [[1, 1, 1, 'overdue']]])
  })
})
