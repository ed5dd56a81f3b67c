import { isRefusal, type Refusal } from '@belfry/contracts'

/** Digits of an item's id that count the items: room for 4,096. */
const countDigits = 3

/**
 * The UUID for an item of a batch, out of the one for the batch: the same in every try of the request, and in the order of the
 * items, so that their rows stand side by side (decision 045).
 */
export function itemUuid(minted: string, index: number): string {
  return minted.slice(0, -countDigits) + index.toString(16).padStart(countDigits, '0')
}

/** The refusal of an item as the answer to the whole batch shows it: its pointers begin with the item's index. */
export function refusalOfItem(refused: Refusal, index: number): Refusal {
  if (!refused.errors) return refused
  return { ...refused, errors: refused.errors.map((issue) => ({ ...issue, pointer: `/${index}${issue.pointer}` })) }
}

/** What became of each item: the values in their places, `fill` for the others in turn. */
export function inPlaces<T, R>(read: readonly (T | Refusal)[], done: readonly R[]): (R | Refusal)[] {
  const values = done.values()
  return read.map((one) => (isRefusal(one) ? one : (values.next().value as R)))
}
