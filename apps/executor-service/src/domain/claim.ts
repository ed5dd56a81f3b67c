import type { Refusal } from '@belfry/contracts'
import {
  changed,
  type Execution,
  ended,
  illegal,
  isOwnedBy,
  stale,
  withAttempt,
  withoutOpenAttempt,
} from './execution.ts'

/** Who claims, when, and when the attempt is going to start: null when it waits for a slot first. */
export interface ClaimInput {
  readonly owner: string
  readonly startsAt: number | null
}

/** ready -> running: a new epoch owns it. Nothing has started yet (protocol.md step 9). */
export function claim(execution: Execution, { owner, startsAt }: ClaimInput): Execution | Refusal {
  if (execution.state !== 'ready') return illegal(execution, 'claimed')
  const epoch = execution.epoch + 1
  const attempt = { epoch, executor: owner, startedAt: startsAt, endedAt: null, outcome: null, error: null }
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

/**
 * A floor of the job's admission closes it: `cancelled` below `minVersion`, `superseded` after a newer version's start.
 * From ready, or from a claim that has not started; no try is charged.
 */
export function close(execution: Execution, by: 'cancelled' | 'superseded', at: number): Execution | Refusal {
  if (execution.state !== 'ready' && execution.state !== 'running') return illegal(execution, by)
  return endUnstarted(execution, by, at)
}

/** No overlap place: it ends, naming the execution in its way. From ready, or from a claim that has not started. */
export function skip(execution: Execution, blockedBy: string, at: number): Execution | Refusal {
  if (execution.state !== 'ready' && execution.state !== 'running') return illegal(execution, 'skipped')
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

/** A claim that has not started goes back to ready, or ends if a cancel has come; neither try nor loss is charged. */
export function handBack(execution: Execution, epoch: number, at: number): Execution | Refusal {
  if (!isOwnedBy(execution, epoch)) return stale(execution, epoch)
  if (execution.cancelRequested) return endUnstarted(execution, 'cancelled', at)
  return changed(execution, { state: 'ready', owner: null, attempts: withoutOpenAttempt(execution) })
}
