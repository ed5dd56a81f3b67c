import type { ScheduleSpec } from '@belfry/contracts'
import { type FireTimes, resolveMisfire } from '@belfry/time'
import { type FireRange, fireLogOutboxRoom, pendingRoom, type Rules, type ScheduleRecord } from './schedule-record.ts'

/** Fire times of a schedule, or what is wrong with it. `seed` spreads `H` slots: the job's id. */
export type Compile = (schedule: ScheduleSpec, seed: string) => FireTimes | { issue: { code: string; detail: string } }

/** Which fire times become executions, and as which version of the job. */
interface Firing {
  readonly schedule: ScheduleSpec
  readonly times: FireTimes
  /** The last moment that counts, epoch milliseconds. */
  readonly upTo: number
  readonly version: number
}

function issued(
  record: ScheduleRecord,
  fireAts: readonly number[],
  nextFireAt: number | null,
  version: number,
  now: number,
): ScheduleRecord {
  const commands = fireAts.map((fireAt) => ({ fireAt, version, plannedAt: now, nextSendAt: now, tries: 0 }))
  return {
    ...record,
    nextFireAt,
    lastFireAt: fireAts.at(-1) ?? record.lastFireAt,
    fired: record.fired + fireAts.length,
    pending: [...record.pending, ...commands],
  }
}

/** A one-shot runs however late (time.md, "Late"). */
function issueOneShot(record: ScheduleRecord, firing: Firing, now: number, rules: Rules): ScheduleRecord {
  const fireAt = record.nextFireAt
  if (fireAt === null || fireAt > firing.upTo || pendingRoom(record, rules) === 0) return record
  // A time that lies years back ends the schedule now, and one that is issued ahead ends it at its time.
  return { ...issued(record, [fireAt], null, firing.version, now), endedAt: Math.max(now, fireAt) }
}

/** What the misfire rule makes of the fire times from `from` to `upTo` that are late now. */
function resolveOverdue(from: number, { times, upTo }: Firing, now: number, { misfire }: Rules) {
  const resolved = resolveMisfire(times, from, Math.min(now, upTo + misfire.afterMs), misfire)
  const { fireAt, missed } = resolved
  // A version that ended long ago is resolved as of its end; its newest late fire time may be too old by now.
  if (fireAt === null || fireAt >= now - misfire.withinMs) return resolved
  return {
    ...resolved,
    fireAt: null,
    missed: { from: missed?.from ?? fireAt, to: fireAt, count: (missed?.count ?? 0) + 1 },
  }
}

/** Run-once: the newest late fire time runs, the others are missed. Null when the record has no room for both. */
function withoutOverdue(record: ScheduleRecord, firing: Firing, now: number, rules: Rules): ScheduleRecord | null {
  const from = record.nextFireAt
  if (from === null || from > Math.min(firing.upTo, now - rules.misfire.afterMs)) return record
  if (pendingRoom(record, rules) === 0 || fireLogOutboxRoom(record, rules) === 0) return null
  const { fireAt, missed, nextFireAt } = resolveOverdue(from, firing, now, rules)
  const range: FireRange[] = missed
    ? [{ ...missed, decision: 'missed', reason: 'overdue', version: firing.version }]
    : []
  const current = issued(record, fireAt === null ? [] : [fireAt], nextFireAt, firing.version, now)
  return { ...current, fireLogOutbox: [...record.fireLogOutbox, ...range] }
}

/**
 * Decides on every fire time up to `firing.upTo`, as far as there is room; `nextFireAt` is the first one that is undecided.
 * Each next fire time follows from the one before it, never from the clock.
 */
export function issueUpTo(record: ScheduleRecord, firing: Firing, now: number, rules: Rules): ScheduleRecord {
  if (firing.schedule.kind === 'once') return issueOneShot(record, firing, now, rules)
  const current = withoutOverdue(record, firing, now, rules)
  if (!current) return record
  const fireAts: number[] = []
  const room = pendingRoom(current, rules)
  let next = current.nextFireAt
  while (next !== null && next <= firing.upTo && fireAts.length < room) {
    fireAts.push(next)
    next = firing.times.next(next)
  }
  return fireAts.length === 0 ? current : issued(current, fireAts, next, firing.version, now)
}

/** Ends a quarantine. During it `nextFireAt` is only the moment from which the search for a fire time begins. */
export function release(record: ScheduleRecord, times: FireTimes): ScheduleRecord {
  if (!record.quarantined) return record
  const nextFireAt = record.nextFireAt === null ? null : times.next(record.nextFireAt - 1)
  return { ...record, quarantined: null, nextFireAt }
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
  const firing = { schedule: spec.schedule, times, upTo: now + rules.lookAheadMs, version }
  return issueUpTo(release(record, times), firing, now, rules)
}

/**
 * Step 6 of protocol.md: every fire time up to the look-ahead becomes a command in `pending`; the misfire rule decides on
 * overdue ones. The same record when nothing is due, or when there is no room. Compiles the schedule only when it is due.
 */
export function advance(record: ScheduleRecord, now: number, compile: Compile, rules: Rules): ScheduleRecord {
  if (!isFireDue(record, now, rules)) return record
  const times = compile(record.spec.schedule, record.jobId)
  return 'issue' in times ? quarantine(record, times.issue.code, now, rules) : advanceWith(record, times, now, rules)
}
