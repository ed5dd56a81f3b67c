import { shardOf, type WorkShare } from '@belfry/storage'
import type { Delivery } from '../../src/domain/delivery.ts'
import type { Alert, JobEvent } from '../../src/domain/job-event.ts'
import type { MailCount } from '../../src/domain/mail-quota.ts'
import type { Notification } from '../../src/domain/notification.ts'
import type { NotificationStores, Swap } from '../../src/store/notification-ports.ts'
import type { DueCursor } from '../../src/store/ports.ts'
import { type Collection, createCollection, type Stored } from './document-collection.ts'

const compare = (a: string | number, b: string | number) => (a < b ? -1 : a > b ? 1 : 0)
const without = <T>({ rowId, ...rest }: Stored<T>): T => rest as T

function swapOf<T extends { readonly rev: number }>(collection: Collection<T>, idOf: (one: T) => string) {
  return ({ before, next }: Swap<T>) =>
    collection.updateOne((one) => idOf(one) === idOf(next) && one.rev === before.rev, next)
}

async function pageOfDue<T extends { readonly id: string }>(
  found: readonly Stored<T>[],
  atOf: (one: T) => number,
  limit: number,
  after: DueCursor | null = null,
) {
  const [at, id] = (after ?? [Number.NEGATIVE_INFINITY, '']) as [number, string]
  const rows = found
    .filter((one) => atOf(one) > at || (atOf(one) === at && one.id > id))
    .sort((a, b) => atOf(a) - atOf(b) || compare(a.id, b.id))
    .slice(0, limit)
  const last = rows.length === limit ? rows.at(-1) : undefined
  const next = last ? ([atOf(last), last.id] as readonly (string | number)[] as DueCursor) : null
  return { rows: rows.map(without), next }
}

/** What notifications store, as a document database would have it. */
export function createNotificationStores(
  latency: () => Promise<void>,
  random: () => number = Math.random,
): NotificationStores {
  const notifications = createCollection<Notification>(latency, ({ id }) => [id], { random })
  const deliveries = createCollection<Delivery>(latency, ({ id }) => [id], { random })
  const events = createCollection<JobEvent>(latency, ({ id }) => [id], { random })
  const alerts = createCollection<Alert>(latency, ({ jobId }) => [jobId], { random })
  const mailCounts = createCollection<MailCount>(latency, ({ id }) => [id], { random })
  const isOf = ({ index, instances, overdueAt }: WorkShare, id: string, at: number) =>
    shardOf(id) % instances === index || at <= overdueAt
  const swapDelivery = swapOf(deliveries, ({ id }) => id)
  const swapEvent = swapOf(events, ({ id }) => id)
  const purge = async <T>(collection: Collection<T>, isOld: (one: T) => boolean, limit: number) => {
    const old = await collection.find(isOld, undefined, limit)
    await Promise.all(old.map(({ rowId }) => collection.deleteOne((one) => one.rowId === rowId && isOld(one))))
    return old.length === limit
  }
  return {
    notifications: {
      async create(notification, most) {
        const own = await notifications.find((one) => one.ownerId === notification.ownerId)
        if (own.some((one) => one.id === notification.id)) return 'stored'
        if (own.length >= most) return 'too-many'
        await notifications.insert(notification)
        return 'stored'
      },
      async find(ownerId, id) {
        const found = await notifications.findOne((one) => one.id === id && one.ownerId === ownerId)
        return found && without(found)
      },
      async listAll(after, limit) {
        const order = (a: Stored<Notification>, b: Stored<Notification>) => compare(a.rowId, b.rowId)
        const rows = await notifications.find((one) => after === null || one.rowId > after, order, limit)
        return { rows: rows.map(without), next: rows.length === limit ? (rows.at(-1)?.rowId ?? null) : null }
      },
      async listOfOwner(ownerId) {
        const order = (a: Notification, b: Notification) => a.createdAt - b.createdAt || compare(a.id, b.id)
        return (await notifications.find((one) => one.ownerId === ownerId, order)).map(without)
      },
      compareAndSet: swapOf(notifications, ({ id }) => id),
      remove: (ownerId, id) => notifications.deleteOne((one) => one.id === id && one.ownerId === ownerId),
    },
    deliveries: {
      insertManyIfAbsent: (given) => Promise.all(given.map(async (one) => (await deliveries.insert(one)) !== null)),
      async find(ownerId, id) {
        const found = await deliveries.findOne((one) => one.id === id && one.ownerId === ownerId)
        return found && without(found)
      },
      async listOfNotification(notificationId, { after, limit }) {
        const isOlder = (one: Delivery) =>
          !after || one.createdAt < after.at || (one.createdAt === after.at && one.id < after.id)
        const fits = (one: Delivery) => one.notificationId === notificationId && isOlder(one)
        const order = (a: Delivery, b: Delivery) => b.createdAt - a.createdAt || compare(b.id, a.id)
        return (await deliveries.find(fits, order, limit)).map(without)
      },
      async listDue(until, limit, share, after) {
        const fits = ({ id, nextAt }: Delivery) => nextAt !== null && nextAt <= until && isOf(share, id, nextAt)
        return pageOfDue(await deliveries.find(fits), ({ nextAt }) => nextAt ?? 0, limit, after)
      },
      async listBeyond(ownerId, most, limit) {
        const order = (a: Delivery, b: Delivery) => a.createdAt - b.createdAt || compare(a.id, b.id)
        const open = await deliveries.find((one) => one.ownerId === ownerId && one.nextAt !== null, order)
        return open.slice(0, Math.min(limit, Math.max(0, open.length - most))).map(without)
      },
      compareAndSetMany: (swaps) => Promise.all(swaps.map(swapDelivery)),
      purge: (before, limit) => purge(deliveries, (one) => one.createdAt < before, limit),
    },
    events: {
      async insertManyIfAbsent(given) {
        await Promise.all(given.map((one) => events.insert(one)))
      },
      async listDue(until, limit, share, after) {
        const fits = ({ jobId, dueAt }: JobEvent) => dueAt !== null && dueAt <= until && isOf(share, jobId, dueAt)
        return pageOfDue(await events.find(fits), ({ dueAt }) => dueAt ?? 0, limit, after)
      },
      compareAndSetMany: (swaps) => Promise.all(swaps.map(swapEvent)),
      purgeReported: (before, limit) => purge(events, (one) => one.dueAt === null && one.at < before, limit),
    },
    alerts: {
      async find(jobId) {
        const found = await alerts.findOne((one) => one.jobId === jobId)
        return found && without(found)
      },
      async compareAndSet(swap) {
        if (swap.before.rev === 0) return (await alerts.insert(swap.next)) !== null
        return swapOf(alerts, ({ jobId }) => jobId)(swap)
      },
      async listFailing(after, limit) {
        const fits = ({ failing, jobId }: Alert) => failing !== null && jobId > (after ?? '')
        const rows = await alerts.find(fits, (a, b) => compare(a.jobId, b.jobId), limit)
        return { rows: rows.map(without), next: rows.length === limit ? (rows.at(-1)?.jobId ?? null) : null }
      },
      purge: (before, limit) => purge(alerts, (one) => one.failing === null && one.updatedAt < before, limit),
    },
    mailCounts: {
      async find(id) {
        const found = await mailCounts.findOne((one) => one.id === id)
        return found && without(found)
      },
      async compareAndSet(swap) {
        if (swap.before.rev === 0) return (await mailCounts.insert(swap.next)) !== null
        return swapOf(mailCounts, ({ id }) => id)(swap)
      },
      purge: (before, limit) => purge(mailCounts, (one) => one.backAt < before, limit),
    },
  }
}
