import type { Logger, Metrics } from '@belfry/service'
import type { SqlRow, SqlValue } from './port.ts'

/** Told about a row that cannot be read: of which table, which one, and what is wrong with it. */
export type OnUnreadable = (table: string, row: SqlValue | undefined, error: unknown) => void

/** Rows that are remembered as reported. */
const rememberedLimit = 1000

/** Logs each unreadable row once, and counts how many there are known to be. */
export function createUnreadableReport(log: Logger, metrics: Metrics): OnUnreadable {
  const reported = new Set<string>()
  const gauge = metrics.gauge('belfry_unreadable_rows', 'Rows that were found unreadable and left out', ['table'])
  return (table, row, err) => {
    const name = `${table} ${row}`
    if (reported.has(name) || reported.size >= rememberedLimit) return
    reported.add(name)
    gauge.labels({ table }).inc()
    log.error({ table, row: String(row), err }, 'a row cannot be read; it is left out')
  }
}

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
