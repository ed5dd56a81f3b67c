import { isRecurring, type ScheduleSpec } from '@belfry/contracts'
import type { FireTimes, MisfireRule } from '@belfry/time'
import { pendingRoom, type Rules, type ScheduleRecord } from './schedule-record.ts'

/** Which fire times become executions. */
export interface Firing {
  readonly schedule: ScheduleSpec
  readonly times: FireTimes
  /** The last moment that counts, epoch milliseconds. */
  readonly upTo: number
  /** The version whose fire times they are. */
  readonly version: number
  /** The version whose spec the executions get. */
  readonly issuedAs: number
  readonly misfire: MisfireRule
}

/** How many fire times the job may still issue: `maxRuns` less those that were issued; without end where it sets none. */
export function runsLeft({ fired }: Pick<ScheduleRecord, 'fired'>, schedule: ScheduleSpec): number {
  const maxRuns = isRecurring(schedule) ? schedule.maxRuns : undefined
  return maxRuns === undefined ? Number.POSITIVE_INFINITY : Math.max(0, maxRuns - fired)
}

/** The record with these fire times issued; `nextFireAt` is the first one that is undecided. */
export function issued(
  record: ScheduleRecord,
  fireAts: readonly number[],
  nextFireAt: number | null,
  { issuedAs: version, schedule }: Firing,
  now: number,
): ScheduleRecord {
  const commands = fireAts.map((fireAt) => ({ fireAt, version, plannedAt: now, nextSendAt: now, tries: 0 }))
  const fired = record.fired + fireAts.length
  return {
    ...record,
    nextFireAt: runsLeft({ fired }, schedule) > 0 ? nextFireAt : null,
    lastFireAt: fireAts.at(-1) ?? record.lastFireAt,
    fired,
    pending: [...record.pending, ...commands],
  }
}

/** Issues the fire times from `nextFireAt` to `upTo`, as far as there is room. The same record where there is none of them. */
export function issueThrough(
  record: ScheduleRecord,
  firing: Firing,
  upTo: number,
  now: number,
  rules: Rules,
): ScheduleRecord {
  const room = Math.min(pendingRoom(record, rules), runsLeft(record, firing.schedule))
  const fireAts: number[] = []
  let next = record.nextFireAt
  while (next !== null && next <= upTo && fireAts.length < room) {
    fireAts.push(next)
    next = firing.times.next(next)
  }
  return fireAts.length === 0 ? record : issued(record, fireAts, next, firing, now)
}
