import type { Metrics } from '@belfry/service'
import type { StoreCounters } from './worker-client.ts'
import type { WorkerDrain } from './worker-protocol.ts'

/** Records the metrics of each drain of the store thread; called after `counters` is updated. */
export function createMeter(metrics: Metrics, counters: Readonly<StoreCounters>): (drain: WorkerDrain) => void {
  const drains = metrics.counter('belfry_store_drains_total', 'Times the store thread worked off what waited for it')
  const rows = metrics.counter('belfry_store_rows_total', 'Statements the store thread ran, one per row of parameters')
  const commits = metrics.histogram('belfry_store_commit_seconds', 'Time the commits of one drain took')
  metrics.gauge('belfry_store_waiting_rows', 'Rows that wait for the store thread', [], (gauge) =>
    gauge.set({}, counters.waitingRows),
  )
  let rowsBefore = 0
  return ([, committed, commitMs]) => {
    drains.inc()
    rows.inc({}, counters.rows - rowsBefore)
    rowsBefore = counters.rows
    if (committed > 0) commits.observe({}, commitMs / 1000)
  }
}
