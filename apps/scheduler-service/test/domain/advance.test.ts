import { describe, expect, it } from 'vitest'
import { advance, type Compile } from '../../src/domain/advance.ts'
import { applyChanges } from '../../src/domain/apply-changes.ts'
import { dueAt, type ScheduleRecord } from '../../src/domain/schedule-record.ts'
import {
  changesOf,
  compile,
  everyMinute,
  everySecond,
  horizon,
  hour,
  jobId,
  minute,
  noon,
  once,
  rules,
  second,
} from '../fixtures.ts'

/** A job created at noon. */
function created(schedule: Parameters<typeof once>[0] | ReturnType<typeof once>, now = noon): ScheduleRecord {
  const spec = typeof schedule === 'number' ? once(schedule) : schedule
  const applied = applyChanges(null, changesOf([['create', noon, spec]]), now, compile, rules, horizon)
  if (applied.outcome !== 'applied') throw new Error(applied.outcome)
  return applied.record
}

const fireTimes = (record: ScheduleRecord) => record.pending.map(({ fireAt }) => fireAt - noon)
const at = (offset: number, record: ScheduleRecord) => advance(record, noon + offset, compile, rules)

describe('advance', () => {
  it('issues a fire time as early as the look-ahead says, not a millisecond earlier', () => {
    const record = created(everyMinute)
    expect(dueAt(record, rules)).toBe(noon + minute - 4600)
    expect(at(minute - 4601, record)).toBe(record)
    const advanced = at(minute - 4600, record)
    expect(fireTimes(advanced)).toEqual([minute])
    expect(advanced).toMatchObject({ nextFireAt: noon + 2 * minute, lastFireAt: noon + minute, fired: 1 })
  })

  it('decides on all fire times within the look-ahead at once', () => {
    expect(fireTimes(at(0, created(everySecond)))).toEqual([1, 2, 3, 4].map((n) => n * second))
  })

  it('goes from fire time to fire time, however late the advance is', () => {
    const advanced = at(3 * minute + 17_123, created({ kind: 'interval', everyMs: 90_000, anchorAt: noon + 7 }))
    expect(advanced.nextFireAt).toBe(noon + 7 + 3 * 90_000)
  })

  it('issues the newest of several overdue fire times and logs the others as one range', () => {
    const advanced = at(10 * minute + 30 * second, created(everyMinute))
    expect(fireTimes(advanced)).toEqual([9 * minute, 10 * minute])
    expect(advanced.fireLogOutbox).toEqual([
      { from: noon + minute, to: noon + 8 * minute, count: 8, decision: 'missed', reason: 'overdue', version: 1 },
    ])
    expect(dueAt(advanced, rules)).toBe(0)
  })

  it('issues none of them when even the newest is too old', () => {
    const daily = { kind: 'cron', cron: '0 13 * * *', timezone: 'UTC' } as const
    const advanced = at(hour + 2 * hour, created(daily))
    expect(fireTimes(advanced)).toEqual([])
    expect(advanced.fireLogOutbox).toMatchObject([{ from: noon + hour, to: noon + hour, count: 1 }])
    expect(advanced.nextFireAt).toBe(noon + 25 * hour)
  })

  it('issues a one-shot however late', () => {
    const advanced = at(400 * 24 * hour, created(noon + second))
    expect(fireTimes(advanced)).toEqual([second])
    expect(advanced.nextFireAt).toBeNull()
  })

  it('stops at full pending and goes on where it stopped', () => {
    const few = { ...rules, pendingLimit: 3 }
    const full = advance(created(everySecond), noon + 4 * second, compile, few)
    expect(fireTimes(full)).toEqual([1, 2, 3].map((n) => n * second))
    expect(dueAt(full, few)).toBe(noon + 4 * second)
    expect(advance(full, noon + 5 * second, compile, few)).toEqual(full)
    const roomy = advance({ ...full, pending: [] }, noon + 5 * second, compile, few)
    expect(fireTimes(roomy)).toEqual([4, 5, 6].map((n) => n * second))
  })

  it('leaves overdue fire times undecided while there is no room for the range', () => {
    const noLog = { ...rules, fireLogOutboxLimit: 0 }
    const record = created(everyMinute)
    expect(advance(record, noon + 10 * minute, compile, noLog)).toBe(record)
  })

  it('quarantines a schedule that does not compile, and releases it later', () => {
    const invalid: Compile = () => ({ issue: { code: 'unknown-zone', detail: 'gone' } })
    const record = created(everyMinute)
    const quarantined = advance(record, noon + minute, invalid, rules)
    expect(quarantined.quarantined).toEqual({ reason: 'unknown-zone', until: noon + minute + hour })
    expect(dueAt(quarantined, rules)).toBe(noon + minute + hour)
    expect(advance(quarantined, noon + minute + second, compile, rules)).toBe(quarantined)
    const released = advance(quarantined, noon + minute + hour, compile, rules)
    expect(released.quarantined).toBeNull()
    expect(fireTimes(released)).toEqual([60 * minute, 61 * minute])
  })

  it('changes nothing of a job that has only triggers', () => {
    const record = created({ kind: 'manual' })
    expect(dueAt(record, rules)).toBeNull()
    expect(at(hour, record)).toBe(record)
    expect(record.jobId).toBe(jobId)
  })
})
