import { isRefusal, type Refusal, refusal } from '@belfry/contracts'
import type { Notification } from '../domain/notification.ts'
import type { JobContext } from './context.ts'
import type { MailQuotas } from './mail-quotas.ts'
import type { ReportContext } from './report.ts'

export interface NotificationContext extends ReportContext, Pick<JobContext, 'sealer'> {
  readonly randomBytes: (count: number) => Uint8Array
  readonly mailQuotas: MailQuotas
  /** Wakes what sends messages. */
  readonly nudge: () => void
}

/** A notification, with its key where it is shown for the only time. */
export interface WithKey {
  readonly notification: Notification
  readonly key: string | null
}

export const noSuchNotification = refusal('not-found', 'there is no such notification')
const keepsChanging = refusal('conflict', 'the notification changed again and again meanwhile')
/** How often a change is tried on what is stored then. */
const tries = 5

/** Changes a notification of the owner; `decide` answers it as it is to be. */
export async function changeNotification(
  { stores, clock }: NotificationContext,
  ownerId: string,
  id: string,
  decide: (before: Notification) => Promise<WithKey | Refusal> | WithKey | Refusal,
): Promise<WithKey | Refusal> {
  for (let left = tries; left > 0; left -= 1) {
    const before = await stores.notifications.find(ownerId, id)
    if (!before) return noSuchNotification
    const made = await decide(before)
    if (isRefusal(made)) return made
    const next = { ...made.notification, updatedAt: clock.now(), rev: before.rev + 1 }
    if (await stores.notifications.compareAndSet({ before, next })) return { ...made, notification: next }
  }
  return keepsChanging
}
