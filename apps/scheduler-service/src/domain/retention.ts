import type { JobChangesMessage } from '@belfry/contracts'
import type { ScheduleGlance } from './ports.ts'

/** What was over before this moment, epoch milliseconds, need not be kept (protocol.md step 15). */
export function horizonOf(now: number, retentionMs: number): number {
  return now - retentionMs
}

/**
 * Whether a schedule may go: it ended for good before the horizon, and nothing of it waits, neither a command for its
 * execution nor a range for the fire log. By then job-service does not list a one-shot that has run (`unlistedBefore` there),
 * so the schedule does not come back.
 */
export function mayGo({ endedAt, dueAt }: ScheduleGlance, horizon: number): boolean {
  return endedAt !== null && endedAt < horizon && dueAt === null
}

/** When the job ended for good, epoch milliseconds; null while it has not. */
export function endOf({ state, changes }: JobChangesMessage): number | null {
  const hasEnded = state === 'cancelled' || state === 'deleted'
  return hasEnded ? Math.max(0, ...changes.map((one) => one.changedAt)) : null
}

/**
 * Whether a job without a schedule is one whose schedule has gone, or could go at once. Reconcile lists the newest change
 * after every restart, so taking it over would bring the schedule back, with fire-log ranges that have gone, too.
 */
export function isForgotten(message: JobChangesMessage, horizon: number): boolean {
  const endedAt = endOf(message)
  return endedAt !== null && endedAt < horizon
}
