import type { JobState } from '@belfry/contracts'

/** How long executions, and their copies here, are stored, milliseconds. */
export interface CopyRetention {
  readonly executionsMs: number
  /**
   * How much longer a copy is stored than the execution: while the executors still list it, reconcile brings it back. More
   * than the period of their retention, and than two clocks may differ.
   */
  readonly copyMarginMs: number
}

/** How long executions and requests are stored, milliseconds. */
export interface Retention extends CopyRetention {
  readonly requestsMs: number
}

/** Copies of executions that ended before this moment (epoch milliseconds) may go (docs/protocol.md step 15). */
export function copiesBefore(now: number, { executionsMs, copyMarginMs }: CopyRetention): number {
  return now - executionsMs - copyMarginMs
}

/** As much of a job as the retention asks about. Times are epoch milliseconds. */
export interface JobAge {
  readonly version: number
  readonly state: JobState
  /** Of a one-shot, else null. */
  readonly runAt: number | null
  readonly changedAt: number
  /** The newest execution that has ended, by fire time, also when its copy was purged; null when there never was one. */
  readonly newest: { readonly fireAt: number; readonly endedAt: number | null } | null
}

/**
 * Whether a job may be purged, unless a copy of an execution is left, or its newest version is not published or not fenced: it
 * ended for good before `before` (cancelled, deleted, or a one-shot that has run), and so did its newest execution. Recurring
 * jobs and jobs that are only triggered stay.
 */
export function mayPurge({ state, runAt, changedAt, newest }: JobAge, before: number): boolean {
  if (changedAt >= before || (newest !== null && (newest.endedAt ?? before) >= before)) return false
  if (state === 'cancelled' || state === 'deleted') return true
  return state === 'active' && runAt !== null && newest !== null && newest.fireAt >= runAt
}

/**
 * A one-shot whose time and last change lie before this moment (epoch milliseconds), and that has an execution of that time or
 * later, is not listed to the scheduler any more, once its newest version is published: a scheduler that does not know it has purged
 * its schedule, or has lost its store, and would fire it again. Earlier than the scheduler and the executors purge.
 */
export function unlistedBefore(now: number, { executionsMs, copyMarginMs }: CopyRetention): number {
  return now - executionsMs + copyMarginMs
}
