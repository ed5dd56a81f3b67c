import type { RowId } from '@belfry/storage'
import { type Condition, where } from '@belfry/storage/mongo'
import type { Window } from './windows.ts'

/** Records are named by their `_id`, which is the public id. */
export const rowIdOf = (id: string): RowId => id as RowId

/** Where a record stands in a list by a number, then `_id`: a `ListPosition` or a `DueCursor`. */
export function positionOf<P>(at: number, id: string): P {
  return [at, id] as P
}

/** The number and the id of a position that this adapter made. */
export function readPosition(position: readonly unknown[]): readonly [at: number, id: string] {
  return position as readonly [number, string]
}

/** Whether a value can be a position of a list whose ids have this pattern. */
export function isPositionOf(value: unknown, pattern: RegExp): boolean {
  if (!Array.isArray(value) || value.length !== 2) return false
  const [at, id] = value as unknown[]
  return Number.isSafeInteger(at) && (at as number) >= 0 && typeof id === 'string' && pattern.test(id)
}

/** The condition that a number lies in a window. */
export function within({ from, to }: Window): Condition<number> {
  return where<number>({ $gte: from, $lte: to })
}

/** The condition that a record stands behind a position, in a filter that bounds its number by the position's. */
export function beyond<K extends string>(
  field: K,
  position: readonly unknown[] | null | undefined,
  direction: 'up' | 'down',
) {
  if (!position) return {}
  const [at, id] = readPosition(position)
  const after = <V>(value: V) => (direction === 'up' ? where({ $gt: value }) : where({ $lt: value }))
  return { $or: [{ [field]: after(at) } as { [P in K]: Condition<number> }, { _id: after(id) }] }
}
