import { isAtRest, type JobExecuteMessage } from '@belfry/contracts'
import type { Handler } from '@belfry/worker'
import type { Arrival, Execution, ReadyPool } from '../executions/execution.ts'

/** What goes with a command: how it came, where it is looked for, and how long ago it may have been planned. */
export interface Delivery {
  readonly arrival: Omit<Arrival, 'plannedAt'>
  readonly pool: ReadyPool
  /** A command planned before this moment may be the echo of an execution that was already cleared away. */
  readonly oldestPlannedAt: number
}

/** The pool of a command's job type; `other` when this executor does not have the type. */
export function poolOf(handlers: ReadonlyMap<string, Handler>, { jobType }: JobExecuteMessage): ReadyPool {
  return handlers.get(jobType)?.slots ?? 'other'
}

/** The record of a new execution. One whose command was planned before the retention begins has expired. */
export function newExecution(command: JobExecuteMessage, { arrival, pool, oldestPlannedAt }: Delivery): Execution {
  const isTooOld = command.plannedAt < oldestPlannedAt
  const { sentAt, admittedAt, topic, partition, offset } = arrival
  return {
    id: command.executionId,
    jobId: command.jobId,
    ownerId: command.ownerId,
    jobType: command.jobType,
    version: command.version,
    cause: command.cause,
    params: command.params,
    policy: command.policy,
    priority: command.priority,
    expiresAt: command.expiresAt,
    fireAt: command.fireAt,
    pool,
    arrival: { plannedAt: command.plannedAt, sentAt, admittedAt, topic, partition, offset },
    retryOf: command.retryOf ?? null,
    seq: 1,
    state: isTooOld ? 'expired' : 'ready',
    // A backfill is of a fire time that lies far back: it is due from when it was asked for, and goes not before what is due now.
    runAt: command.cause === 'backfill' ? command.plannedAt : command.fireAt,
    epoch: 0,
    owner: null,
    attempts: [],
    inDoubt: [],
    failures: 0,
    losses: 0,
    cancelRequested: false,
    blockedBy: null,
    result: null,
    error: null,
    artifacts: [],
    endedAt: isTooOld ? admittedAt : null,
  }
}

/** The record of an execution that was cancelled by name before its command has arrived. */
export function cancelledExecution(command: JobExecuteMessage, delivery: Delivery): Execution {
  const { admittedAt } = delivery.arrival
  return { ...newExecution(command, delivery), state: 'cancelled', cancelRequested: true, endedAt: admittedAt }
}

/**
 * Takes a command (docs/protocol.md step 8). None there: the record begins. A newer version replaces one that is ready or at
 * rest: tries and losses restart, the epoch and the epochs in doubt stay, so an owner of old cannot finish the new one.
 * Anything else is answered with the very record that is there, to be published again.
 */
export function admit(existing: Execution | undefined, command: JobExecuteMessage, delivery: Delivery): Execution {
  if (existing === undefined) return newExecution(command, delivery)
  const mayReplace = existing.state === 'ready' || isAtRest(existing)
  if (!mayReplace || command.version <= existing.version) return existing
  const { seq, epoch, inDoubt, attempts, artifacts } = existing
  return { ...newExecution(command, delivery), seq: seq + 1, epoch, inDoubt, attempts, artifacts }
}
