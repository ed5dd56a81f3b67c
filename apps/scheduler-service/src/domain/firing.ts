import type { ScheduleSpec } from '@belfry/contracts'
import { type FireTimes, settleLate } from '@belfry/time'
import { type FireRange, pendingRoom, type Rules, type ScheduleRecord, undeliveredRoom } from './schedule-record.ts'

/** Fire times of a schedule, or what is wrong with it. `seed` spreads `H` slots: the job's id. */
export type Compile = (schedule: ScheduleSpec, seed: string) => FireTimes | { fault: { code: string; detail: string } }

/** Which fire times are to become executions, and as which version of the job. */
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
  // A time that lies years back ends the schedule now, and one that is handed over ahead ends it at its time.
  return { ...issued(record, [fireAt], null, firing.version, now), endedAt: Math.max(now, fireAt) }
}

/** What the misfire rule makes of the fire times from `from` to `upTo` that are late now. */
function settleOverdue(from: number, { times, upTo }: Firing, now: number, { misfire }: Rules) {
  const settled = settleLate(times, from, Math.min(now, upTo + misfire.afterMs), misfire)
  const { fireAt, missed } = settled
  // A version that ended long ago is settled as of its end; what was to run of it may be too old by now.
  if (fireAt === null || fireAt >= now - misfire.withinMs) return settled
  return {
    ...settled,
    fireAt: null,
    missed: { from: missed?.from ?? fireAt, to: fireAt, count: (missed?.count ?? 0) + 1 },
  }
}

/** Run-once: the newest late fire time runs, the others are missed. Null when there is no room to write that down. */
function withoutOverdue(record: ScheduleRecord, firing: Firing, now: number, rules: Rules): ScheduleRecord | null {
  const from = record.nextFireAt
  if (from === null || from > Math.min(firing.upTo, now - rules.misfire.afterMs)) return record
  if (pendingRoom(record, rules) === 0 || undeliveredRoom(record, rules) === 0) return null
  const { fireAt, missed, nextFireAt } = settleOverdue(from, firing, now, rules)
  const range: FireRange[] = missed
    ? [{ ...missed, decision: 'missed', reason: 'overdue', version: firing.version }]
    : []
  const settled = issued(record, fireAt === null ? [] : [fireAt], nextFireAt, firing.version, now)
  return { ...settled, undelivered: [...record.undelivered, ...range] }
}

/**
 * Decides on every fire time up to `firing.upTo`, as far as there is room: `nextFireAt` says how far it came. Each next
 * fire time follows from the one before it, never from the clock.
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

/** Ends the being put aside: `nextFireAt` was only where the search begins. */
export function broughtBack(record: ScheduleRecord, times: FireTimes): ScheduleRecord {
  if (!record.aside) return record
  return { ...record, aside: null, nextFireAt: record.nextFireAt === null ? null : times.next(record.nextFireAt - 1) }
}

/** Leaves a schedule that cannot be compiled alone for a while, so that it is not tried at every turn. */
function putAside(record: ScheduleRecord, reason: string, now: number, rules: Rules): ScheduleRecord {
  return { ...record, aside: { reason, until: now + rules.asideMs } }
}

/**
 * Step 6 of protocol.md: every fire time up to the look-ahead becomes a command in `pending`; overdue ones are settled
 * by the misfire rule. The same record when nothing is due, or when there is no room.
 */
export function advance(record: ScheduleRecord, now: number, compile: Compile, rules: Rules): ScheduleRecord {
  if (record.state !== 'active' || record.nextFireAt === null) return record
  if ((record.aside ? record.aside.until : record.nextFireAt - rules.lookAheadMs) > now) return record
  const { schedule } = record.spec
  const times = compile(schedule, record.jobId)
  if ('fault' in times) return putAside(record, times.fault.code, now, rules)
  const upTo = now + rules.lookAheadMs
  return issueUpTo(broughtBack(record, times), { schedule, times, upTo, version: record.version }, now, rules)
}
