import { type DeliveryView, type NotificationView, toWireTime } from '@belfry/contracts'
import type { Delivery } from '../domain/delivery.ts'
import type { Notification, StoredTarget } from '../domain/notification.ts'

function targetOf(target: StoredTarget): NotificationView['target'] {
  if (target.type === 'webhook') return { type: 'webhook', url: target.url }
  return { type: 'email', to: target.to, confirmed: target.confirmation === undefined }
}

/** When the key before the newest one ends; null when it has, or there is none. */
function secretUntil({ target }: Notification, now: number): number | null {
  if (target.type === 'email') return null
  return target.keys.find(({ until }) => until !== null && until > now)?.until ?? null
}

/** How a notification is shown. */
export function viewNotification(notification: Notification, now: number): NotificationView {
  const { id, name, on, jobId, tag, enabled, disabledReason, createdAt, updatedAt } = notification
  const self = `/notifications/${id}`
  return {
    ...{ id, name, on: [...on], jobId, tag, target: targetOf(notification.target), enabled, disabledReason },
    secretUntil: toWireTime(secretUntil(notification, now)),
    createdAt: toWireTime(createdAt),
    updatedAt: toWireTime(updatedAt),
    links: { self, deliveries: `${self}/deliveries`, test: `${self}/test` },
  }
}

/** How a delivery is shown. */
export function viewDelivery(delivery: Delivery): DeliveryView {
  const { id, notificationId, jobId, message, status, attempts, lastStatus, lastError } = delivery
  return {
    ...{ id, notificationId, type: message.type, jobId, status, attempts },
    nextAttemptAt: toWireTime(delivery.nextAt),
    createdAt: toWireTime(delivery.createdAt),
    endedAt: toWireTime(delivery.endedAt),
    ...{ lastStatus, lastError, message },
  }
}
