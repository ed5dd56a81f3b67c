import type { AuditRow } from './row.ts'
import type { SealContent } from './seal.ts'

function rowText(row: AuditRow): string {
  const { n, at, actorId, actorName, via, action, target, also, version, status, requestId, address } = row
  return JSON.stringify([n, at, actorId, actorName, via, action, target, also, version, status, requestId, address])
}

/** The content of rows in the order of their numbers, for stores that cannot make its text themselves. */
export function contentOf(rows: readonly AuditRow[]): SealContent {
  const times = rows.map(({ at }) => at)
  return {
    count: rows.length,
    first: rows[0]?.n ?? 0,
    last: rows.at(-1)?.n ?? 0,
    firstAt: rows.length > 0 ? times.reduce((a, b) => Math.min(a, b)) : 0,
    lastAt: rows.length > 0 ? times.reduce((a, b) => Math.max(a, b)) : 0,
    text: rows.map(rowText).join('\n'),
  }
}
