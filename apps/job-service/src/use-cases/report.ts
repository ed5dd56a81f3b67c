import type { NotificationEvent } from '@belfry/contracts'
import { type Delivery, deliveryIdOf, dropped, newDelivery } from '../domain/delivery.ts'
import { messageOf, type Report } from '../domain/message.ts'
import { isReported, type Notification } from '../domain/notification.ts'
import type { StoredJob } from '../store/ports.ts'
import type { JobContext } from './context.ts'

export type ReportContext = Pick<JobContext, 'stores' | 'clock' | 'config' | 'log'> & {
  /** Counts the messages that were dropped because too many of a user waited. */
  readonly onDropped: (count: number) => void
}

/** Deliveries that one call drops at most. */
const mostDropped = 200

/** The owner's notifications that an event of this job concerns. */
export async function concerned(
  { stores }: Pick<JobContext, 'stores'>,
  job: StoredJob,
): Promise<(event: NotificationEvent) => readonly Notification[]> {
  const all = await stores.notifications.listOfOwner(job.ownerId)
  return (event) => all.filter((one) => isReported(one, event, job))
}

/**
 * Stores the deliveries of an event, one for each notification. `name`: of the event; the same name again makes no second message.
 * Answers when the first of these messages was made, which is in the past where they were there already.
 */
export async function report(
  context: ReportContext,
  notifications: readonly Notification[],
  name: string,
  reported: Report,
): Promise<number> {
  const { stores, clock, config } = context
  const now = clock.now()
  const deliveries = notifications.map((notification): Delivery => {
    const { id: notificationId, ownerId } = notification
    const message = messageOf(reported, { notification, now, baseUrl: config.publicUrl ?? '' })
    const id = deliveryIdOf(notificationId, name)
    return newDelivery({ id, ownerId, notificationId, jobId: reported.job.id, message, now })
  })
  const isNew = await stores.deliveries.insertManyIfAbsent(deliveries)
  const known = deliveries.find((_, index) => !isNew[index])
  const found = known && (await stores.deliveries.find(known.ownerId, known.id))
  await Promise.all([...new Set(deliveries.map(({ ownerId }) => ownerId))].map((one) => dropBeyond(context, one)))
  return found?.createdAt ?? now
}

/** Of a user so many messages may wait; the oldest give way to new ones, and stay listed as dropped. */
export async function dropBeyond(
  { stores, clock, config, log, onDropped }: ReportContext,
  ownerId: string,
): Promise<void> {
  const most = config.jobNotifyPending
  const beyond = await stores.deliveries.listBeyond(ownerId, most, mostDropped)
  if (beyond.length === 0) return
  const why = `More than ${most} messages of the user waited.`
  const swaps = beyond.map((before) => ({ before, next: dropped(before, why, clock.now()) }))
  const done = await stores.deliveries.compareAndSetMany(swaps)
  const count = done.filter(Boolean).length
  if (count === 0) return
  onDropped(count)
  log.warn({ ownerId, deliveries: count, most }, 'messages were dropped because too many of a user wait')
}
