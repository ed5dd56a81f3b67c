import type { SqlRow, SqlValue } from '@belfry/storage/sqlite'
import type { DueCursor } from '../ports.ts'

/** What `(nextAt, n) > (?, ?)` takes; null: from the first row on. */
export function afterParams(after: DueCursor | null | undefined): readonly [SqlValue, SqlValue] {
  return [after?.[0] ?? Number.MIN_SAFE_INTEGER, after?.[1] ?? 0]
}

/** The cursor after a row whose first columns are n and nextAt. */
export function cursorAfter(row: SqlRow | undefined): DueCursor | null {
  return row ? ([row[1], row[0]] as unknown as DueCursor) : null
}

/** Whether a position of a list is one of this adapter's: so many whole numbers. */
export function isRowOfNumbers(value: unknown, length: number): boolean {
  return Array.isArray(value) && value.length === length && value.every((one) => Number.isSafeInteger(one) && one >= 0)
}
