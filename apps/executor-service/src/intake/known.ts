import { isRefusal, type JobExecuteMessage } from '@belfry/contracts'
import { compareAndSet } from '../executions/compare-and-set.ts'
import type { Execution } from '../executions/execution.ts'
import type { ExecutionStore, Stored } from '../store/ports.ts'
import { admit, type Delivery } from './command.ts'

/** A command, and the record as it is stored if there is none yet: ready, or running when it is claimed at once. */
export interface Intake {
  readonly command: JobExecuteMessage
  readonly delivery: Delivery
  readonly fresh: Execution
}

/** What became of commands whose executions were there before. */
export interface Answered {
  /** Records that a newer version replaced. */
  readonly replaced: readonly Stored[]
  /** How many commands said nothing new; their records are marked to be published again. */
  readonly repeated: number
}

/**
 * Answers commands whose executions are there already (protocol.md step 8); those that were not, the insert before it has
 * stored. When it resolves all of it is durable, and the offset may be committed.
 */
export async function answerKnown(store: ExecutionStore, known: readonly Intake[], at: number): Promise<Answered> {
  if (known.length === 0) return { replaced: [], repeated: 0 }
  const found = await store.find(known.map((one) => one.command.executionId))
  const replaced: Stored[] = []
  const repeated: Stored[] = []
  const pairs = known.flatMap((one, index) => {
    const stored = found[index]
    return stored ? [{ ...one, stored }] : []
  })
  if (pairs.length < known.length) throw new Error('a record went while a command for it was taken; it comes again')
  const changes = await compareAndSet(
    store,
    'replace',
    pairs.map((one) => one.stored),
    (execution, place) => {
      const { command, delivery } = pairs[place] as (typeof pairs)[number]
      return admit(execution, command, delivery)
    },
    at,
  )
  for (const one of changes) {
    if (isRefusal(one)) continue
    if (one.isChanged) replaced.push(one.stored)
    else repeated.push(one.stored)
  }
  if (repeated.length > 0) await store.markUnpublished(repeated)
  return { replaced, repeated: repeated.length }
}
