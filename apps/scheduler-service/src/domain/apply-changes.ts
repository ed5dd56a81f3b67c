import {
  type ChangeKind,
  type FireDecision,
  isRecurring,
  type JobChange,
  type JobChangesMessage,
  type JobState,
  type ScheduleSpec,
} from '@belfry/contracts'
import type { FireTimes, MisfireRule } from '@belfry/time'
import { type Compile, issueUpTo, release } from './advance.ts'
import { runsLeft } from './issue.ts'
import { misfireOf } from './late.ts'
import { endOf, isForgotten } from './retention.ts'
import {
  fireLogOutboxRoom,
  type Rules,
  recordDefaults,
  type ScheduleRecord,
  withOneShot,
  withPending,
} from './schedule-record.ts'
import { takenBack } from './take-back.ts'

/**
 * `applied`: the record at the newest version, and the compiled fire times of its schedule: null for a schedule without any,
 * and for one that does not compile. `known`: the record is at this version or a newer one. `no-room`: the commands do not
 * fit into `pending` now; reconcile brings the message again. `incomplete`: the message lists no change for its own version.
 * `forgotten`: the job ended so long ago that retention has removed its schedule.
 */
export type ChangesOutcome =
  | { readonly outcome: 'applied'; readonly record: ScheduleRecord; readonly times: FireTimes | null }
  | { readonly outcome: 'known' | 'no-room' | 'incomplete' | 'forgotten' }

interface WalkContext {
  readonly isKnown: boolean
  readonly horizon: number
  readonly message: JobChangesMessage
  readonly now: number
  readonly compile: Compile
  readonly rules: Rules
}

/** The record at one version, and the schedule whose fire times are decided next. */
interface WalkState {
  readonly record: ScheduleRecord
  readonly version: number
  readonly schedule: ScheduleSpec
  readonly state: JobState
  /** Null for a schedule without fire times, and for one that does not compile. */
  readonly times: FireTimes | null
  /** When the version began, epoch milliseconds; null when `changes` does not list it any more. */
  readonly beganAt: number | null
  /** The spec of the version is at hand, so its fire times can be issued as this version. */
  readonly hasSpec: boolean
  /** Of this version, or of the newest one where its own spec is not at hand. */
  readonly misfire: MisfireRule
}

const statesAfter: Record<Exclude<ChangeKind, 'update'>, JobState> = {
  create: 'active',
  resume: 'active',
  pause: 'paused',
  cancel: 'cancelled',
  delete: 'deleted',
}

function blank({ jobId, ownerId, spec }: JobChangesMessage): ScheduleRecord {
  const none = { nextFireAt: null, lastFireAt: null, fired: 0, pending: [], fireLogOutbox: [], quarantined: null }
  return {
    jobId,
    ownerId,
    version: 0,
    state: 'active',
    endedAt: null,
    spec,
    olderSpecs: [],
    ...none,
    ...recordDefaults,
  }
}

function timesOf(schedule: ScheduleSpec, jobId: string, compile: Compile): FireTimes | null {
  if (schedule.kind === 'manual') return null
  const times = compile(schedule, jobId)
  return 'issue' in times ? null : times
}

/** Whether two schedules have the same fire times. */
function isSameSchedule(a: ScheduleSpec, b: ScheduleSpec): boolean {
  return hasSameWindow(a, b) && isSameWithoutWindow(a, b)
}

function hasSameWindow(a: ScheduleSpec, b: ScheduleSpec): boolean {
  if (!isRecurring(a) || !isRecurring(b)) return true
  return a.startAt === b.startAt && a.endAt === b.endAt && a.jitterMs === b.jitterMs
}

function isSameWithoutWindow(a: ScheduleSpec, b: ScheduleSpec): boolean {
  if (a.kind === 'cron') return b.kind === 'cron' && a.cron === b.cron && a.timezone === b.timezone
  if (a.kind === 'interval') return b.kind === 'interval' && a.everyMs === b.everyMs && a.anchorAt === b.anchorAt
  if (a.kind === 'once') return b.kind === 'once' && a.runAt === b.runAt
  return b.kind === 'manual'
}

function startOf(known: ScheduleRecord | null, { message, compile, rules }: WalkContext): WalkState {
  const record = known ?? blank(message)
  const { version, state } = record
  const schedule: ScheduleSpec = known ? known.spec.schedule : { kind: 'manual' }
  const times = timesOf(schedule, record.jobId, compile)
  const beganAt = message.changes.find((change) => change.version === version)?.changedAt ?? null
  const misfire = misfireOf(record.spec, rules)
  const released = times ? release(record, times) : record
  return { record: released, version, schedule, state, times, beganAt, hasSpec: true, misfire }
}

/** Puts the fire times up to `upTo` into the fire-log outbox as one range. Null when there is no room for the range. */
function logged(
  current: WalkState,
  upTo: number,
  decision: FireDecision,
  reason: string,
  rules: Rules,
): ScheduleRecord | null {
  const { record, times, version, schedule } = current
  const from = record.nextFireAt
  const to = from === null || !times ? null : times.last(from, upTo)
  if (from === null || to === null || !times) return record
  if (fireLogOutboxRoom(record, rules) === 0) return null
  const range = { from, to, count: times.count(from, to), decision, reason, version }
  // The log decides the one-shot: a later version of the same time must not issue it again.
  const decided = schedule.kind === 'once' ? withOneShot(record, to) : record
  return { ...decided, fireLogOutbox: [...record.fireLogOutbox, range] }
}

/** Issues the fire times of the record's own version up to `upTo`, all or none: null when one of them has no room. */
function issuedUpTo(current: WalkState, upTo: number, { now, rules }: WalkContext): ScheduleRecord | null {
  const { record, times, schedule, version, misfire } = current
  if (!times) return record
  const after = issueUpTo(record, { schedule, times, upTo, version, issuedAs: version, misfire }, now, rules)
  return isDecided(after, upTo) ? after : null
}

const isDecided = ({ nextFireAt }: ScheduleRecord, upTo: number) => nextFireAt === null || nextFireAt > upTo

/**
 * The same for a version that this scheduler never got: its fire times are issued as the newest one. Only this walk decides on
 * them, and no advance makes room for them one by one. So those that do not even fit into an empty `pending` are missed.
 */
function issuedAsNewest(current: WalkState, upTo: number, { now, rules, message }: WalkContext): ScheduleRecord | null {
  const { record, times, schedule, version, misfire } = current
  if (!times) return record
  const issuedAs = message.version
  const roomOf = ({ pending }: ScheduleRecord) =>
    rules.pendingLimit - pending.filter((command) => command.version === issuedAs).length
  const capped = { ...misfire, cap: Math.min(misfire.cap, Math.max(1, roomOf(record))) }
  const after = issueUpTo(record, { schedule, times, upTo, version, issuedAs, misfire: capped }, now, rules)
  if (isDecided(after, upTo)) return after
  return roomOf(after) > 0 ? null : logged({ ...current, record: after }, upTo, 'missed', 'no-room', rules)
}

/** A paused one-shot waits for the resume, as long as its time stays the same. */
function waitsForResume({ schedule }: WalkState, change: JobChange, state: JobState): boolean {
  const isSameTime = schedule.kind === 'once' && isSameSchedule(schedule, change.schedule)
  return isSameTime && (state === 'active' || state === 'paused')
}

/**
 * Whether the current version is a one-shot of a job whose schedule retention removed after it fired: the job is unknown, the
 * version was active at its time, and both are older than the horizon. Retention has removed the execution, too, so a
 * command for it would run it again.
 */
function isForgottenOneShot({ record, schedule, beganAt }: WalkState, upTo: number, walk: WalkContext): boolean {
  if (walk.isKnown || schedule.kind !== 'once' || record.nextFireAt === null) return false
  return record.nextFireAt <= upTo && Math.max(record.nextFireAt, beganAt ?? 0) < walk.horizon
}

/** Decides on the fire times of the version before a change, up to the change. Null when they do not fit. */
function decided(current: WalkState, change: JobChange, state: JobState, walk: WalkContext): ScheduleRecord | null {
  const { message, rules } = walk
  const upTo = change.changedAt
  if (current.state === 'paused')
    return waitsForResume(current, change, state) ? current.record : logged(current, upTo, 'paused', 'paused', rules)
  if (current.state !== 'active') return current.record
  const { record } = current
  if (record.nextFireAt !== null && isForgottenOneShot(current, upTo, walk))
    return withOneShot(record, record.nextFireAt)
  if (current.hasSpec) return issuedUpTo(current, upTo, walk)
  if (message.state === 'active') return issuedAsNewest(current, upTo, walk)
  return logged(current, upTo, 'skipped', message.state, rules)
}

/**
 * The first fire time of a version. A one-shot has one unless its time was decided already. (`lastFireAt` counts for records that were
 * stored before they had `oneShots`.)
 */
function firstFireAt(change: JobChange, state: JobState, times: FireTimes | null, record: ScheduleRecord) {
  const { schedule, changedAt } = change
  const { lastFireAt, oneShots } = record
  if (schedule.kind === 'manual' || state === 'cancelled' || state === 'deleted') return null
  if (schedule.kind === 'once') {
    const { runAt } = schedule
    return oneShots.includes(runAt) || runAt === lastFireAt ? null : runAt
  }
  if (runsLeft(record, schedule) === 0) return null
  return times ? times.next(changedAt) : changedAt + 1
}

/**
 * The record from the change on: what was decided for later times is taken back, and the first fire time of the new version is the
 * next one. Null without room.
 */
function reopened(
  closed: ScheduleRecord,
  current: WalkState,
  { change, state, times }: { change: JobChange; state: JobState; times: FireTimes | null },
  rules: Rules,
): ScheduleRecord | null {
  const left = takenBack(closed, current, change.changedAt, rules)
  return left && { ...left, nextFireAt: firstFireAt(change, state, times, left) }
}

/**
 * The record from a change on that leaves the schedule as it is: what was issued for later times stays issued. The executors may have
 * started it already; if they have not, the newest version closes it there. Logged as well, it would have two outcomes.
 * The two versions may differ in `maxRuns`: the limit of the newer one decides whether there are more fire times.
 */
function continued(
  closed: ScheduleRecord,
  { changedAt, schedule }: JobChange,
  times: FireTimes | null,
): ScheduleRecord {
  const { nextFireAt, lastFireAt, recentRanges } = closed
  if (runsLeft(closed, schedule) === 0) return { ...closed, nextFireAt: null, lateSegments: [] }
  if (nextFireAt !== null && nextFireAt > changedAt) return closed
  // Without a next one, the limit of the version before may have ended it at its last run.
  const decidedUpTo = nextFireAt === null ? Math.max(lastFireAt ?? 0, recentRanges.at(-1)?.to ?? 0) : 0
  return { ...closed, nextFireAt: times?.next(Math.max(changedAt, decidedUpTo)) ?? null }
}

/** One step of the walk: the version before the change is closed, the version after it opened. Null without room. */
function stepped(current: WalkState, change: JobChange, walk: WalkContext): WalkState | null {
  const { message, compile, rules } = walk
  const isNewest = change.version === message.version
  const state = isNewest ? message.state : change.kind === 'update' ? current.state : statesAfter[change.kind]
  const closed = decided(current, change, state, walk)
  if (!closed) return null
  const { version, schedule, changedAt: beganAt } = change
  const isSame = isSameSchedule(current.schedule, schedule)
  const times = isSame ? current.times : timesOf(schedule, message.jobId, compile)
  // Neither the version nor its spec was ever here, and the newest one lets nothing start: what the version before has issued stays.
  const isContinued = isSame && !isNewest && current.state === 'active' && state === 'active'
  const left =
    isContinued && message.state !== 'active'
      ? continued(closed, change, times)
      : reopened(closed, current, { change, state, times }, rules)
  if (!left) return null
  const misfire = misfireOf(message.spec, rules)
  return { record: left, version, schedule, state, times, beganAt, hasSpec: isNewest, misfire }
}

/** The record at the newest version. The spec before it stays as long as a pending command is made of it. */
function atNewest(known: ScheduleRecord | null, { record, schedule, times }: WalkState, walk: WalkContext) {
  const { message, now, rules } = walk
  const { version, state, spec, ownerId } = message
  const olderSpecs = known ? [...known.olderSpecs, { version: known.version, spec: known.spec }] : []
  const isOver = schedule.kind === 'once' && record.nextFireAt === null
  const endedAt = endOf(message) ?? (isOver ? (record.endedAt ?? now) : null)
  const isInvalid = schedule.kind !== 'manual' && !times && record.nextFireAt !== null
  const quarantined = isInvalid ? { reason: 'cannot-be-compiled', until: now + rules.quarantineMs } : null
  return withPending({ ...record, ownerId, version, state, endedAt, spec, olderSpecs, quarantined }, record.pending)
}

/**
 * Step 5 of docs/protocol.md: walks `changes` from the record's own version to the newest one. Each change decides on the fire
 * times of the version before it up to the change, takes back what was issued after it, and sets the next fire time to the
 * first one after it. A version whose spec this scheduler never got issues its fire times as the newest version if that is
 * active, else it puts them into the fire log.
 *
 * All or nothing: a record is never at a version whose spec it does not have. When one of the commands has no room, nothing
 * is applied, and reconcile brings the message again.
 *
 * A schedule is compiled once: `applied` carries the fire times, with which the caller advances the record.
 *
 * `horizon`: retention has removed what was over before it, epoch milliseconds.
 */
export function applyChanges(
  known: ScheduleRecord | null,
  message: JobChangesMessage,
  now: number,
  compile: Compile,
  rules: Rules,
  horizon: number,
): ChangesOutcome {
  if (known && known.version >= message.version) return { outcome: 'known' }
  const from = known?.version ?? 0
  const changes = message.changes
    .filter(({ version }) => version > from && version <= message.version)
    .toSorted((a, b) => a.version - b.version)
  if (changes.at(-1)?.version !== message.version) return { outcome: 'incomplete' }
  if (!known && isForgotten(message, horizon)) return { outcome: 'forgotten' }
  const walk: WalkContext = { isKnown: known !== null, horizon, message, now, compile, rules }
  let current: WalkState | null = startOf(known, walk)
  for (const change of changes) {
    current = stepped(current, change, walk)
    if (!current) return { outcome: 'no-room' }
  }
  return { outcome: 'applied', record: atNewest(known, current, walk), times: current.times }
}
