import type { ExecutionStatus, JobState, JobStatusWord, ScheduleSpec, ShownJobState } from '@belfry/contracts'

/** What a job's status is derived from. Times are epoch milliseconds. */
export interface Standing {
  readonly state: JobState
  /** The scheduler has been told of the newest version (its relay has published it). */
  readonly told: boolean
  /** Of a one-shot, else null. */
  readonly runAt: number | null
  /** The newest execution, by fire time. */
  readonly newest: { readonly status: ExecutionStatus; readonly fireAt: number } | null
}

const waitingStatuses: ReadonlySet<ExecutionStatus> = new Set(['SCHEDULED', 'RUNNING', 'RETRYING'])

/** Neither waiting to run nor running. */
function isOver(status: ExecutionStatus): boolean {
  return !waitingStatuses.has(status)
}

/**
 * The execution whose word is the job's. A one-shot that was triggered by hand before its time is still to come, so
 * only what was due at its time or later speaks for it.
 */
function spokesman({ runAt, newest }: Standing): ExecutionStatus | null {
  return newest && (runAt === null || newest.fireAt >= runAt) ? newest.status : null
}

/** The job's word in the API: the row "status" of api.md, Resources. */
export function deriveStatus(standing: Standing): JobStatusWord {
  if (standing.state === 'paused') return 'PAUSED'
  if (standing.state === 'cancelled' || standing.state === 'deleted') return 'CANCELLED'
  if (!standing.told) return 'CREATED'
  return spokesman(standing) ?? 'SCHEDULED'
}

/** `completed` is derived: a one-shot whose execution is over. A deleted job is not shown at all. */
export function deriveState(standing: Standing): ShownJobState {
  if (standing.state === 'paused') return 'paused'
  if (standing.state !== 'active') return 'cancelled'
  const word = standing.runAt === null ? null : spokesman(standing)
  return word && isOver(word) ? 'completed' : 'active'
}

/** `next`: the first fire time after now of a recurring schedule. A one-shot that is due shows its time until it runs. */
export function deriveNextRunAt(
  schedule: ScheduleSpec,
  standing: Standing,
  now: number,
  next: () => number | null,
): number | null {
  if (standing.state !== 'active' || schedule.kind === 'manual') return null
  if (schedule.kind !== 'once') return next()
  return schedule.runAt > now || spokesman(standing) === null ? schedule.runAt : null
}

/** How many executions in a row have failed, newest first; those that never ran, or still do, are passed over. */
export function countFailuresInRow(newestFirst: Iterable<ExecutionStatus>): number {
  let failures = 0
  for (const status of newestFirst) {
    if (status === 'SUCCESS') break
    if (status === 'FAILED' || status === 'LOST') failures += 1
  }
  return failures
}
