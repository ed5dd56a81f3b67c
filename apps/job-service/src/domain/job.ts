import {
  type ChangeKind,
  type JobChange,
  type JobChangesMessage,
  type JobSpec,
  type JobState,
  messageSize,
  type PausedBy,
  type Refusal,
  refusal,
  type ValidationIssue,
  type Warning,
} from '@belfry/contracts'
import { specDifferences } from './spec-differences.ts'

/** A user who may see a job that belongs to another one; the name is the one that the owner gave. */
export interface Viewer {
  readonly id: string
  readonly username: string
}

/** What paused a job, a call for this job, a bulk call, or failures in a row, and the reason that there is. */
export interface Pause {
  readonly by: PausedBy
  readonly reason: string | null
}

/** A pause of a record that was stored before pauses said what made them. */
const plainPause: Pause = { by: 'single', reason: null }

/** A job at its newest version. Times are epoch milliseconds. */
export interface Job {
  readonly id: string
  readonly ownerId: string
  readonly key: string | null
  /** From 1; every change makes a new one. */
  readonly version: number
  readonly state: JobState
  readonly spec: JobSpec
  /** Oldest first; the last one made this version. */
  readonly changes: readonly JobChange[]
  readonly warnings: readonly Warning[]
  /** Who sees the job and its executions beside the owner, in the order that the owner gave. */
  readonly viewers: readonly Viewer[]
  /** When a pause ends by itself; null for a pause without an end, and for a job that is not paused. */
  readonly pauseUntil: number | null
  /** Null for a job that is not paused. */
  readonly pause: Pause | null
  readonly createdAt: number
  /** Of the last change; grows strictly with the version. */
  readonly changedAt: number
}

/** A spec as lists show it: with params only where they are asked for. */
export type ListedSpec = Omit<JobSpec, 'params'> & Partial<Pick<JobSpec, 'params'>>

/** Most entries of `changes` (docs/protocol.md, records): a list that stays full refuses the change. */
export const changesLimit = 32

export interface JobDraft {
  id: string
  ownerId: string
  key: string | null
  spec: JobSpec
  warnings: readonly Warning[]
  viewers?: readonly Viewer[]
  now: number
}

export function newJob({ id, ownerId, key, spec, warnings, viewers = [], now }: JobDraft): Job {
  const created: JobChange = { version: 1, changedAt: now, kind: 'create', schedule: spec.schedule }
  const times = { createdAt: now, changedAt: now }
  return {
    id,
    ownerId,
    key,
    version: 1,
    state: 'active',
    spec,
    changes: [created],
    warnings,
    viewers,
    pauseUntil: null,
    pause: null,
    ...times,
  }
}

/**
 * No fire time of this version lies before: the time of a one-shot, else the moment of the change; null where the schedule asks for
 * none.
 */
export function dueFromOf({ state, spec: { schedule }, changedAt }: Job): number | null {
  if (state !== 'active' || schedule.kind === 'manual') return null
  return schedule.kind === 'once' ? schedule.runAt : changedAt
}

/** Neither cancelled nor deleted: only a live job holds its key. */
export function isLive(job: Pick<Job, 'state'>): boolean {
  return job.state === 'active' || job.state === 'paused'
}

export type JobAction = 'trigger' | 'retry' | 'update' | 'pause' | 'resume' | 'cancel' | 'delete'

/** What a job's owner may ask of it in each state. A repetition that finds the state reached is no illegal transition either. */
export const allowedActions: Record<JobState, readonly JobAction[]> = {
  active: ['trigger', 'retry', 'update', 'pause', 'cancel', 'delete'],
  paused: ['trigger', 'retry', 'update', 'pause', 'resume', 'cancel', 'delete'],
  cancelled: ['delete'],
  deleted: [],
}

const passives: Record<JobAction, string> = {
  trigger: 'triggered',
  retry: 'run again',
  update: 'updated',
  pause: 'paused',
  resume: 'resumed',
  cancel: 'cancelled',
  delete: 'deleted',
}

/** Null when the job's state allows the action; else what it allows. */
export function checkAction({ state }: Pick<Job, 'state'>, action: JobAction): Refusal | null {
  const allowed = allowedActions[state]
  if (allowed.includes(action)) return null
  return refusal('illegal-transition', `the job is ${state} and cannot be ${passives[action]}`, { allowed })
}

/*
 * The changes of a job (docs/protocol.md step 1). Each answers the job at its next version; the very same job when it is as the change
 * would make it, since asking twice changes nothing; or the refusal of its state. `now`: epoch milliseconds.
 */

/** Another spec, with what to warn of in it, and other viewers. A paused job stays paused. */
export function updatedJob(job: Job, { viewers = job.viewers, ...read }: Defining, now: number): Job | Refusal {
  const refused = checkAction(job, 'update')
  if (refused) return refused
  const { spec, warnings } = read
  const isSame = jobDifferences({ spec, viewers }, job).length === 0
  return isSame ? job : change(job, 'update', { spec, warnings, viewers }, now)
}
/** Without viewers: they stay. */
type Defining = Pick<Job, 'spec' | 'warnings'> & Partial<Pick<Job, 'viewers'>>

/** What differs between the definition that a caller wants and the one that is stored: its spec, and its viewers. */
export function jobDifferences(asked: Defined, stored: Defined): ValidationIssue[] {
  const namesOf = ({ viewers }: Defined) => viewers.map(({ id }) => id).join(' ')
  const differs = { pointer: '/viewers', code: 'differs', detail: 'differs from the job that exists' }
  return [...specDifferences(asked.spec, stored.spec), ...(namesOf(asked) === namesOf(stored) ? [] : [differs])]
}
type Defined = Pick<Job, 'spec' | 'viewers'>

/** Of a pause whose end has passed. */
export const endsInThePast = refusal('impossible', 'the pause would be over already', {
  errors: [{ pointer: '/until', code: 'in-the-past', detail: 'must lie in the future' }],
})

/**
 * No fire time is issued until a resume, or until `pauseUntil`. Of a paused job only the pause changes, which is an update: the
 * triggers that the pause has let through stay. A bulk pause leaves a job as it is that was paused by a call of its own.
 */
export function pausedJob(job: Job, pauseUntil: number | null, now: number, pause = plainPause): Job | Refusal {
  const refused = checkAction(job, 'pause')
  if (refused) return refused
  if (pauseUntil !== null && pauseUntil <= now) return endsInThePast
  if (job.state === 'active') return change(job, 'pause', { state: 'paused', pauseUntil, pause }, now)
  if (pause.by === 'bulk' && job.pause?.by !== 'bulk') return job
  const isSame = job.pauseUntil === pauseUntil && job.pause?.by === pause.by && job.pause.reason === pause.reason
  return isSame ? job : change(job, 'update', { pauseUntil, pause }, now)
}

/** Of a record: the pause that it has stored, if the job is paused. */
export function pauseOf(state: JobState, stored: Pause | undefined): Pause | null {
  return state === 'paused' ? (stored ?? plainPause) : null
}

const notPaused = { pauseUntil: null, pause: null }

/**
 * Paused because `failures` executions in a row have failed (`pauseAfterFailures`), unless the job was changed after `version`, at which
 * that was seen.
 */
export function pausedAfterFailures(job: Job, version: number, failures: number, now: number): Job | Refusal {
  if (job.version !== version || job.state !== 'active') return job
  const reason = `The last ${failures} ${failures === 1 ? 'execution' : 'executions in a row'} failed.`
  return change(job, 'pause', { state: 'paused', pause: { by: 'failures', reason } }, now)
}

/** The version that paused the job: a change of its spec leaves the pause as it is. Undefined once so many changes came that it is not listed. */
export function versionOfPause({ changes }: Pick<Job, 'changes'>): number | undefined {
  return changes.findLast(({ kind }) => kind === 'pause')?.version
}

export function resumedJob(job: Job, now: number): Job | Refusal {
  if (job.state === 'active') return job
  return checkAction(job, 'resume') ?? change(job, 'resume', { state: 'active', ...notPaused }, now)
}

/** A pause whose end has come ends right before that moment, however late the change is made: a fire time at it is issued. */
export function afterPause(job: Job, now: number): Job | Refusal {
  const { state, pauseUntil } = job
  return state === 'paused' && pauseUntil !== null && pauseUntil <= now ? resumedJob(job, pauseUntil - 1) : job
}

/** What a bulk resume makes of a paused job: with `bulk` one that no bulk call has paused stays paused. */
export function resumedInBulk(job: Job, by: 'bulk' | 'any', now: number): Job | Refusal {
  return by === 'bulk' && job.pause?.by !== 'bulk' ? job : resumedJob(job, now)
}

/** Nothing of the job runs any more. */
export function cancelledJob(job: Job, now: number): Job | Refusal {
  if (job.state === 'cancelled') return job
  return checkAction(job, 'cancel') ?? change(job, 'cancel', { state: 'cancelled', ...notPaused }, now)
}

/** Cancelled, and not shown any more. What is left is a tombstone: its id is never used again. */
export function deletedJob(job: Job, now: number): Job | Refusal {
  if (job.state === 'deleted') return job
  return checkAction(job, 'delete') ?? change(job, 'delete', { state: 'deleted', ...notPaused }, now)
}

/** When a change that is made now counts: in one order whatever the clock does (docs/protocol.md step 1). */
export function nextChangeAt({ changedAt }: Pick<Job, 'changedAt'>, now: number): number {
  return Math.max(now, changedAt + 1)
}

const tooManyChanges = refusal(
  'too-many-requests',
  'too many changes of this job have not reached the executors and the scheduler yet',
  { retryAfterS: 5 },
)

type Changed = Partial<Pick<Job, 'state' | 'spec' | 'warnings' | 'viewers' | 'pauseUntil' | 'pause'>>

function change(job: Job, kind: ChangeKind, changed: Changed, now: number): Job | Refusal {
  if (job.changes.length >= changesLimit) return tooManyChanges
  const next = { ...job, ...changed }
  const version = job.version + 1
  const changedAt = nextChangeAt(job, now)
  const entry: JobChange = { version, changedAt, kind, schedule: next.spec.schedule }
  return { ...next, version, changes: [...job.changes, entry], changedAt }
}

/**
 * The job without the changes that the executors and the scheduler are both past, at these versions. The newest stays, and so does
 * the one at which the slower of them is: the scheduler asks when its version began.
 */
export function trimChanges(job: Job, fencedVersion: number, schedulerVersion: number): Job {
  const reached = Math.min(fencedVersion, schedulerVersion, job.version)
  return { ...job, changes: job.changes.filter(({ version }) => version >= reached) }
}

/** The changes that the executors confirm before the answer is firm: all but the creation (docs/protocol.md step 2). */
export function fencedChanges(job: Pick<Job, 'changes'>): JobChange[] {
  return job.changes.filter((entry) => entry.kind !== 'create')
}

/** The job's whole state, as the scheduler gets it. */
export function toJobChanges(job: Job): JobChangesMessage {
  const { id: jobId, ownerId, version, state, spec, changes } = job
  return { jobId, ownerId, version, state, spec, changes: [...changes] }
}

/** A moment that never comes. */
const never = Number.MAX_SAFE_INTEGER

/**
 * From when on the scheduler has a use for the newest version, epoch milliseconds: a new job's first fire time. Undefined: at once,
 * as for every change of a job that the scheduler has, and where `firstAt` of a recurring job is not known.
 */
function neededAt({ version, state, spec: { schedule } }: Job, firstAt?: number | null): number | undefined {
  if (version > 1 || state !== 'active') return undefined
  if (schedule.kind === 'once') return schedule.runAt
  return schedule.kind === 'manual' ? never : (firstAt ?? undefined)
}

/** The newest version as the relay publishes it. `firstAt`: the first fire time of a recurring job, where it is known. */
export function newestVersion(job: Job, firstAt?: number | null) {
  const value = toJobChanges(job)
  const needed = neededAt(job, firstAt)
  const row = { seq: job.version, key: job.id, size: messageSize('job-changes', value), value }
  return needed === undefined ? row : { ...row, neededAt: needed }
}

/** Whether the scheduler needs a new job within `soonMs` milliseconds. */
export function isNeededSoon(job: Job, firstAt: number | null, now: number, soonMs: number): boolean {
  return (neededAt(job, firstAt) ?? now) - now <= soonMs
}
