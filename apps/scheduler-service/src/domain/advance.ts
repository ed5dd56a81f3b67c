import type { ScheduleSpec } from '@belfry/contracts'
import type { FireTimes } from '@belfry/time'
import { type Firing, issued, issueThrough } from './issue.ts'
import { misfireOf, settleLate } from './late.ts'
import { pendingRoom, type Rules, type ScheduleRecord, withOneShot } from './schedule-record.ts'

/** Fire times of a schedule, or what is wrong with it. `seed` spreads `H` slots and the jitter: the job's id. */
export type Compile = (schedule: ScheduleSpec, seed: string) => FireTimes | { issue: { code: string; detail: string } }

/** A one-shot runs however late (docs/schedules.md); the executor ends one that has expired. */
function issueOneShot(record: ScheduleRecord, firing: Firing, now: number, rules: Rules): ScheduleRecord {
  const fireAt = record.nextFireAt
  if (fireAt === null || fireAt > firing.upTo || pendingRoom(record, rules) === 0) return record
  // A time that lies years back ends the schedule now, and one that is issued ahead ends it at its time.
  return { ...withOneShot(issued(record, [fireAt], null, firing, now), fireAt), endedAt: Math.max(now, fireAt) }
}

/**
 * Decides on every fire time up to `firing.upTo`, as far as there is room; `nextFireAt` is the first one that is undecided.
 * Each next fire time follows from the one before it, never from the clock.
 */
export function issueUpTo(record: ScheduleRecord, firing: Firing, now: number, rules: Rules): ScheduleRecord {
  if (firing.schedule.kind === 'once') return issueOneShot(record, firing, now, rules)
  const current = settleLate(record, firing, now, rules)
  if (isLate(current, firing, now, rules)) return current
  return issueThrough(current, firing, firing.upTo, now, rules)
}

/** Whether late fire times are left for want of room. */
function isLate({ nextFireAt, lateSegments }: ScheduleRecord, { upTo }: Firing, now: number, rules: Rules): boolean {
  if (nextFireAt === null) return false
  return lateSegments.length > 0 || nextFireAt <= Math.min(upTo, now - rules.misfire.afterMs)
}

/** Ends a quarantine. During it `nextFireAt` is only the moment from which the search for a fire time begins. */
export function release(record: ScheduleRecord, times: FireTimes): ScheduleRecord {
  if (!record.quarantined) return record
  const nextFireAt = record.nextFireAt === null ? null : times.next(record.nextFireAt - 1)
  return { ...record, quarantined: null, nextFireAt, lateSegments: [] }
}

/** A schedule that does not compile is tried again after `quarantineMs`, and not at every turn of the loop. */
function quarantine(record: ScheduleRecord, reason: string, now: number, rules: Rules): ScheduleRecord {
  return { ...record, quarantined: { reason, until: now + rules.quarantineMs } }
}

function isFireDue({ state, nextFireAt, quarantined }: ScheduleRecord, now: number, rules: Rules): boolean {
  if (state !== 'active' || nextFireAt === null) return false
  return (quarantined ? quarantined.until : nextFireAt - rules.lookAheadMs) <= now
}

/** `advance` with the fire times of the record's schedule, compiled by the caller; null: the schedule has none. */
export function advanceWith(
  record: ScheduleRecord,
  times: FireTimes | null,
  now: number,
  rules: Rules,
): ScheduleRecord {
  if (!times || !isFireDue(record, now, rules)) return record
  const { version, spec } = record
  const misfire = misfireOf(spec, rules)
  const upTo = now + rules.lookAheadMs
  const firing = { schedule: spec.schedule, times, upTo, version, issuedAs: version, misfire }
  return issueUpTo(release(record, times), firing, now, rules)
}

/**
 * Step 6 of docs/protocol.md: every fire time up to the look-ahead becomes a command in `pending`; the misfire rule decides on
 * overdue ones. The same record when nothing is due, or when there is no room. Compiles the schedule only when it is due.
 */
export function advance(record: ScheduleRecord, now: number, compile: Compile, rules: Rules): ScheduleRecord {
  if (!isFireDue(record, now, rules)) return record
  const times = compile(record.spec.schedule, record.jobId)
  return 'issue' in times ? quarantine(record, times.issue.code, now, rules) : advanceWith(record, times, now, rules)
}
