import type { ChangeKind, FireDecision, JobChange, JobChangesMessage, JobState, ScheduleSpec } from '@belfry/contracts'
import type { FireTimes } from '@belfry/time'
import { broughtBack, type Compile, issueUpTo } from './firing.ts'
import { endOf, isForgotten } from './retention.ts'
import { type Rules, type ScheduleRecord, undeliveredRoom, withPending } from './schedule-record.ts'

/**
 * `known`: this version, or a newer one, was taken over before. `no-room`: its commands do not fit into `pending` now;
 * reconcile comes back to it. `incomplete`: the message lists no change for its own version. `forgotten`: the job ended so
 * long ago that its schedule has gone.
 */
export type ChangesOutcome =
  | { readonly outcome: 'applied'; readonly record: ScheduleRecord }
  | { readonly outcome: 'known' | 'no-room' | 'incomplete' | 'forgotten' }

interface Walk {
  readonly isKnown: boolean
  readonly horizon: number
  readonly message: JobChangesMessage
  readonly now: number
  readonly compile: Compile
  readonly rules: Rules
}

/** Where the walk stands: the record, and the version whose fire times come next. */
interface Place {
  readonly record: ScheduleRecord
  readonly version: number
  readonly schedule: ScheduleSpec
  readonly state: JobState
  /** Null for a schedule without fire times, or with none that could be computed. */
  readonly times: FireTimes | null
  /** When the version began, epoch milliseconds; null when `changes` no longer says so. */
  readonly beganAt: number | null
  /** Its spec is at hand, so its fire times can go out as this version. */
  readonly isSeen: boolean
}

const statesAfter: Record<Exclude<ChangeKind, 'update'>, JobState> = {
  create: 'active',
  resume: 'active',
  pause: 'paused',
  cancel: 'cancelled',
  delete: 'deleted',
}

function blank({ jobId, ownerId, spec }: JobChangesMessage): ScheduleRecord {
  const none = { nextFireAt: null, lastFireAt: null, fired: 0, pending: [], undelivered: [], aside: null }
  return { jobId, ownerId, version: 0, state: 'active', endedAt: null, spec, olderSpecs: [], ...none }
}

function timesOf(schedule: ScheduleSpec, jobId: string, compile: Compile): FireTimes | null {
  if (schedule.kind === 'manual') return null
  const times = compile(schedule, jobId)
  return 'fault' in times ? null : times
}

function startOf(known: ScheduleRecord | null, { message, compile }: Walk): Place {
  const record = known ?? blank(message)
  const { version, state } = record
  const schedule: ScheduleSpec = known ? known.spec.schedule : { kind: 'manual' }
  const times = timesOf(schedule, record.jobId, compile)
  const beganAt = message.changes.find((change) => change.version === version)?.changedAt ?? null
  return { record: times ? broughtBack(record, times) : record, version, schedule, state, times, beganAt, isSeen: true }
}

/** Writes the fire times up to `upTo` into the fire log. Null when there is no room for the range. */
function logged(
  place: Place,
  upTo: number,
  decision: FireDecision,
  reason: string,
  rules: Rules,
): ScheduleRecord | null {
  const { record, times, version, schedule } = place
  const from = record.nextFireAt
  const to = from === null || !times ? null : times.last(from, upTo)
  if (from === null || to === null || !times) return record
  if (undeliveredRoom(record, rules) === 0) return null
  const range = { from, to, count: times.count(from, to), decision, reason, version }
  // A one-shot in the log is decided: it must not come back with a later version of the same time.
  const lastFireAt = schedule.kind === 'once' ? to : record.lastFireAt
  return { ...record, lastFireAt, undelivered: [...record.undelivered, range] }
}

/** Issues the fire times up to `upTo`, all or none: null when there is no room for one of them. */
function issuedUpTo(place: Place, upTo: number, version: number, { now, rules }: Walk): ScheduleRecord | null {
  if (!place.times) return place.record
  const { schedule, times } = place
  const record = issueUpTo(place.record, { schedule, times, upTo, version }, now, rules)
  return record.nextFireAt !== null && record.nextFireAt <= upTo ? null : record
}

/** A paused one-shot waits for the resume, as long as its time stays the same. */
function waitsOn(place: Place, change: JobChange, state: JobState): boolean {
  const [before, after] = [place.schedule, change.schedule]
  const isSameTime = before.kind === 'once' && after.kind === 'once' && before.runAt === after.runAt
  return isSameTime && (state === 'active' || state === 'paused')
}

/**
 * Whether the place is a one-shot of a job whose schedule was cleared away after it fired: the job is unknown, the version was
 * active at its time, and both are older than the horizon. Issued again, its execution would run again, since that has gone,
 * too.
 */
function isForgottenOneShot({ record, schedule, beganAt }: Place, upTo: number, { isKnown, horizon }: Walk): boolean {
  if (isKnown || schedule.kind !== 'once' || record.nextFireAt === null) return false
  return record.nextFireAt <= upTo && Math.max(record.nextFireAt, beganAt ?? 0) < horizon
}

/** Decides on the fire times of the version before a change, up to the change. Null when they do not fit. */
function decided(place: Place, change: JobChange, state: JobState, walk: Walk): ScheduleRecord | null {
  const { message, rules } = walk
  const upTo = change.changedAt
  if (place.state === 'paused')
    return waitsOn(place, change, state) ? place.record : logged(place, upTo, 'paused', 'paused', rules)
  if (place.state !== 'active') return place.record
  if (isForgottenOneShot(place, upTo, walk)) return { ...place.record, lastFireAt: place.record.nextFireAt }
  if (place.isSeen) return issuedUpTo(place, upTo, place.version, walk)
  if (message.state === 'active') return issuedUpTo(place, upTo, message.version, walk)
  return logged(place, upTo, 'skipped', message.state, rules)
}

/** Takes back what was issued of the version before for times after the change: the version after it decides on them. */
function takenBack(record: ScheduleRecord, { times, schedule, beganAt }: Place, changedAt: number): ScheduleRecord {
  const kept = withPending(
    record,
    record.pending.filter((command) => command.fireAt <= changedAt),
  )
  const { lastFireAt } = record
  if (lastFireAt === null || lastFireAt <= changedAt) return kept
  const isOneShot = schedule.kind === 'once' || !times
  const taken = isOneShot ? 1 : times.count(changedAt + 1, lastFireAt)
  const last = isOneShot || beganAt === null ? null : times.last(beganAt + 1, changedAt)
  return { ...kept, lastFireAt: last, fired: Math.max(0, record.fired - taken) }
}

/** The first fire time of a version: a one-shot has one still to come unless it is the one that was issued. */
function firstFireAt(change: JobChange, state: JobState, times: FireTimes | null, lastFireAt: number | null) {
  const { schedule, changedAt } = change
  if (schedule.kind === 'manual' || state === 'cancelled' || state === 'deleted') return null
  if (schedule.kind === 'once') return schedule.runAt === lastFireAt ? null : schedule.runAt
  return times ? times.next(changedAt) : changedAt + 1
}

/** One step of the walk: the version before the change is closed, the version after it opened. */
function stepped(place: Place, change: JobChange, walk: Walk): Place | null {
  const { message, compile } = walk
  const isNewest = change.version === message.version
  const state = isNewest ? message.state : change.kind === 'update' ? place.state : statesAfter[change.kind]
  const closed = decided(place, change, state, walk)
  if (!closed) return null
  const left = takenBack(closed, place, change.changedAt)
  const times = timesOf(change.schedule, message.jobId, compile)
  const record = { ...left, nextFireAt: firstFireAt(change, state, times, left.lastFireAt) }
  const { version, schedule, changedAt: beganAt } = change
  return { record, version, schedule, state, times, beganAt, isSeen: isNewest }
}

/** The record at the newest version; the spec before it stays as long as commands are made of it. */
function taken(known: ScheduleRecord | null, { record, schedule, times }: Place, walk: Walk): ScheduleRecord {
  const { message, now, rules } = walk
  const { version, state, spec, ownerId } = message
  const olderSpecs = known ? [...known.olderSpecs, { version: known.version, spec: known.spec }] : []
  const isDecided = schedule.kind === 'once' && record.nextFireAt === null
  const endedAt = endOf(message) ?? (isDecided ? (record.endedAt ?? now) : null)
  const isFaulty = schedule.kind !== 'manual' && !times && record.nextFireAt !== null
  const aside = isFaulty ? { reason: 'cannot-be-compiled', until: now + rules.asideMs } : null
  return withPending({ ...record, ownerId, version, state, endedAt, spec, olderSpecs, aside }, record.pending)
}

/**
 * Step 5 of protocol.md: walks `changes` from the record's own version to the newest one. For each change the fire times
 * of the version before it are decided up to the change, what was issued after it is taken back, and the next fire time
 * is the first one after it. Fire times of a version whose spec never came here go out as the newest version if that is
 * active, else into the fire log.
 *
 * All or nothing: a record never stands at a version whose spec it does not have. Where one of the commands has no room,
 * the message counts as not heard, and reconcile brings it again.
 *
 * `horizon`: what was over before it has been cleared away, epoch milliseconds.
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
  const walk: Walk = { isKnown: known !== null, horizon, message, now, compile, rules }
  let place: Place | null = startOf(known, walk)
  for (const change of changes) {
    place = stepped(place, change, walk)
    if (!place) return { outcome: 'no-room' }
  }
  return { outcome: 'applied', record: taken(known, place, walk) }
}
