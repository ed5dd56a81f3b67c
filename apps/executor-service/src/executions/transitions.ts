import { isAtRest, isEnded, type Refusal } from '@belfry/contracts'
import {
  changed,
  type Execution,
  ended,
  hasStarted,
  illegal,
  isOwnedBy,
  maxAttempts,
  notBeforeItsTime,
  type ReadyPool,
  recordedStart,
  recordsStartFirst,
  type StoredArtifact,
  stale,
  withAttempt,
  withOpenAttempt,
  withoutOpenAttempt,
} from './execution.ts'
import type { AttemptOutcome } from './outcome.ts'
import { retryDelayMs } from './retry.ts'

/**
 * ready -> running: a new epoch of the executor `owner` has it, and its attempt takes a slot of `pool`. Nothing has started yet
 * (docs/protocol.md step 9).
 */
export function claim(
  execution: Execution,
  { owner, pool = execution.pool }: { readonly owner: string; readonly pool?: ReadyPool | undefined },
): Execution | Refusal {
  if (execution.state !== 'ready') return illegal(execution, 'claimed')
  const epoch = execution.epoch + 1
  const attempt = { epoch, executor: owner, startedAt: null, endedAt: null, outcome: null, error: null }
  const attempts = withAttempt(execution.attempts, attempt)
  return changed(execution, { state: 'running', epoch, owner, pool, attempts, blockedBy: null })
}

function endUnstarted(
  execution: Execution,
  state: 'cancelled' | 'superseded' | 'skipped' | 'expired',
  at: number,
  more: Partial<Execution> = {},
): Execution {
  return changed(execution, { state, attempts: withoutOpenAttempt(execution), ...ended(at), ...more })
}

/** Ready, or claimed without a recorded start. */
function isUnstarted(execution: Execution): boolean {
  return execution.state === 'ready' || (execution.state === 'running' && recordedStart(execution) === null)
}

/**
 * A floor of the job's admission closes it: `cancelled` below `minVersion`, `superseded` after a newer version's start.
 * From ready, or from a claim that has not started; no try is charged.
 */
export function close(execution: Execution, by: 'cancelled' | 'superseded', at: number): Execution | Refusal {
  if (!isUnstarted(execution)) return illegal(execution, by)
  return endUnstarted(execution, by, at)
}

/** No overlap place: it ends, naming the execution in its way. From ready, or from a claim that has not started. */
export function skip(execution: Execution, blockedBy: string, at: number): Execution | Refusal {
  if (!isUnstarted(execution)) return illegal(execution, 'skipped')
  return endUnstarted(execution, 'skipped', at, { blockedBy })
}

/** Whether a first start at `at` is later than its job wants one at all. A retry is never too late. */
export function isTooLate(execution: Execution, at: number): boolean {
  return execution.expiresAt !== null && at > execution.expiresAt && !hasStarted(execution)
}

/** It waited too long: for its executor, a slot, an overlap place. From ready, or from a claim that has not started. */
export function expire(execution: Execution, at: number): Execution | Refusal {
  if (!isUnstarted(execution)) return illegal(execution, 'expired')
  return endUnstarted(execution, 'expired', at)
}

/** ready -> ready: this executor does not have its job type. Those that have it look for it in the pool `other`. */
export function handOver(execution: Execution): Execution | Refusal {
  if (execution.state !== 'ready') return illegal(execution, 'handed over')
  return execution.pool === 'other' ? execution : changed(execution, { pool: 'other' })
}

/**
 * running -> running: the start of the attempt `epoch` at `startedAt` is recorded. Recording it again changes nothing. A start
 * that is to come is refused once a cancel has come; one that has happened is recorded all the same.
 */
export function start(
  execution: Execution,
  { epoch, startedAt, hasHappened }: { epoch: number; startedAt: number; hasHappened: boolean },
): Execution | Refusal {
  if (!isOwnedBy(execution, epoch)) return stale(execution, epoch)
  if (recordedStart(execution) !== null) return execution
  if (execution.cancelRequested && !hasHappened) return illegal(execution, 'started')
  return changed(execution, { attempts: withOpenAttempt(execution, { startedAt }) })
}

/**
 * A claim that has not started goes back to ready, or ends if a cancel has come; neither try nor loss is charged. The claim is
 * named by its owner too: one that the store did not take has the epoch of the claim by which another executor was faster.
 */
export function handBack(
  execution: Execution,
  { epoch, owner }: Pick<Execution, 'epoch' | 'owner'>,
  at: number,
): Execution | Refusal {
  if (!isOwnedBy(execution, epoch) || execution.owner !== owner) return stale(execution, epoch)
  if (!isUnstarted(execution)) return illegal(execution, 'handed back')
  if (execution.cancelRequested) return endUnstarted(execution, 'cancelled', at)
  return changed(execution, { state: 'ready', owner: null, attempts: withoutOpenAttempt(execution) })
}

/**
 * No overlap place yet (policies `queue` and `cancel-running`): a claim that has not started goes back to ready, names the
 * execution in its way, and is not looked at again before `until`, or before `wake`. No try is charged. A cancel that has come
 * ends it instead.
 */
export function wait(
  execution: Execution,
  { epoch, blockedBy, at, until }: { epoch: number; blockedBy: string; at: number; until: number },
): Execution | Refusal {
  if (!isOwnedBy(execution, epoch)) return stale(execution, epoch)
  if (!isUnstarted(execution)) return illegal(execution, 'made to wait')
  if (execution.cancelRequested) return endUnstarted(execution, 'cancelled', at)
  const attempts = withoutOpenAttempt(execution)
  return changed(execution, {
    state: 'ready',
    owner: null,
    attempts,
    blockedBy,
    runAt: Math.max(until, execution.runAt),
  })
}

/** Whether it waits for an overlap place that another execution holds. */
export function waitsForPlace({ state, blockedBy }: Execution): boolean {
  return state === 'ready' && blockedBy !== null
}

/**
 * An overlap place is free: what waits for one is due at once, but not before its fire time. The same record when it does not wait,
 * or is due.
 */
export function wake(execution: Execution, at: number): Execution {
  const runAt = notBeforeItsTime(execution, at)
  return waitsForPlace(execution) && execution.runAt > runAt ? changed(execution, { runAt }) : execution
}

export interface FinishInput {
  readonly epoch: number
  readonly at: number
  /** When the handler was called, epoch milliseconds; it stands where no start was recorded before. */
  readonly startedAt: number
  readonly outcome: AttemptOutcome
  readonly artifacts: readonly StoredArtifact[]
  /** From 0 up to 1: spreads the retries. */
  readonly random: number
}

/** The newest file of each name. */
function mergeArtifacts(old: readonly StoredArtifact[], added: readonly StoredArtifact[]): readonly StoredArtifact[] {
  if (added.length === 0) return old
  const names = new Set(added.map((one) => one.name))
  return [...old.filter((one) => !names.has(one.name)), ...added]
}

/**
 * The owner says how its attempt ended (docs/protocol.md step 12). A success counts even when a cancel has come: the effect
 * is there. A failure is tried again while the policy has a retry left, else the execution has failed for good. An
 * older epoch is refused: nothing changes.
 */
export function finish(execution: Execution, input: FinishInput): Execution | Refusal {
  if (!isOwnedBy(execution, input.epoch)) return stale(execution, input.epoch)
  const { at, outcome } = input
  const startedAt = recordedStart(execution) ?? input.startedAt
  const artifacts = mergeArtifacts(execution.artifacts, input.artifacts)
  if (outcome.kind === 'succeeded') {
    const attempts = withOpenAttempt(execution, { startedAt, endedAt: at, outcome: 'succeeded' })
    return changed(execution, {
      state: 'succeeded',
      attempts,
      artifacts,
      result: outcome.result,
      error: null,
      ...ended(at),
    })
  }
  const { error } = outcome
  const how = execution.cancelRequested ? 'cancelled' : outcome.timedOut ? 'timed-out' : 'failed'
  const attempts = withOpenAttempt(execution, { startedAt, endedAt: at, outcome: how, error })
  if (execution.cancelRequested)
    return changed(execution, { state: 'cancelled', attempts, artifacts, error, ...ended(at) })
  const failures = execution.failures + 1
  const failed = { attempts, artifacts, error, failures }
  const delayMs = retryDelayMs(execution.policy.retry, failures, outcome.retry, input.random)
  if (delayMs === null) return changed(execution, { ...failed, state: 'failed', ...ended(at) })
  return changed(execution, {
    ...failed,
    state: 'ready',
    owner: null,
    runAt: notBeforeItsTime(execution, at + delayMs),
  })
}

/** Charged losses that an execution survives (docs/architecture.md); one more and it has failed. */
export const maxLosses = 5

export interface LossInput {
  readonly epoch: number
  readonly at: number
  /** Whether the lost attempt may still be at work somewhere. False when its process is known to be gone. */
  readonly inDoubt: boolean
}

/** The epochs in doubt with this one, where its handler may still be at work. */
function doubted({ inDoubt }: Execution, { epoch, at, inDoubt: isDoubtful }: LossInput): Execution['inDoubt'] {
  return isDoubtful ? [...inDoubt, { epoch, lostAt: at }].slice(-maxAttempts) : inDoubt
}

/** Where an execution goes whose attempt ended without an outcome of its own, by what was asked and by its policy. */
function afterNoOutcome(execution: Execution, left: Partial<Execution>, at: number): Execution {
  if (execution.cancelRequested) return changed(execution, { ...left, state: 'cancelled', ...ended(at) })
  if (execution.policy.onLostLease === 'fail') return changed(execution, { ...left, state: 'lost', ...ended(at) })
  return changed(execution, { ...left, state: 'ready', owner: null })
}

/**
 * Its executor is gone (docs/protocol.md step 13): back to ready, unless it was cancelled or must not run twice (`lost`). The first
 * loss is not charged. After it every start is recorded before the handler is called: an attempt without a recorded start is
 * handed back as if it had never been claimed, and one with a recorded start is charged. Beyond `maxLosses` the execution has
 * failed, because an attempt that takes its executor down every time would do so for ever.
 */
export function lose(execution: Execution, input: LossInput): Execution | Refusal {
  const { epoch, at } = input
  if (!isOwnedBy(execution, epoch)) return stale(execution, epoch)
  if (recordedStart(execution) === null && recordsStartFirst(execution)) return handBack(execution, execution, at)
  const losses = execution.losses + 1
  const attempts = withOpenAttempt(execution, { endedAt: at, outcome: 'lost' })
  const lost = { losses, attempts, inDoubt: doubted(execution, input) }
  const charged = losses - 1
  if (execution.cancelRequested || charged <= maxLosses) return afterNoOutcome(execution, lost, at)
  const error = { code: 'lost-too-often', message: `Its executor was lost ${losses} times while it ran.` }
  return changed(execution, { ...lost, state: 'failed', error, ...ended(at) })
}

/**
 * The attempt was aborted because its executor stops, and did not succeed: back to ready, unless it was cancelled or must
 * not run twice. Neither a try nor a loss is charged.
 */
export function interrupt(
  execution: Execution,
  input: LossInput & { readonly startedAt: number },
): Execution | Refusal {
  const { epoch, at } = input
  if (!isOwnedBy(execution, epoch)) return stale(execution, epoch)
  const startedAt = recordedStart(execution) ?? input.startedAt
  const outcome = execution.cancelRequested ? 'cancelled' : 'interrupted'
  const attempts = withOpenAttempt(execution, { startedAt, endedAt: at, outcome })
  return afterNoOutcome(execution, { attempts, inDoubt: doubted(execution, input) }, at)
}

/**
 * The owner of the job wants it to end: what waits ends at once, what runs is asked to. Asking again changes nothing.
 * Refused once it has ended otherwise.
 */
export function requestCancel(execution: Execution, at: number): Execution | Refusal {
  if (execution.state === 'cancelled' && execution.cancelRequested) return execution
  if (isEnded(execution.state)) return illegal(execution, 'cancelled')
  if (execution.cancelRequested) return execution
  if (execution.state === 'running') return changed(execution, { cancelRequested: true })
  return changed(execution, { state: 'cancelled', cancelRequested: true, ...ended(at) })
}

/**
 * The same by its name. One at rest is ended for good: no command of a newer version opens it again, so that a resume of its job
 * does not run what its owner has cancelled.
 */
export function cancelByName(execution: Execution, at: number): Execution | Refusal {
  if (!isAtRest(execution)) return requestCancel(execution, at)
  return changed(execution, { state: 'cancelled', cancelRequested: true })
}

/** An owner whose finish came too late is done all the same: its epoch is in doubt no more. */
export function takeBack(execution: Execution, epoch: number): Execution {
  const inDoubt = execution.inDoubt.filter((one) => one.epoch !== epoch)
  return inDoubt.length === execution.inDoubt.length ? execution : changed(execution, { inDoubt })
}

/**
 * A claim that has not started, and that counts as lost meanwhile, is in doubt no more. The attempt is named by its executor too,
 * as in `handBack`.
 */
export function takeBackUnstarted(
  execution: Execution,
  { epoch, owner }: Pick<Execution, 'epoch' | 'owner'>,
): Execution {
  const isTheirs = execution.attempts.some((one) => one.epoch === epoch && one.executor === owner)
  return isTheirs ? takeBack(execution, epoch) : execution
}
