import type { AuditScope, AuditStore } from './port.ts'
import type { AuditRow } from './row.ts'

/** Which rows of one service: of a scope, of an action, within a time. Times are epoch milliseconds, both included. */
export interface AuditQuery extends AuditScope {
  readonly action?: string | undefined
  readonly from?: number | undefined
  readonly to?: number | undefined
  /** The number of the row before the first one; null: from the newest on. */
  readonly before: number | null
  readonly limit: number
}

/** Newest first. `next`: the number to go on below; null at the end of the log. A page may be short although more follow. */
export interface AuditPage {
  readonly rows: readonly AuditRow[]
  readonly next: number | null
}

/** How much a row may be stored before or after rows of the same time, milliseconds: several clocks make the times. */
const clocksApartMs = 600_000
const chunk = 1_000

/** A page of the rows that fit. It looks at `scanRows` rows of the scope at most. */
export async function listAudit(store: AuditStore, query: AuditQuery, scanRows: number): Promise<AuditPage> {
  const { action, from = 0, to = Number.MAX_SAFE_INTEGER, limit } = query
  const fits = (row: AuditRow) => (action === undefined || row.action === action) && row.at >= from && row.at <= to
  const isFiltered = action !== undefined || query.from !== undefined || query.to !== undefined
  const rows: AuditRow[] = []
  let before = query.before
  for (let left = scanRows; left > 0; ) {
    const asked = Math.min(left, isFiltered ? chunk : limit + 1)
    const found = await store.list(query, before, asked)
    for (const row of found) {
      if (rows.length === limit) return { rows, next: rows.at(-1)?.n ?? null }
      if (fits(row)) rows.push(row)
      if (row.at < from - clocksApartMs) return { rows, next: null }
    }
    if (found.length < asked) return { rows, next: null }
    before = found.at(-1)?.n ?? null
    left -= found.length
  }
  return { rows, next: before }
}
