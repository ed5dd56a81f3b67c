import type { ScheduleSpec } from '@belfry/contracts'
import type { FireTimes } from '@belfry/time'
import { type FireRange, type Rules, recordDefaults, type ScheduleRecord, withPending } from './schedule-record.ts'

/** The version that decided on the fire times which a change takes back. */
interface ClosedVersion {
  readonly schedule: ScheduleSpec
  /** Null for a schedule without fire times, and for one that does not compile. */
  readonly times: FireTimes | null
  /** When the version began, epoch milliseconds; null when it is not known any more. */
  readonly beganAt: number | null
}

/** The part of a range up to `changedAt`; a range without any fire time where nothing of it is left. */
function cutRange(range: FireRange, times: FireTimes, changedAt: number): FireRange {
  const { from } = range
  if (from > changedAt) return { ...range, to: from, count: 0 }
  const to = times.last(from, changedAt) ?? from
  return { ...range, to, count: range.count - times.count(changedAt + 1, range.to) }
}

/** The outbox with the cut ranges in place of the whole ones, also where the fire log has those already. */
function withCutRanges(outbox: readonly FireRange[], cut: readonly FireRange[]): readonly FireRange[] {
  const isSame = (a: FireRange, b: FireRange) => a.from === b.from && a.decision === b.decision
  return [...outbox.filter((range) => !cut.some((one) => isSame(one, range))), ...cut]
}

/**
 * Takes back what the version before a change has issued and logged for times after the change: the version after it decides
 * on them. Runs that are taken back may be run again (`maxRuns`). Null when the fire-log outbox has no room for the ranges
 * that change by it.
 */
export function takenBack(
  record: ScheduleRecord,
  { times, schedule, beganAt }: ClosedVersion,
  changedAt: number,
  rules: Rules,
): ScheduleRecord | null {
  const late = record.recentRanges.filter(({ to }) => to > changedAt)
  const cut = times ? late.map((range) => cutRange(range, times, changedAt)) : []
  const fireLogOutbox = cut.length > 0 ? withCutRanges(record.fireLogOutbox, cut) : record.fireLogOutbox
  if (fireLogOutbox.length > rules.fireLogOutboxLimit) return null
  const pending = record.pending.filter((command) => command.fireAt <= changedAt)
  const oneShots = record.oneShots.filter((at) => at <= changedAt)
  const kept = { ...withPending(record, pending), ...recordDefaults, oneShots, fireLogOutbox }
  const { lastFireAt } = record
  if (lastFireAt === null || lastFireAt <= changedAt) return kept
  const isOneShot = schedule.kind === 'once' || !times
  const decided = isOneShot ? 1 : times.count(changedAt + 1, lastFireAt)
  const logged = cut.reduce((sum, { from, count }, index) => {
    return from < lastFireAt ? sum + (late[index] as FireRange).count - count : sum
  }, 0)
  const last = isOneShot || beganAt === null ? null : times.last(beganAt + 1, changedAt)
  return { ...kept, lastFireAt: last, fired: Math.max(0, record.fired - decided + logged) }
}
