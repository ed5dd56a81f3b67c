import { executionStatusOf } from '@belfry/contracts'
import type { Metrics } from '@belfry/service'
import { hasEnded, isRetried } from './executions/changes.ts'
import type { Execution } from './executions/execution.ts'
import type { Step, Stored } from './store/ports.ts'

/** What the executor counts. */
export interface ExecutorMetrics {
  /** A handler was called; how late, milliseconds. */
  started(lateMs: number): void
  /** These have changed: counts those that have ended, and those that are going to be retried. */
  changed(stored: readonly Stored[], step: Step): void
  /** An attempt is over; how long it ran, milliseconds. */
  ran(execution: Execution, durationMs: number): void
  /** Attempts whose executor was lost. */
  leasesExpired(count: number): void
  /** Results of attempts that did not own their execution any more. */
  staleCompletions(count: number): void
  /** Commands that said nothing new. */
  duplicates(count: number): void
}

/** Seconds: a start is late by less than a millisecond, or by as long as all slots are taken. */
const latenessBuckets = [0, 0.001, 0.002, 0.004, 0.008, 0.015, 0.03, 0.06, 0.125, 0.25, 0.5, 1, 5, 30, 300]
const durationBuckets = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 1800, 7200]

/** Labels fixed once for each value: a hot path looks up one string. */
function byLabel<T>(make: (value: string) => T): (value: string) => T {
  const made = new Map<string, T>()
  return (value) => {
    const known = made.get(value)
    if (known !== undefined) return known
    const added = make(value)
    made.set(value, added)
    return added
  }
}

/** Types that are not among `knownTypes` get one label together: else a user could make any number of series. */
export function createExecutorMetrics(
  metrics: Metrics,
  knownTypes: { has(jobType: string): boolean },
): ExecutorMetrics {
  const counter = (name: string, help: string, labels: string[] = []) => metrics.counter(name, help, labels)
  const lateness = metrics
    .histogram(
      'belfry_start_lateness_seconds',
      'From the time asked for to the call of the handler',
      [],
      latenessBuckets,
    )
    .labels({})
  const executions = counter('belfry_executions_total', 'Executions that have ended', ['job_type', 'status'])
  const durations = metrics.histogram(
    'belfry_execution_duration_seconds',
    'How long attempts ran',
    ['job_type'],
    durationBuckets,
  )
  const retries = counter('belfry_retries_total', 'Failed attempts that are tried again', ['job_type'])
  const leases = counter('belfry_leases_expired_total', 'Attempts whose executor was lost').labels({})
  const stale = counter('belfry_stale_completions_total', 'Results of attempts that owned nothing any more').labels({})
  const duplicates = counter('belfry_duplicate_deliveries_total', 'Commands that said nothing new').labels({})

  const typeOf = ({ jobType }: Execution) => (knownTypes.has(jobType) ? jobType : 'unknown')
  const ended = byLabel((job_type) => byLabel((status) => executions.labels({ job_type, status })))
  const duration = byLabel((job_type) => durations.labels({ job_type }))
  const retried = byLabel((job_type) => retries.labels({ job_type }))

  return {
    started: (lateMs) => lateness.observe(lateMs / 1000),
    changed(stored, step) {
      for (const { execution } of stored) {
        if (hasEnded(execution, step)) ended(typeOf(execution))(executionStatusOf(execution)).inc()
        else if (isRetried(execution, step)) retried(typeOf(execution)).inc()
      }
    },
    ran: (execution, durationMs) => duration(typeOf(execution)).observe(durationMs / 1000),
    leasesExpired: (count) => leases.inc(count),
    staleCompletions: (count) => stale.inc(count),
    duplicates: (count) => duplicates.inc(count),
  }
}
