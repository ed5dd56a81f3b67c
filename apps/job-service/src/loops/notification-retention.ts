import type { RetentionClock } from '@belfry/service'
import type { NotificationStores } from '../store/notification-ports.ts'

export interface NotificationRetentionOptions {
  readonly stores: NotificationStores
  readonly retentionClock: RetentionClock
  /** How long messages, and events that have been reported, are stored, milliseconds. */
  readonly keepMs: number
  readonly reportedMs: number
  readonly rows: number
  readonly takesTurn: () => boolean
}

/** One iteration of removing messages, reported events and counts of mails that are old. Answers true while more of them can go at once. */
export function createNotificationRetention(options: NotificationRetentionOptions): () => Promise<boolean> {
  const { stores, retentionClock, keepMs, reportedMs, rows, takesTurn } = options
  return async () => {
    const now = await retentionClock.turn()
    if (now === null || !takesTurn()) return false
    const more = [
      await stores.deliveries.purge(now - keepMs, rows),
      await stores.events.purgeReported(now - reportedMs, rows),
      await stores.alerts.purge(now - keepMs, rows),
      await stores.mailCounts.purge(now, rows),
    ]
    return more.includes(true)
  }
}
