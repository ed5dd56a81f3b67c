import type { Logger, Metrics } from '@belfry/service'

/** Reports a row that cannot be read: its table, its name and the error. */
export type OnUnreadable = (table: string, row: unknown, error: unknown) => void

/** Rows remembered as reported. */
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
