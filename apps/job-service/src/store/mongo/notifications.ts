import { type OnUnreadable, shardOf } from '@belfry/storage'
import { type Collection, type Filter, type MongoDatabase, where } from '@belfry/storage/mongo'
import type { Delivery } from '../../domain/delivery.ts'
import type { Alert, JobEvent } from '../../domain/job-event.ts'
import type { MailCount } from '../../domain/mail-quota.ts'
import type { Notification } from '../../domain/notification.ts'
import type {
  AlertStore,
  DeliveryStore,
  JobEventStore,
  MailCountStore,
  NotificationStore,
  NotificationStores,
  Swap,
} from '../notification-ports.ts'
import { createDueReader } from './due.ts'
import {
  type AlertRecord,
  alertsCollection,
  type DeliveryRecord,
  deliveriesCollection,
  type JobEventRecord,
  jobEventsCollection,
  type MailCountRecord,
  mailCountsCollection,
  type NotificationRecord,
  notificationsCollection,
  type WholeRecord,
} from './notification-collections.ts'
import { rowIdOf } from './positions.ts'
import { readEach } from './unreadable.ts'

interface Deps {
  readonly db: MongoDatabase
  readonly onUnreadable: OnUnreadable
}

const read = <T>({ body }: WholeRecord): T => JSON.parse(body) as T
const bytesOf = (body: string) => Buffer.byteLength(body)

/** Replaces records whose `rev` is the one that was read. `optional`: the fields that a record may lack. */
function createSwaps<T extends { readonly rev: number }, R extends WholeRecord>(
  collection: Collection<R>,
  recordOf: (value: T) => R,
  optional: readonly (keyof R & string)[] = [],
) {
  return (step: string, swaps: readonly Swap<T>[]): Promise<readonly boolean[]> => {
    const changes = swaps.map(({ before, next }) => {
      const { _id: id, ...fields } = recordOf(next)
      const gone = optional.filter((name) => !Object.hasOwn(fields, name)).map((name) => [name, 1])
      const update = { $set: fields, ...(gone.length > 0 && { $unset: Object.fromEntries(gone) }) }
      return { id, guard: { rev: before.rev } as unknown as Filter<R>, update: update as never }
    })
    return collection.compareAndSetMany(step, changes)
  }
}

/** Removes records that fit, at most `limit`, each only while it still fits; answers whether more may be left. */
async function purgeSome<R extends WholeRecord>(
  collection: Collection<R>,
  [find, purge]: readonly [find: string, purge: string],
  filter: Filter<R>,
  limit: number,
): Promise<boolean> {
  const old = await collection.find(find, filter, { limit, fields: ['_id'] })
  const rows = old.map(({ _id: id }) => ({ id, guard: filter }))
  if (rows.length > 0) await collection.deleteEach(purge, rows)
  return old.length === limit
}

function createNotificationStore({ db, onUnreadable }: Deps): NotificationStore {
  const notifications = db.collection(notificationsCollection)
  const recordOf = (value: Notification): NotificationRecord => {
    const { id, ownerId, createdAt, rev } = value
    return { _id: id, ownerId, createdAt, rev, body: JSON.stringify(value) }
  }
  const swap = createSwaps(notifications, recordOf)
  return {
    async create(notification, most) {
      const { id: _id, ownerId } = notification
      if (await notifications.findOne('notifications.read', { _id, ownerId }, { fields: ['_id'] })) return 'stored'
      if ((await notifications.count('notifications.count', { ownerId }, most)) >= most) return 'too-many'
      await notifications.insertManyIfAbsent('notifications.create', [recordOf(notification)])
      return 'stored'
    },
    async find(ownerId, id) {
      const found = await notifications.findOne('notifications.read', { _id: id, ownerId })
      return found && read<Notification>(found)
    },
    async listAll(after, limit) {
      const filter = { _id: where({ $gt: String(after ?? '') }) }
      const found = await notifications.find('notifications.list', filter, { sort: { _id: 1 }, limit })
      const last = found.length === limit ? found.at(-1) : undefined
      const rows = readEach('notifications', found, (one) => read<Notification>(one), onUnreadable)
      return { rows, next: last ? rowIdOf(last._id) : null }
    },
    async listOfOwner(ownerId) {
      const found = await notifications.find('notifications.list', { ownerId }, { sort: { createdAt: 1, _id: 1 } })
      return readEach('notifications', found, (one) => read<Notification>(one), onUnreadable)
    },
    async compareAndSet(one) {
      const [isSet = false] = await swap('notifications.change', [one])
      return isSet
    },
    async remove(ownerId, id) {
      return (await notifications.deleteEach('notifications.remove', [{ id, guard: { ownerId } }])) === 1
    },
  }
}

function createDeliveryStore({ db, onUnreadable }: Deps): DeliveryStore {
  const deliveries = db.collection(deliveriesCollection)
  const recordOf = (value: Delivery): DeliveryRecord => {
    const { id, ownerId, notificationId, createdAt, nextAt, rev } = value
    const body = JSON.stringify(value)
    const about = { _id: id, ownerId, notificationId, createdAt, rev, body, shard: shardOf(id), bytes: bytesOf(body) }
    return nextAt === null ? about : { ...about, nextAt }
  }
  const swap = createSwaps(deliveries, recordOf, ['nextAt'])
  const readDue = createDueReader(deliveries, 'deliveries.due', 'nextAt', ['_id', 'nextAt', 'body'])
  const readAll = (found: readonly DeliveryRecord[]) =>
    readEach('deliveries', found, (one) => read<Delivery>(one), onUnreadable)
  const isOpen = { nextAt: where<number>({ $exists: true }) }
  return {
    insertManyIfAbsent: (given) => deliveries.insertManyIfAbsent('deliveries.insert', given.map(recordOf)),
    compareAndSetMany: (swaps) => swap('deliveries.change', swaps),
    async find(ownerId, id) {
      const found = await deliveries.findOne('deliveries.read', { _id: id, ownerId })
      return found && read<Delivery>(found)
    },
    async listOfNotification(notificationId, { after, limit }) {
      const older = after && {
        $or: [{ createdAt: where({ $lt: after.at }) }, { createdAt: after.at, _id: where({ $lt: after.id }) }],
      }
      const filter: Filter<DeliveryRecord> = { $and: [{ notificationId }, older ?? {}] }
      const options = { sort: { createdAt: -1, _id: -1 }, limit, fields: ['_id', 'body'] } as const
      return readAll(await deliveries.find('deliveries.list', filter, options))
    },
    async listDue(until, limit, share, after) {
      const { rows, next } = await readDue({ until, rows: limit, bytes: Number.MAX_SAFE_INTEGER, share, after })
      return { rows: readAll(rows), next }
    },
    async listBeyond(ownerId, most, limit) {
      const filter = { ownerId, ...isOpen }
      const count = await deliveries.count('deliveries.count', filter, most + limit)
      if (count <= most) return []
      const options = { sort: { createdAt: 1, _id: 1 }, limit: count - most, fields: ['_id', 'body'] } as const
      return readAll(await deliveries.find('deliveries.list', filter, options))
    },
    purge: (before, limit) =>
      purgeSome(deliveries, ['deliveries.old', 'deliveries.purge'], { createdAt: where({ $lt: before }) }, limit),
  }
}

function createJobEventStore({ db, onUnreadable }: Deps): JobEventStore {
  const events = db.collection(jobEventsCollection)
  const recordOf = (value: JobEvent): JobEventRecord => {
    const { id, jobId, at, dueAt, rev } = value
    const body = JSON.stringify(value)
    const about = { _id: id, at, rev, body, shard: shardOf(jobId), bytes: bytesOf(body) }
    return dueAt === null ? { ...about, reportedAt: at } : { ...about, dueAt }
  }
  const swap = createSwaps(events, recordOf, ['dueAt', 'reportedAt'])
  const readDue = createDueReader(events, 'jobEvents.due', 'dueAt', ['_id', 'dueAt', 'body'])
  return {
    compareAndSetMany: (swaps) => swap('jobEvents.change', swaps),
    async insertManyIfAbsent(given) {
      if (given.length > 0) await events.insertManyIfAbsent('jobEvents.insert', given.map(recordOf))
    },
    async listDue(until, limit, share, after) {
      const { rows, next } = await readDue({ until, rows: limit, bytes: Number.MAX_SAFE_INTEGER, share, after })
      return { rows: readEach('jobEvents', rows, (one) => read<JobEvent>(one), onUnreadable), next }
    },
    purgeReported: (before, limit) =>
      purgeSome(events, ['jobEvents.old', 'jobEvents.purge'], { reportedAt: where({ $lt: before }) }, limit),
  }
}

function createAlertStore({ db, onUnreadable }: Deps): AlertStore {
  const alerts = db.collection(alertsCollection)
  const recordOf = (value: Alert): AlertRecord => {
    const { jobId, failing, updatedAt, rev } = value
    const about = { _id: jobId, rev, body: JSON.stringify(value) }
    return failing === null ? { ...about, quietSince: updatedAt } : { ...about, isFailing: true }
  }
  const swap = createSwaps(alerts, recordOf, ['isFailing', 'quietSince'])
  return {
    async find(jobId) {
      const found = await alerts.findOne('alerts.read', { _id: jobId })
      return found && read<Alert>(found)
    },
    async compareAndSet(one) {
      const isNew = one.before.rev === 0
      const [isSet = false] = await (isNew
        ? alerts.insertManyIfAbsent('alerts.change', [recordOf(one.next)])
        : swap('alerts.change', [one]))
      return isSet
    },
    async listFailing(after, limit) {
      const filter = { isFailing: true as const, ...(after !== null && { _id: where({ $gt: after }) }) }
      const found = await alerts.find('alerts.failing', filter, { sort: { _id: 1 }, limit, fields: ['_id', 'body'] })
      const next = found.length === limit ? (found.at(-1)?._id ?? null) : null
      return { rows: readEach('alerts', found, (one) => read<Alert>(one), onUnreadable), next }
    },
    purge: (before, limit) =>
      purgeSome(alerts, ['alerts.old', 'alerts.purge'], { quietSince: where({ $lt: before }) }, limit),
  }
}

function createMailCountStore({ db }: Deps): MailCountStore {
  const counts = db.collection(mailCountsCollection)
  const recordOf = (value: MailCount): MailCountRecord => {
    const { id, backAt, rev } = value
    return { _id: id, rev, backAt, body: JSON.stringify(value) }
  }
  const swap = createSwaps(counts, recordOf)
  return {
    async find(id) {
      const found = await counts.findOne('mailCounts.read', { _id: id })
      return found && read<MailCount>(found)
    },
    async compareAndSet(one) {
      const [isSet = false] = await (one.before.rev === 0
        ? counts.insertManyIfAbsent('mailCounts.change', [recordOf(one.next)])
        : swap('mailCounts.change', [one]))
      return isSet
    },
    purge: (before, limit) =>
      purgeSome(counts, ['mailCounts.old', 'mailCounts.purge'], { backAt: where({ $lt: before }) }, limit),
  }
}

/** What notifications store, on the collections of the same names. */
export function createNotificationStores(deps: Deps): NotificationStores {
  return {
    notifications: createNotificationStore(deps),
    deliveries: createDeliveryStore(deps),
    events: createJobEventStore(deps),
    alerts: createAlertStore(deps),
    mailCounts: createMailCountStore(deps),
  }
}
