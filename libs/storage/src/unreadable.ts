import type { Logger, Metrics } from '@belfry/service'

/** Told about a row that cannot be read: of which table, which one, and what is wrong with it. */
export type OnUnreadable = (table: string, row: unknown, error: unknown) => void

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
