import { isRefusal, type Refusal } from '@belfry/contracts'
import type { ExecutionStore, Step, Stored } from '../store/ports.ts'
import type { Execution } from './execution.ts'

/** What became of one record: its newest state, and whether this changed it; or why it must not be. */
export type Change = { readonly stored: Stored; readonly isChanged: boolean } | Refusal

/** Each lost race means that another writer got on; this many in a row is a fault of ours, not a race. */
const mostRounds = 50

interface Wish {
  readonly place: number
  readonly stored: Stored
}

/**
 * Changes records by a transition: decides, compares and sets, and where another writer was faster reads again and decides
 * again by the same function. `decide` answers the record it was given when there is nothing to change. Answers in the
 * order of `stored`; a record that is gone comes back as it was, unchanged.
 */
export async function compareAndSet(
  store: ExecutionStore,
  step: Step,
  stored: readonly Stored[],
  decide: (execution: Execution, place: number) => Execution | Refusal,
  at: number,
): Promise<Change[]> {
  const changes: Change[] = []
  let wishes: Wish[] = stored.map((one, place) => ({ place, stored: one }))
  for (let round = 0; wishes.length > 0; round++) {
    if (round === mostRounds) throw new Error(`${wishes.length} executions changed faster than "${step}" could`)
    const lost = await changeOnce(store, step, wishes, decide, at, changes)
    wishes = await readAgain(store, lost, changes)
  }
  return changes
}

/** One try for each; notes what is settled in `changes` and answers the rest. */
async function changeOnce(
  store: ExecutionStore,
  step: Step,
  wishes: readonly Wish[],
  decide: (execution: Execution, place: number) => Execution | Refusal,
  at: number,
  changes: Change[],
): Promise<Wish[]> {
  const tries: { wish: Wish; to: Execution }[] = []
  for (const wish of wishes) {
    const to = decide(wish.stored.execution, wish.place)
    if (isRefusal(to)) changes[wish.place] = to
    else if (to === wish.stored.execution) changes[wish.place] = { stored: wish.stored, isChanged: false }
    else tries.push({ wish, to })
  }
  if (tries.length === 0) return []
  const swaps = tries.map(({ wish: { stored }, to }) => ({ rowId: stored.rowId, from: stored.execution, to }))
  const counted = await store.compareAndSetMany(step, swaps, at)
  const lost: Wish[] = []
  for (const [index, { wish, to }] of tries.entries()) {
    const { rowId, size } = wish.stored
    if (counted[index]) changes[wish.place] = { stored: { rowId, size, execution: to }, isChanged: true }
    else lost.push(wish)
  }
  return lost
}

async function readAgain(store: ExecutionStore, lost: readonly Wish[], changes: Change[]): Promise<Wish[]> {
  if (lost.length === 0) return []
  const found = await store.read(lost.map(({ stored }) => stored.rowId))
  const wishes: Wish[] = []
  for (const [index, { place, stored }] of lost.entries()) {
    const newest = found[index]
    if (newest) wishes.push({ place, stored: newest })
    else changes[place] = { stored, isChanged: false }
  }
  return wishes
}

/** The records that were changed, as they are now. */
export function changedOnes(changes: readonly Change[]): Stored[] {
  return changes.flatMap((one) => (!isRefusal(one) && one.isChanged ? [one.stored] : []))
}
