import type { JobChangesMessage } from '@belfry/contracts'
import type { ScheduleRecord } from './schedule-record.ts'

/** What was over before this moment, epoch milliseconds, need not be kept (docs/protocol.md step 15). */
export function horizonOf(now: number, retentionMs: number): number {
  return now - retentionMs
}

/** When a schedule ended for good, and when it is due; both epoch milliseconds or null. */
type EndedAndDue = Pick<ScheduleRecord, 'endedAt'> & { readonly dueAt: number | null }

/**
 * Whether retention removes a schedule: it ended for good before the horizon, and nothing of it is due, neither a pending
 * command nor a range in the fire-log outbox. By then job-service does not list a one-shot that has run (`unlistedBefore`
 * there), so the schedule does not come back.
 */
export function isPurgeable({ endedAt, dueAt }: EndedAndDue, horizon: number): boolean {
  return endedAt !== null && endedAt < horizon && dueAt === null
}

/** When the job ended for good, epoch milliseconds; null while it has not. */
export function endOf({ state, changes }: JobChangesMessage): number | null {
  const hasEnded = state === 'cancelled' || state === 'deleted'
  return hasEnded ? Math.max(0, ...changes.map((one) => one.changedAt)) : null
}

/**
 * Whether the schedule of an unknown job was removed by retention, or would be at once. Reconcile lists the newest change
 * after every restart, and to apply it would bring the schedule back, with fire-log ranges that retention has removed.
 */
export function isForgotten(message: JobChangesMessage, horizon: number): boolean {
  const endedAt = endOf(message)
  return endedAt !== null && endedAt < horizon
}
