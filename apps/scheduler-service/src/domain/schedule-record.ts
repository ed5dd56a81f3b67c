import type { FireDecision, JobExecuteMessage, JobSpec, JobState } from '@belfry/contracts'
import { scheduledExecutionId } from '@belfry/contracts'
import type { LateSegment } from '@belfry/time'

/**
 * One decided fire time whose execution no `job-status` has shown yet (docs/protocol.md step 7). The command itself is
 * made of it and of the spec of its version (`commandOf`): a job of 256 KiB of params does not repeat them 64 times.
 */
export interface PendingCommand {
  readonly fireAt: number
  readonly version: number
  /** When it was first decided on, epoch milliseconds; a repetition keeps it. */
  readonly plannedAt: number
  /** When it is sent the next time, epoch milliseconds. */
  readonly nextSendAt: number
  /** How often it was sent. */
  readonly tries: number
}

/**
 * Fire times without an execution: `count` of them, the first at `from`, the last at `to` (epoch milliseconds). A range without
 * any (`count` 0) takes back the one with the same `from` and decision.
 */
export interface FireRange {
  readonly from: number
  readonly to: number
  readonly count: number
  readonly decision: FireDecision
  /** One kebab-case word for people. */
  readonly reason: string
  /** The job's version whose fire times they were. */
  readonly version: number
}

/** A schedule that does not compile is tried again at `until` (epoch milliseconds), and not before. */
interface Quarantine {
  readonly reason: string
  readonly until: number
}

/**
 * The one record of a job that decides which fire times become executions. It is always wholly at one version, the newest
 * that the scheduler could apply. Every change of it is a compare-and-set on its `rev`, which the store keeps. Times are
 * epoch milliseconds.
 */
export interface ScheduleRecord {
  readonly jobId: string
  readonly ownerId: string
  readonly version: number
  readonly state: JobState
  /** When it ended for good: its job was cancelled or deleted, or its one-shot was decided on; else null. */
  readonly endedAt: number | null
  readonly spec: JobSpec
  /** Specs of older versions that commands in `pending` are still made of. */
  readonly olderSpecs: readonly { readonly version: number; readonly spec: JobSpec }[]
  /** The first fire time that is undecided; null when none is left. In a quarantine, the moment where the search begins. */
  readonly nextFireAt: number | null
  /** The newest fire time that was issued (of a one-shot: that was decided). */
  readonly lastFireAt: number | null
  /** Times of one-shots that were decided, the newest few: a later version with the same time does not decide on it again. */
  readonly oneShots: readonly number[]
  /** How many fire times were issued since the job was created: what `maxRuns` bounds. */
  readonly fired: number
  /** Late fire times that are decided on, oldest first, and that had no room to be issued or logged. The first is `nextFireAt`. */
  readonly lateSegments: readonly LateSegment[]
  /** Ranges that were logged since the last change, the newest few: a change that comes late takes its part of them back. */
  readonly recentRanges: readonly FireRange[]
  readonly pending: readonly PendingCommand[]
  /** Ranges that are not copied into the fire log yet. */
  readonly fireLogOutbox: readonly FireRange[]
  readonly quarantined: Quarantine | null
}

/** The fields that records of earlier versions lack, as they are for those. */
export const recordDefaults = {
  lateSegments: [],
  recentRanges: [],
  oneShots: [],
} as const satisfies Partial<ScheduleRecord>

/** Of a job that had more of them, the executors alone know that an older one has run: its execution has the same id. */
const oneShotsLimit = 8

/** The record with the time of a one-shot decided. */
export function withOneShot(record: ScheduleRecord, at: number): ScheduleRecord {
  const others = record.oneShots.filter((other) => other !== at)
  return { ...record, lastFireAt: at, oneShots: [...others, at].slice(-oneShotsLimit) }
}

/** The numbers of the rules; each is a key of the configuration. */
export interface Rules {
  /** How early a fire time is handed to the executors, milliseconds. */
  readonly lookAheadMs: number
  /**
   * From which age on a fire time that was not issued is late, and how old it may be to run still where its job does not say
   * so itself; milliseconds.
   */
  readonly misfire: { readonly afterMs: number; readonly withinMs: number }
  /** Wait after the first send, milliseconds; it doubles with each further one up to `resendMaxMs`. */
  readonly resendFirstMs: number
  readonly resendMaxMs: number
  /** Most commands of one job that may wait for their executions. */
  readonly pendingLimit: number
  /** Most ranges of one job in its fire-log outbox. */
  readonly fireLogOutboxLimit: number
  /** How long a schedule that does not compile or cannot be read is not tried again, milliseconds. */
  readonly quarantineMs: number
}

/** How many fire times may become commands; a fire time without room stays undecided. */
export function pendingRoom(record: ScheduleRecord, rules: Rules): number {
  return Math.max(0, rules.pendingLimit - record.pending.length)
}

export function fireLogOutboxRoom(record: ScheduleRecord, rules: Rules): number {
  return Math.max(0, rules.fireLogOutboxLimit - record.fireLogOutbox.length)
}

/** When `nextFireAt` is due: null while the record has no room for it. */
function fireDueAt(record: ScheduleRecord, rules: Rules): number | null {
  if (record.state !== 'active' || record.nextFireAt === null) return null
  if (record.quarantined) return record.quarantined.until
  if (pendingRoom(record, rules) === 0 || fireLogOutboxRoom(record, rules) === 0) return null
  return record.nextFireAt - rules.lookAheadMs
}

/**
 * When the record is due to be advanced, epoch milliseconds; null for never. 0, at once, while the fire-log outbox holds
 * ranges; otherwise the fire time less the look-ahead, or the earliest repetition of a command.
 */
export function dueAt(record: ScheduleRecord, rules: Rules): number | null {
  if (record.fireLogOutbox.length > 0) return 0
  const due = record.pending.reduce(
    (earliest, command) => Math.min(earliest, command.nextSendAt),
    fireDueAt(record, rules) ?? Number.POSITIVE_INFINITY,
  )
  return Number.isFinite(due) ? due : null
}

/** The message that asks for the execution. Throws when the spec of its version was dropped, which would be a bug. */
export function commandOf(record: ScheduleRecord, { fireAt, version, plannedAt }: PendingCommand): JobExecuteMessage {
  const spec = version === record.version ? record.spec : record.olderSpecs.find((one) => one.version === version)?.spec
  if (!spec) throw new Error(`${record.jobId} has no spec of version ${version} any more`)
  return {
    jobId: record.jobId,
    jobType: spec.jobType,
    executionId: scheduledExecutionId(record.jobId, fireAt),
    version,
    cause: 'schedule',
    fireAt,
    params: spec.params,
    policy: spec.policy,
    priority: spec.priority,
    expiresAt: expiryOf(spec, fireAt),
    ownerId: record.ownerId,
    plannedAt,
  }
}

/** When a one-shot has waited too long (docs/schedules.md), epoch milliseconds; null for never. */
function expiryOf({ schedule, expiresAfterMs }: JobSpec, fireAt: number): number | null {
  return schedule.kind === 'once' && expiresAfterMs !== undefined ? fireAt + expiresAfterMs : null
}

/** The record with other commands waiting, without the older specs that none of them needs. */
export function withPending(record: ScheduleRecord, pending: readonly PendingCommand[]): ScheduleRecord {
  const olderSpecs = record.olderSpecs.filter(({ version }) => pending.some((command) => command.version === version))
  return {
    ...record,
    pending,
    olderSpecs: olderSpecs.length === record.olderSpecs.length ? record.olderSpecs : olderSpecs,
  }
}
