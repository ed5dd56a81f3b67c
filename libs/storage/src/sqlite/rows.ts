import type { OnUnreadable } from '../unreadable.ts'
import type { Database, SqlRow, SqlValue, Statement } from './port.ts'

/**
 * What the rows hold, without those that cannot be read: one bad row stops no other. A row is named by its first column.
 */
export function readRows<T>(
  table: string,
  rows: readonly SqlRow[],
  read: (row: SqlRow) => T,
  onUnreadable: OnUnreadable,
): T[] {
  const values: T[] = []
  for (const row of rows) {
    const value = readRow(table, row, read, onUnreadable)
    if (value !== undefined) values.push(value)
  }
  return values
}

/**
 * The first rows of one SELECT within `page.rows` (its LIMIT, the last parameter) and `page.bytes`, as `read` makes them out;
 * it may leave rows out. `hasMore`: there may be others.
 */
export async function readBounded<T>(
  db: Database,
  statement: Statement,
  params: readonly SqlValue[],
  page: { readonly rows: number; readonly bytes: number },
  read: (rows: readonly SqlRow[]) => readonly T[],
): Promise<{ readonly rows: readonly T[]; readonly hasMore: boolean }> {
  const { rows, isCut } = await db.readPage(statement, [...params, page.rows], page.bytes)
  return { rows: read(rows), hasMore: isCut || rows.length === page.rows }
}

/** What one row holds; undefined when there is none, or when it cannot be read. */
export function readRow<T>(
  table: string,
  row: SqlRow | undefined,
  read: (row: SqlRow) => T,
  onUnreadable: OnUnreadable,
): T | undefined {
  if (row === undefined) return undefined
  try {
    return read(row)
  } catch (error) {
    onUnreadable(table, row[0], error)
    return undefined
  }
}
