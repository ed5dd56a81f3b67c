import { isRefusal, type Refusal } from '@belfry/contracts'
import { ConflictError, retryOnConflict } from '@belfry/service'
import type { ExecutionStore, ExecutionUpdate, Step, Stored } from '../store/ports.ts'
import type { Execution } from './execution.ts'

/** What became of one record: its newest state, and whether this changed it; or why it must not be. */
export type Change = { readonly stored: Stored; readonly isChanged: boolean } | Refusal

/** Each lost race means that another writer made progress; this many in a row is a defect, not a race. */
const mostRounds = 50

/** What a record becomes. Answers the record it was given when there is nothing to change; `index`: its place in the list. */
type Decide = (execution: Execution, index: number) => Execution | Refusal

interface Pending {
  readonly index: number
  readonly stored: Stored
}

/**
 * Changes records by a transition: decides, compares and sets, and where another writer was faster reads again and decides
 * again by the same function. Answers in the order of `stored`; a record that is gone comes back as it was, unchanged.
 */
export async function compareAndSet(
  store: ExecutionStore,
  step: Step,
  stored: readonly Stored[],
  decide: Decide,
  at: number,
): Promise<Change[]> {
  const changes: Change[] = []
  const pending = stored.map((one, index): Pending => ({ index, stored: one }))
  const left = await retryOnConflict(pending, mostRounds, async (some, round) => {
    const newest = round === 0 ? some : await readAgain(store, some, changes)
    return changeOnce(store, step, newest, decide, at, changes)
  })
  if (left.length > 0) throw new ConflictError(`${left.length} executions changed faster than "${step}" could`)
  return changes
}

/** One try for each; notes in `changes` what is decided, and answers those that lost a race. */
async function changeOnce(
  store: ExecutionStore,
  step: Step,
  pending: readonly Pending[],
  decide: Decide,
  at: number,
  changes: Change[],
): Promise<Pending[]> {
  const tries: (ExecutionUpdate & { readonly one: Pending })[] = []
  for (const one of pending) {
    const { rowId, execution: from } = one.stored
    const to = decide(from, one.index)
    if (isRefusal(to)) changes[one.index] = to
    else if (to === from) changes[one.index] = { stored: one.stored, isChanged: false }
    else tries.push({ rowId, from, to, one })
  }
  if (tries.length === 0) return []
  const counted = await store.compareAndSetMany(step, tries, at)
  const lost: Pending[] = []
  for (const [index, { rowId, to, one }] of tries.entries()) {
    const { size } = one.stored
    if (counted[index]) changes[one.index] = { stored: { rowId, size, execution: to }, isChanged: true }
    else lost.push(one)
  }
  return lost
}

async function readAgain(store: ExecutionStore, lost: readonly Pending[], changes: Change[]): Promise<Pending[]> {
  const found = await store.read(lost.map(({ stored }) => stored.rowId))
  const pending: Pending[] = []
  for (const [at, { index, stored }] of lost.entries()) {
    const newest = found[at]
    if (newest) pending.push({ index, stored: newest })
    else changes[index] = { stored, isChanged: false }
  }
  return pending
}

/** The records that were changed, as they are now. */
export function changedOnes(changes: readonly Change[]): Stored[] {
  return changes.flatMap((one) => (!isRefusal(one) && one.isChanged ? [one.stored] : []))
}
