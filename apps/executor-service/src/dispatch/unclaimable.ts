import type { Clock, Logger } from '@belfry/service'
import type { ExecutionChanges } from '../executions/changes.ts'
import { changedOnes, compareAndSet } from '../executions/compare-and-set.ts'
import type { Execution } from '../executions/execution.ts'
import { expire, handOver, isTooLate } from '../executions/transitions.ts'
import type { ExecutionStore, Stored } from '../store/ports.ts'

export interface UnclaimableOptions {
  readonly executions: ExecutionStore
  readonly changes: ExecutionChanges
  readonly clock: Clock
  readonly log: Logger
}

/** Ready executions that this executor must not claim. What the store does not take is found again by the next poll; nothing rejects. */
export interface Unclaimable {
  /** Ends those that are too late; false when the store does not take it. */
  expire(stored: readonly Stored[]): Promise<boolean>
  /** Hands over those whose job type this executor does not have: they would fill its pages of what is due. False as for `expire`. */
  handOver(stored: readonly Stored[]): Promise<boolean>
}

export function createUnclaimable({ executions, changes, clock, log }: UnclaimableOptions): Unclaimable {
  return {
    async expire(stored) {
      const now = clock.now()
      const decide = (execution: Execution) => (isTooLate(execution, now) ? expire(execution, now) : execution)
      try {
        changes.publish(changedOnes(await compareAndSet(executions, 'expire', stored, decide, now)), 'expire')
        return true
      } catch (err) {
        log.warn({ err }, 'executions that are too late could not be ended yet')
        return false
      }
    },
    async handOver(stored) {
      try {
        const changed = await compareAndSet(executions, 'hand-over', stored, handOver, clock.now())
        changes.publish(changedOnes(changed), 'hand-over')
        return true
      } catch (err) {
        log.warn({ err }, 'executions of job types that this executor does not have could not be handed over yet')
        return false
      }
    },
  }
}
