import type { RowId } from '../port.ts'
import type { SqlRow } from './port.ts'

/** The cursor after rows that begin with their number: null when the limit did not cut them. */
export function nextOf(rows: readonly SqlRow[], limit: number): RowId | null {
  return rows.length === limit ? ((rows.at(-1)?.[0] as RowId | undefined) ?? null) : null
}
