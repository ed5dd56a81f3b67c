import type { Refusal } from '@belfry/contracts'
import {
  changed,
  type Execution,
  ended,
  illegal,
  isOwnedBy,
  recordedStart,
  stale,
  withAttempt,
  withOpenAttempt,
  withoutOpenAttempt,
} from './execution.ts'

/** ready -> running: a new epoch of the executor `owner` has it. Nothing has started yet (protocol.md step 9). */
export function claim(execution: Execution, { owner }: { readonly owner: string }): Execution | Refusal {
  if (execution.state !== 'ready') return illegal(execution, 'claimed')
  const epoch = execution.epoch + 1
  const attempt = { epoch, executor: owner, startedAt: null, endedAt: null, outcome: null, error: null }
  return changed(execution, { state: 'running', epoch, owner, attempts: withAttempt(execution.attempts, attempt) })
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

/** Whether a start at `at` is later than its job wants one at all. */
export function isTooLate(execution: Execution, at: number): boolean {
  return execution.expiresAt !== null && at > execution.expiresAt
}

/** ready -> expired: it waited too long. */
export function expire(execution: Execution, at: number): Execution | Refusal {
  if (execution.state !== 'ready') return illegal(execution, 'expired')
  return endUnstarted(execution, 'expired', at)
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

/** A claim that has not started goes back to ready, or ends if a cancel has come; neither try nor loss is charged. */
export function handBack(execution: Execution, epoch: number, at: number): Execution | Refusal {
  if (!isOwnedBy(execution, epoch)) return stale(execution, epoch)
  if (!isUnstarted(execution)) return illegal(execution, 'handed back')
  if (execution.cancelRequested) return endUnstarted(execution, 'cancelled', at)
  return changed(execution, { state: 'ready', owner: null, attempts: withoutOpenAttempt(execution) })
}
