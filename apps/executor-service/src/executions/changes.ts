import type { Step, Stored } from '../store/ports.ts'
import type { Execution } from './execution.ts'

/** Gets records in their new states, which are stored, and the durable step that made the change. */
type ChangeListener = (stored: readonly Stored[], step: Step) => void

/**
 * The one place at which a stored change of executions is announced. The parts that react to changes subscribe here, so
 * that a part which changes an execution depends on none of them.
 */
export interface ExecutionChanges {
  /** Calls the listeners, in the order in which they have subscribed, before it returns. An empty list calls none. */
  publish(stored: readonly Stored[], step: Step): void
  subscribe(listener: ChangeListener): void
}

export function createExecutionChanges(): ExecutionChanges {
  const listeners: ChangeListener[] = []
  return {
    publish(stored, step) {
      if (stored.length === 0) return
      for (const listener of listeners) listener(stored, step)
    },
    subscribe(listener) {
      listeners.push(listener)
    },
  }
}

/** Whether the execution has ended by this change. A take-back changes one that may have ended before. */
export function hasEnded({ endedAt }: Execution, step: Step): boolean {
  return endedAt !== null && step !== 'take-back'
}

/** Whether a failed attempt is going to be followed by another one. One that was interrupted has not failed. */
export function isRetried({ state, attempts }: Execution, step: Step): boolean {
  return step === 'finish' && state === 'ready' && attempts.at(-1)?.outcome !== 'interrupted'
}
