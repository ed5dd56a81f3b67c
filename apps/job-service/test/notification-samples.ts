import type { Delivery } from '../src/domain/delivery.ts'
import { newDelivery } from '../src/domain/delivery.ts'
import type { JobEvent } from '../src/domain/job-event.ts'
import { testMessage } from '../src/domain/message.ts'
import type { Notification } from '../src/domain/notification.ts'
import { monday } from './fixtures.ts'

export function notificationOf(change: Partial<Notification> = {}): Notification {
  return {
    id: 'ntf-1',
    ownerId: 'usr-a',
    name: 'to the team',
    on: ['failed'],
    jobId: null,
    tag: null,
    target: { type: 'webhook', url: 'https://example.com/', keys: [{ sealed: 'sealed', until: null }] },
    enabled: true,
    disabledReason: null,
    createdAt: monday,
    updatedAt: monday,
    rev: 1,
    ...change,
  }
}

export function deliveryOf(id: string, change: Partial<Delivery> = {}): Delivery {
  const message = testMessage({ notification: notificationOf(), now: monday, baseUrl: '' })
  const about = { id, ownerId: 'usr-a', notificationId: 'ntf-1', jobId: null, message, now: monday }
  return { ...newDelivery(about), ...change }
}

export function eventOf(id: string, change: Partial<JobEvent> = {}): JobEvent {
  return { id, jobId: 'job-1', type: 'failed', at: monday, dueAt: monday, missed: null, rev: 1, ...change }
}
