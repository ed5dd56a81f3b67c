/**
 * The states of docs/protocol.md and the words the API shows for them. One record has one `state`; a `status` is derived
 * from it for people and never stored as the truth.
 */
export const executionStates = [
  'ready',
  'running',
  'succeeded',
  'failed',
  'cancelled',
  'superseded',
  'skipped',
  'expired',
  'lost',
] as const
export type ExecutionState = (typeof executionStates)[number]

export const executionStatuses = [
  'SCHEDULED',
  'RUNNING',
  'RETRYING',
  'SUCCESS',
  'FAILED',
  'CANCELLED',
  'SUPERSEDED',
  'SKIPPED',
  'EXPIRED',
  'LOST',
] as const
export type ExecutionStatus = (typeof executionStatuses)[number]

const endStatuses: Record<Exclude<ExecutionState, 'ready' | 'running'>, ExecutionStatus> = {
  succeeded: 'SUCCESS',
  failed: 'FAILED',
  cancelled: 'CANCELLED',
  superseded: 'SUPERSEDED',
  skipped: 'SKIPPED',
  expired: 'EXPIRED',
  lost: 'LOST',
}

interface StatusSource {
  readonly state: ExecutionState
  readonly failures: number
  /** While `running`, the last one is open: `startedAt` is null until its start is recorded. */
  readonly attempts: readonly { readonly startedAt: number | null }[]
}

/**
 * The word that the API shows. `ready` is SCHEDULED, or RETRYING once an attempt has failed; so is a claim whose start is
 * not recorded: it waits for its time or for a slot, or has run for less than `BELFRY_EXECUTOR_RUNNING_SHOWN_MS`.
 */
export function executionStatusOf({ state, failures, attempts }: StatusSource): ExecutionStatus {
  if (state !== 'ready' && state !== 'running') return endStatuses[state]
  if (state === 'running' && attempts.at(-1)?.startedAt !== null) return 'RUNNING'
  return failures > 0 ? 'RETRYING' : 'SCHEDULED'
}

/** Nothing of its own accord follows: neither waiting to run nor running. */
export function isEnded(state: ExecutionState): boolean {
  return state !== 'ready' && state !== 'running'
}

/**
 * Closed by a floor of the job's admission, so a command of a newer version opens it again (docs/protocol.md, execution
 * states). One that was cancelled by name stays cancelled.
 */
export function isAtRest(execution: { state: ExecutionState; cancelRequested: boolean }): boolean {
  return execution.state === 'superseded' || (execution.state === 'cancelled' && !execution.cancelRequested)
}

/** Ended for good: nothing opens it again, so its command need not be repeated (docs/protocol.md step 7). */
export function isFinal(execution: { state: ExecutionState; cancelRequested: boolean }): boolean {
  return isEnded(execution.state) && !isAtRest(execution)
}

/** What a job's owner did to it last. `completed` is derived for the API (a one-shot that has ended), never stored. */
export const jobStates = ['active', 'paused', 'cancelled', 'deleted'] as const
export type JobState = (typeof jobStates)[number]

/** `deleted` is shown by the answer to the delete alone. */
export const shownJobStates = ['active', 'paused', 'completed', 'cancelled', 'deleted'] as const
export type ShownJobState = (typeof shownJobStates)[number]

export const jobStatuses = [...executionStatuses, 'CREATED', 'PAUSED', 'COMPLETED'] as const
export type JobStatusWord = (typeof jobStatuses)[number]

/** What made an execution. */
export const executionCauses = ['schedule', 'manual', 'retry', 'backfill'] as const
export type ExecutionCause = (typeof executionCauses)[number]

/** Why fire times have no execution (docs/schedules.md, "Fire log"). */
export const fireDecisions = ['missed', 'skipped', 'excluded', 'paused'] as const
export type FireDecision = (typeof fireDecisions)[number]

/** How one attempt ended; `interrupted` by an orderly stop of its executor. */
export const attemptOutcomes = ['succeeded', 'failed', 'lost', 'cancelled', 'timed-out', 'interrupted'] as const
export type AttemptOutcome = (typeof attemptOutcomes)[number]

export const roles = ['viewer', 'user', 'operator', 'admin'] as const
export type Role = (typeof roles)[number]
