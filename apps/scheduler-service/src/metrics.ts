import type { JobExecuteMessage } from '@belfry/contracts'
import type { Metrics } from '@belfry/service'
import type { FireRange } from './domain/schedule-record.ts'

/** What the scheduler counts. */
export interface SchedulerMetrics {
  /** A fire time was issued as this command, for the first time. */
  issued(command: JobExecuteMessage): void
  /** Fire times were decided to have no execution. */
  logged(range: FireRange): void
  /** The advance loop began a turn, at `at` (epoch milliseconds). */
  ticked(at: number): void
}

export function createSchedulerMetrics(metrics: Metrics): SchedulerMetrics {
  const labels = ['outcome', 'reason']
  const fires = metrics.counter('belfry_schedule_fires_total', 'Fire times by what became of them', labels)
  const tick = metrics.gauge('belfry_scheduler_last_tick_timestamp_seconds', 'When the scheduler last looked')
  return {
    issued({ fireAt, plannedAt }) {
      const isLate = fireAt !== null && plannedAt !== null && fireAt < plannedAt
      fires.inc({ outcome: 'issued', reason: isLate ? 'late' : 'on-time' })
    },
    logged: ({ decision, reason, count }) => fires.inc({ outcome: decision, reason }, count),
    ticked: (at) => tick.set({}, at / 1000),
  }
}
