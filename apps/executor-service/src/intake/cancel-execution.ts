import { isRefusal, type JobExecuteMessage, type Refusal, refusal } from '@belfry/contracts'
import { type Clock, ConflictError } from '@belfry/service'
import type { Handler } from '@belfry/worker'
import type { Dispatcher } from '../dispatch/dispatcher.ts'
import type { ExecutionChanges } from '../executions/changes.ts'
import { compareAndSet } from '../executions/compare-and-set.ts'
import type { Execution } from '../executions/execution.ts'
import { cancelByName } from '../executions/transitions.ts'
import type { ExecutionStore, Stored } from '../store/ports.ts'
import { cancelledExecution, poolOf } from './command.ts'

export interface CancelExecutionOptions {
  readonly executions: ExecutionStore
  readonly changes: ExecutionChanges
  readonly clock: Clock
  readonly dispatcher: Pick<Dispatcher, 'cancel'>
  /** The job types by name. */
  readonly handlers: ReadonlyMap<string, Handler>
}

/**
 * Cancels one execution by name, and answers its record: what waits ends at once; what runs is asked to end, here or, at its
 * next beat, by the executor that has it; what a change of its job has closed is not opened again. One that is unknown and whose
 * command is given is stored as cancelled, so that the command that arrives later finds it ended. Refuses what has ended otherwise, and
 * what is unknown without a command. The same call again gives the same answer.
 */
export type CancelExecution = (executionId: string, command: JobExecuteMessage | null) => Promise<Execution | Refusal>

export function createCancelExecution(options: CancelExecutionOptions): CancelExecution {
  const { executions, changes, clock, dispatcher, handlers } = options

  async function cancelStored(stored: Stored): Promise<Execution | Refusal> {
    const now = clock.now()
    const [change] = await compareAndSet(executions, 'cancel', [stored], (one) => cancelByName(one, now), now)
    if (change === undefined || isRefusal(change)) return change ?? stored.execution
    // The cancel is stored first, so that the attempt ends as cancelled.
    dispatcher.cancel(change.stored.rowId)
    if (change.isChanged) changes.publish([change.stored], 'cancel')
    return change.stored.execution
  }

  /** Undefined when the execution has come meanwhile. */
  async function insertCancelled(command: JobExecuteMessage): Promise<Execution | undefined> {
    const now = clock.now()
    const arrival = { sentAt: null, admittedAt: now, topic: null, partition: null, offset: null }
    const delivery = { arrival, pool: poolOf(handlers, command), oldestPlannedAt: 0 }
    const [stored] = await executions.insertMany([cancelledExecution(command, delivery)], now)
    if (stored) changes.publish([stored], 'insert')
    return stored?.execution
  }

  return async (executionId, command) => {
    const [found] = await executions.find([executionId])
    if (found) return cancelStored(found)
    if (command === null) return refusal('not-found', `No executor knows ${executionId}.`)
    const inserted = await insertCancelled(command)
    if (inserted) return inserted
    const [arrived] = await executions.find([executionId])
    if (!arrived) throw new ConflictError(`the execution ${executionId} is there and cannot be read`)
    return cancelStored(arrived)
  }
}
