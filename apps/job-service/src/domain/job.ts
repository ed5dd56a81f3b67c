import {
  type ChangeKind,
  type JobChange,
  type JobChangesMessage,
  type JobSpec,
  type JobState,
  messageSize,
  type Refusal,
  refusal,
  type Warning,
} from '@belfry/contracts'

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
  readonly createdAt: number
  /** Of the last change; grows strictly with the version. */
  readonly changedAt: number
}

/** A spec as lists show it: with params only where they are asked for. */
export type ListedSpec = Omit<JobSpec, 'params'> & Partial<Pick<JobSpec, 'params'>>

/** Most entries of `changes` (protocol.md, records): a list that stays full refuses the change. */
export const changesLimit = 32

export interface JobDraft {
  id: string
  ownerId: string
  key: string | null
  spec: JobSpec
  warnings: readonly Warning[]
  now: number
}

export function newJob({ id, ownerId, key, spec, warnings, now }: JobDraft): Job {
  const created: JobChange = { version: 1, changedAt: now, kind: 'create', schedule: spec.schedule }
  const times = { createdAt: now, changedAt: now }
  return { id, ownerId, key, version: 1, state: 'active', spec, changes: [created], warnings, ...times }
}

/** Neither cancelled nor deleted: only a live job holds its key. */
export function isLive(job: Pick<Job, 'state'>): boolean {
  return job.state === 'active' || job.state === 'paused'
}

/** What a job's owner may ask of it in each state; what the state does not list is an illegal transition. */
const allowedActions: Record<JobState, readonly string[]> = {
  active: ['trigger', 'cancel'],
  paused: ['trigger', 'cancel'],
  cancelled: ['cancel'],
  deleted: [],
}

function checkAllowed(job: Job, action: string): Refusal | null {
  const allowed = allowedActions[job.state]
  if (allowed.includes(action)) return null
  const detail = `the job is ${job.state} and cannot ${action === 'trigger' ? 'be triggered' : `take "${action}"`}`
  return refusal('illegal-transition', detail, { allowed })
}

/** Nothing of the job runs any more. Cancelled already: the same job again, since asking twice changes nothing. */
export function cancelledJob(job: Job, now: number): Job | Refusal {
  const refused = checkAllowed(job, 'cancel')
  if (refused) return refused
  return job.state === 'cancelled' ? job : change(job, 'cancel', 'cancelled', now)
}

/** A paused job can be triggered by hand; a cancelled one cannot (protocol.md, steps 2 and 3). */
export function checkTrigger(job: Job): Refusal | null {
  return checkAllowed(job, 'trigger')
}

/** protocol.md, step 1: `changedAt` = max(now, last + 1), so that changes have one order whatever the clock does. */
function change(job: Job, kind: ChangeKind, state: JobState, now: number): Job | Refusal {
  if (job.changes.length >= changesLimit) {
    const detail = 'too many changes of this job have not reached the executors and the scheduler yet'
    return refusal('too-many-requests', detail, { retryAfterS: 5 })
  }
  const version = job.version + 1
  const changedAt = Math.max(now, job.changedAt + 1)
  const entry: JobChange = { version, changedAt, kind, schedule: job.spec.schedule }
  return { ...job, version, state, changes: [...job.changes, entry], changedAt }
}

/** The changes that the executors confirm before the answer is firm: all but the creation (protocol.md, step 2). */
export function fencedChanges(job: Pick<Job, 'changes'>): JobChange[] {
  return job.changes.filter((entry) => entry.kind !== 'create')
}

/** The job's whole state, as the scheduler gets it. */
export function toJobChanges(job: Job): JobChangesMessage {
  const { id: jobId, ownerId, version, state, spec, changes } = job
  return { jobId, ownerId, version, state, spec, changes: [...changes] }
}

/** The newest version as the relay publishes it. */
export function newestVersion(job: Job) {
  const value = toJobChanges(job)
  return { seq: job.version, key: job.id, size: messageSize('job-changes', value), value }
}
