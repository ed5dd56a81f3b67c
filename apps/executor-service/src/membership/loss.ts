import { isRefusal } from '@belfry/contracts'
import { changedOnes, compareAndSet } from '../executions/compare-and-set.ts'
import { lose } from '../executions/transitions.ts'
import type { ExecutionStore, Stored } from '../store/ports.ts'

/** Gives executions back whose attempt is lost (docs/protocol.md step 13); those that have moved on meanwhile stay as they are. */
export async function loseAll(
  executions: ExecutionStore,
  lost: readonly Stored[],
  at: number,
  inDoubt: boolean,
): Promise<Stored[]> {
  const changes = await compareAndSet(
    executions,
    'lose',
    lost,
    (execution, index) => {
      const epoch = lost[index]?.execution.epoch ?? 0
      const next = lose(execution, { epoch, at, inDoubt })
      return isRefusal(next) ? execution : next
    },
    at,
  )
  return changedOnes(changes)
}
