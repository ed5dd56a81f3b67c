import type { ExecutionStatus, JobState, JobStatusWord, ScheduleSpec, ShownJobState } from '@belfry/contracts'

/** An execution as far as its job's status goes. Times are epoch milliseconds. */
export interface KnownExecution {
  readonly id: string
  readonly fireAt: number
  readonly status: ExecutionStatus
  readonly endedAt: number | null
}

/** The executions that a job's status depends on, each the newest of its kind: by fire time, then id. */
export interface KnownExecutions {
  /** Ended for good. One that a newer version of the job may open again does not count. */
  readonly last: KnownExecution | null
  readonly running: KnownExecution | null
  /** Waits for its next attempt. */
  readonly retrying: KnownExecution | null
}

/** What is known of the fire times that the scheduler has handed over. */
export interface HandedOver {
  /** The earliest one after `last` whose execution has not started. */
  readonly waitingAt: number | null
  /** The newest one. */
  readonly newestAt: number | null
  /**
   * The last one that `maxRuns` allows, if none is missed from now on. Absent for jobs without it, and where the scheduler did
   * not answer.
   */
  readonly lastAt?: number
}

export const noExecutions: KnownExecutions & HandedOver = {
  last: null,
  running: null,
  retrying: null,
  waitingAt: null,
  newestAt: null,
}

/** What a job's status is derived from. Times are epoch milliseconds. */
export interface StatusInput extends KnownExecutions {
  readonly state: JobState
  /** The relay has published the newest version to the scheduler. */
  readonly isPublished: boolean
  /** Of a one-shot, else null. */
  readonly runAt: number | null
}

/** A job with what is known of it, as far as its status goes. */
interface KnownJob {
  readonly state: JobState
  readonly isPublished: boolean
  readonly spec: { readonly schedule: ScheduleSpec }
  readonly known: KnownExecutions
}

/** What the job's status is derived from. */
export function statusInputOf({ state, isPublished, spec, known }: KnownJob): StatusInput {
  const { schedule } = spec
  return { ...known, state, isPublished, runAt: schedule.kind === 'once' ? schedule.runAt : null }
}

function isNewer(one: KnownExecution, other: KnownExecution): boolean {
  return one.fireAt === other.fireAt ? one.id > other.id : one.fireAt > other.fireAt
}

/** A one-shot that was triggered by hand before its time is still to come: only what was due at its time or later counts. */
function countsFor(runAt: number | null, one: KnownExecution | null): one is KnownExecution {
  return one !== null && (runAt === null || one.fireAt >= runAt)
}

/** The job's status in the API: docs/jobs.md, "Status". */
export function deriveStatus({ state, isPublished, runAt, last, running, retrying }: StatusInput): JobStatusWord {
  if (state === 'paused') return 'PAUSED'
  if (state === 'cancelled' || state === 'deleted') return 'CANCELLED'
  if (!isPublished) return 'CREATED'
  if (running) return 'RUNNING'
  if (retrying && (!last || isNewer(retrying, last))) return 'RETRYING'
  return countsFor(runAt, last) ? last.status : 'SCHEDULED'
}

const open: readonly JobStatusWord[] = ['CREATED', 'SCHEDULED', 'RUNNING', 'RETRYING', 'PAUSED']

/** Whether the status is how the newest run has ended, or the end of the job, and not that something is to come first. */
export function isOutcome(status: JobStatusWord): boolean {
  return !open.includes(status)
}

/**
 * `completed` is derived: a one-shot whose execution is over, or a recurring schedule that `isOver` (it has no fire time left)
 * and of which nothing runs. A deleted job is shown by the answer to its delete alone.
 */
export function deriveState({ state, runAt, last, running, retrying }: StatusInput, isOver = false): ShownJobState {
  if (state !== 'active') return state
  if (isOver) return running || retrying ? 'active' : 'completed'
  if (runAt === null || !countsFor(runAt, last)) return 'active'
  return countsFor(runAt, running) || countsFor(runAt, retrying) ? 'active' : 'completed'
}

/**
 * The next fire time that has not started. `next` answers the first one of a recurring schedule after a time. The
 * scheduler never goes back behind what it has handed over, so that counts like the clock: a clock that was set back
 * promises no fire time twice.
 */
export function deriveNextRunAt(
  schedule: ScheduleSpec,
  input: StatusInput,
  { waitingAt, newestAt, lastAt }: HandedOver,
  now: number,
  next: (after: number) => number | null,
): number | null {
  if (input.state !== 'active' || schedule.kind === 'manual') return null
  if (schedule.kind !== 'once') return waitingAt ?? upTo(lastAt, next(Math.max(now, newestAt ?? now)))
  const { last, running, retrying } = input
  const hasStarted = [last, running, retrying].some((one) => countsFor(schedule.runAt, one))
  return hasStarted ? null : schedule.runAt
}

/** A fire time, unless it comes after the last one that there is. */
export const upTo = (lastAt: number | undefined, at: number | null) =>
  at !== null && lastAt !== undefined && at > lastAt ? null : at

/** How many executions in a row have failed, newest first; those that never ran, or still do, are passed over. */
export function countFailuresInRow(newestFirst: Iterable<ExecutionStatus>): number {
  let failures = 0
  for (const status of newestFirst) {
    if (status === 'SUCCESS') break
    if (status === 'FAILED' || status === 'LOST') failures += 1
  }
  return failures
}
