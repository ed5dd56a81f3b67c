import {
  type ExecutionCause,
  type ExecutionState,
  isEnded,
  type JobChange,
  type OverlapPolicy,
  type Refusal,
  refusal,
} from '@belfry/contracts'

/** From `fromAt` on (a fire time, epoch milliseconds) only `version` and newer ones start. */
export interface Floor {
  readonly version: number
  readonly fromAt: number
}

/** Per job: what must not start any more, and which executions hold an overlap place. A job without one is open. */
export interface Admission {
  readonly jobId: string
  /** Versions below it never start. */
  readonly minVersion: number
  /** In order of version; `fromAt` grows with it. At most `maxFloors`. */
  readonly floors: readonly Floor[]
  /** Ids of the executions that hold a place; at most the job's overlap limit. */
  readonly places: readonly string[]
  /** The id of the execution that gets the next place (overlap policies `queue` and `cancel-running`); at most one. */
  readonly waiting: readonly string[]
  /**
   * The `rev` of the newest fence whose closed executions may still be ready in the store; 0 once they have ended. What is
   * closed does not start meanwhile, because each claim reads the admission.
   */
  readonly unsettled: number
  /** Grows by one with every change; 0 for one that is not stored yet. */
  readonly rev: number
}

export const maxFloors = 256

/** The admission of a job that has none. */
export function openAdmission(jobId: string): Admission {
  return { jobId, minVersion: 0, floors: [], places: [], waiting: [], unsettled: 0, rev: 0 }
}

/** What of an execution decides whether its job's admission lets it start. */
export interface Applicant {
  readonly version: number
  readonly cause: ExecutionCause
  readonly fireAt: number
}

const stoppingKinds: readonly JobChange['kind'][] = ['pause', 'cancel', 'delete']

/** Joining these two floors would close one that is open now: its version and its fire time lie between them. */
function isBetween(older: Floor, newer: Floor, one: Applicant): boolean {
  const between = one.version >= older.version && one.version < newer.version
  return between && one.fireAt > older.fromAt && one.fireAt <= newer.fromAt
}

/**
 * Joins the two oldest neighbours with nothing open between them into (newer version, older `fromAt`). `listedFrom`: the oldest version
 * of which the job still lists the change. The scheduler may not be past it, so that commands of it, which the joined floor
 * would close, may still be on their way.
 */
function joinOldest(floors: readonly Floor[], open: readonly Applicant[], listedFrom: number): readonly Floor[] | null {
  for (let i = 0; i + 1 < floors.length; i++) {
    const older = floors[i] as Floor
    const newer = floors[i + 1] as Floor
    if (newer.version > listedFrom) return null
    if (open.some((one) => one.cause === 'schedule' && isBetween(older, newer, one))) continue
    return [...floors.slice(0, i), { version: newer.version, fromAt: older.fromAt }, ...floors.slice(i + 2)]
  }
  return null
}

function applyChange(admission: Admission, { version, kind, changedAt }: JobChange): Admission {
  if (version <= admission.minVersion) return admission
  if (stoppingKinds.includes(kind)) {
    return { ...admission, minVersion: version, floors: admission.floors.filter((floor) => floor.version > version) }
  }
  const isCovered = admission.floors.some((floor) => floor.version >= version && floor.fromAt <= changedAt)
  if (kind === 'create' || isCovered) return admission
  const floors = [...admission.floors, { version, fromAt: changedAt }].sort((a, b) => a.version - b.version)
  return { ...admission, floors }
}

/**
 * Step 2 of docs/protocol.md: a cancel, pause or delete raises `minVersion` and clears older floors, an update or resume adds a
 * floor; each marks the admission as unsettled. The order and number of deliveries do not matter. `open` are the job's
 * executions that are ready or running; they are looked at only when floors must be joined. Answers the same admission
 * when the changes say nothing new, and refuses when there are more floors than `limit` and none can be joined.
 */
export function applyChanges(
  admission: Admission,
  changes: readonly JobChange[],
  open: readonly Applicant[],
  limit = maxFloors,
): Admission | Refusal {
  const listedFrom = Math.min(...changes.map(({ version }) => version))
  let next = changes.reduce(applyChange, admission)
  while (next.floors.length > limit) {
    const floors = joinOldest(next.floors, open, listedFrom)
    if (floors === null) {
      return refusal('too-many-requests', 'Too many changes while executions of older versions are open.', {
        retryAfterS: 60,
      })
    }
    next = { ...next, floors }
  }
  const rev = admission.rev + 1
  return next === admission ? admission : { ...next, unsettled: rev, rev }
}

/** Everything that the fence of `mark` closes has ended; the same admission when a newer fence has come, or it is known. */
export function settled(admission: Admission, mark: number): Admission {
  if (mark === 0 || admission.unsettled !== mark) return admission
  return { ...admission, unsettled: 0, rev: admission.rev + 1 }
}

/**
 * Whether the job's admission closes an execution, and as what. A floor counts by fire time, never by the time of a retry;
 * a trigger has no fire time of its schedule and is closed by `minVersion` only.
 */
export function closedAs(admission: Admission, one: Applicant): 'cancelled' | 'superseded' | null {
  if (one.version < admission.minVersion) return 'cancelled'
  if (one.cause !== 'schedule') return null
  const isOver = admission.floors.some((floor) => floor.version > one.version && floor.fromAt < one.fireAt)
  return isOver ? 'superseded' : null
}

/**
 * What an execution is to do: `start`, since it has a place; `wait` for the place that `blockedBy` holds, while the executions in
 * `cancel` are asked to end; or `skip`, since `blockedBy` is in its way. `admission` is the very one that was given when
 * nothing in it changes.
 */
export type PlaceAnswer = { readonly admission: Admission } & (
  | { readonly decision: 'start' }
  | { readonly decision: 'wait'; readonly blockedBy: string; readonly cancel: readonly string[] }
  | { readonly decision: 'skip'; readonly blockedBy: string }
)

/** The state of an execution; undefined for one that is not stored. */
export type StateOf = (executionId: string) => ExecutionState | undefined

/** Whether an execution of this state may hold a place: one that is not stored, or has ended, holds none. */
const isOpen = (state: ExecutionState | undefined): boolean => state !== undefined && !isEnded(state)

/** The places whose executions still hold them. */
export function heldPlaces({ places }: Admission, stateOf: StateOf): readonly string[] {
  return places.filter((id) => isOpen(stateOf(id)))
}

/**
 * Takes an overlap place for `executionId` (docs/protocol.md step 9). Places whose execution is neither ready nor running are dropped
 * first, so no execution has to release its own; an own place is kept, so a retry finds it again, but by a compare-and-set like
 * another one: an execution that was at rest and is opened again may have lost it at this very moment. A free place goes to the
 * execution that waits before it goes to a newcomer. Without a place the policies `queue` and `cancel-running` let one
 * execution wait; each further one is skipped because of that one.
 */
export function takePlace(
  admission: Admission,
  executionId: string,
  { policy, limit }: OverlapPolicy,
  stateOf: StateOf,
): PlaceAnswer {
  // Stored again: another claim may have read it while this execution was at rest, and would drop its place.
  if (admission.places.includes(executionId))
    return { admission: { ...admission, rev: admission.rev + 1 }, decision: 'start' }
  const others = admission.waiting.filter((id) => id !== executionId && isOpen(stateOf(id)))
  const held = heldPlaces(admission, stateOf)
  const promoted = others.slice(0, Math.max(0, limit - held.length))
  const places = [...held, ...promoted]
  const waiting = others.slice(promoted.length)
  const changed = (change: Pick<Admission, 'places' | 'waiting'>) => ({
    ...admission,
    ...change,
    rev: admission.rev + 1,
  })
  const [inTheWay] = places
  if (inTheWay === undefined || places.length < limit)
    return { admission: changed({ places: [...places, executionId], waiting }), decision: 'start' }
  if (policy === 'skip' || policy === 'allow') return { admission, decision: 'skip', blockedBy: inTheWay }
  const [next] = waiting
  if (next !== undefined) return { admission, decision: 'skip', blockedBy: next }
  const isKnown = admission.waiting.includes(executionId) && promoted.length === 0
  return {
    admission: isKnown ? admission : changed({ places, waiting: [executionId] }),
    decision: 'wait',
    blockedBy: inTheWay,
    cancel: policy === 'cancel-running' ? places : [],
  }
}
