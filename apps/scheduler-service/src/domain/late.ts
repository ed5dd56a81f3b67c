import type { JobSpec, MisfirePolicy } from '@belfry/contracts'
import { type LateSegment, type MisfireRule, resolveMisfire, segmentUpTo } from '@belfry/time'
import { type Firing, issueThrough } from './issue.ts'
import { type FireRange, fireLogOutboxRoom, pendingRoom, type Rules, type ScheduleRecord } from './schedule-record.ts'

/** docs/schedules.md, "Late: misfire": what holds for a job that sets no policy. */
const defaultPolicy: Pick<MisfirePolicy, 'policy' | 'cap'> = { policy: 'run-once', cap: 100 }

/** What the job's version wants to become of its late fire times. */
export function misfireOf({ misfire }: Pick<JobSpec, 'misfire'>, rules: Rules): MisfireRule {
  return misfire ?? { ...defaultPolicy, withinMs: rules.misfire.withinMs }
}

/** Ranges of one job that a late change can take back; older ones stay in the fire log as they are. */
const recentRangesLimit = 8

/** The record with a range in its fire-log outbox. */
function logged(record: ScheduleRecord, range: FireRange, nextFireAt: number | null): ScheduleRecord {
  return {
    ...record,
    nextFireAt,
    fireLogOutbox: [...record.fireLogOutbox, range],
    recentRanges: [...record.recentRanges, range].slice(-recentRangesLimit),
  }
}

/** The record after as much of its first segment as there is room for. The same record where there is no room at all. */
function settleFirst(record: ScheduleRecord, firing: Firing, now: number, rules: Rules): ScheduleRecord {
  const [first, ...others] = record.lateSegments as [LateSegment, ...LateSegment[]]
  if (first.outcome !== 'run') {
    if (fireLogOutboxRoom(record, rules) === 0) return record
    const { from, to, count, outcome: reason } = first
    const range: FireRange = { from, to, count, decision: 'missed', reason, version: firing.version }
    return { ...logged(record, range, firing.times.next(to)), lateSegments: others }
  }
  const left = issueThrough(record, firing, first.to, now, rules)
  // The last run that `maxRuns` allows ends the schedule: the fire times after it do not exist.
  if (left.nextFireAt === null) return { ...left, lateSegments: [] }
  if (left.nextFireAt > first.to) return { ...left, lateSegments: others }
  if (left === record) return record
  const rest = { ...first, from: left.nextFireAt, count: first.count - (left.fired - record.fired) }
  return { ...left, lateSegments: [rest, ...others] }
}

/** The segments that were decided on before, or what the rule makes of all that is late now. */
function lateSegmentsOf(record: ScheduleRecord, firing: Firing, now: number, rules: Rules): readonly LateSegment[] {
  const { times, upTo, misfire } = firing
  if (record.lateSegments.length > 0) {
    return record.lateSegments.flatMap((segment) => segmentUpTo(times, segment, upTo) ?? [])
  }
  // Without room for a command the newest late one could not run, and would be missed for a newer one.
  if (record.nextFireAt === null || pendingRoom(record, rules) === 0) return []
  const lateUpTo = Math.min(upTo, now - rules.misfire.afterMs)
  return resolveMisfire(times, record.nextFireAt, { lateUpTo, now }, misfire)
}

/** As many of the decided segments as there is room for. */
function settleAll(record: ScheduleRecord, firing: Firing, now: number, rules: Rules): ScheduleRecord {
  let current = record
  while (current.lateSegments.length > 0) {
    const settled = settleFirst(current, firing, now, rules)
    if (settled === current) break
    current = settled
  }
  return current
}

/**
 * Decides on the late fire times by the misfire rule, and issues or logs them, oldest first, as far as there is room. What has
 * none stays decided in `lateSegments`, and goes on as room appears: its outcome does not depend on how long that takes. The
 * same record when nothing is late, or nothing has room.
 */
export function settleLate(record: ScheduleRecord, firing: Firing, now: number, rules: Rules): ScheduleRecord {
  let current = record
  for (;;) {
    const lateSegments = lateSegmentsOf(current, firing, now, rules)
    if (lateSegments.length === 0) return current
    const settled = settleAll({ ...current, lateSegments }, firing, now, rules)
    if (settled.nextFireAt === current.nextFireAt) return current
    if (settled.lateSegments.length > 0) return settled
    // What became late while the segments waited for room is decided on next.
    current = settled
  }
}
