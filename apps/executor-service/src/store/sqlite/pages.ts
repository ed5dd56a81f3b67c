import type { SqlRow } from '@belfry/storage/sqlite'
import type { RowId } from '../ports.ts'

/** The cursor after rows that begin with their number: null when the limit did not cut them. */
export function nextOf(rows: readonly SqlRow[], limit: number): RowId | null {
  return rows.length === limit ? ((rows.at(-1)?.[0] as RowId | undefined) ?? null) : null
}
