import type { OnUnreadable } from '@belfry/storage'
import { type Database, nextOf, type Statement } from '@belfry/storage/sqlite'
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
} from '../notification-ports.ts'
import { afterParams, cursorAfter } from './positions.ts'
import { createRecordTable } from './record-table.ts'

/** Removes rows, at most `limit`; answers whether more may be left. */
async function purgeSome(
  db: Database,
  step: string,
  statement: Statement,
  params: readonly [before: number, limit: number],
): Promise<boolean> {
  const [result] = await db.write(step, [{ statement, params }])
  return result?.changes === params[1]
}

function createNotificationStore(db: Database, onUnreadable: OnUnreadable): NotificationStore {
  const table = createRecordTable<Notification>(db, {
    table: 'notifications',
    idOf: ({ id }) => id,
    columns: ['ownerId'],
    valuesOf: ({ ownerId }) => [ownerId],
    onUnreadable,
  })
  const insert = db.statement(`INSERT INTO notifications (${table.names}) SELECT ${table.marks}
    WHERE (SELECT count(*) FROM notifications WHERE ownerId = ?3) < ?5 ON CONFLICT DO NOTHING`)
  const one = db.statement('SELECT n, body FROM notifications WHERE id = ? AND ownerId = ?')
  const ofOwner = db.statement('SELECT n, body FROM notifications WHERE ownerId = ?')
  const all = db.statement('SELECT n, body FROM notifications WHERE n > ? ORDER BY n LIMIT ?')
  const remove = db.statement('DELETE FROM notifications WHERE id = ? AND ownerId = ?')
  return {
    async create(notification, most) {
      const { id, ownerId } = notification
      await db.write('notifications.create', [{ statement: insert, params: [...table.params(notification), most] }])
      return (await db.read(one, [id, ownerId])).length > 0 ? 'stored' : 'too-many'
    },
    async find(ownerId, id) {
      return table.read(await db.read(one, [id, ownerId]))[0]
    },
    async listAll(after, limit) {
      const rows = await db.read(all, [after ?? 0, limit])
      return { rows: table.read(rows), next: nextOf(rows, limit) }
    },
    async listOfOwner(ownerId) {
      const all = table.read(await db.read(ofOwner, [ownerId]))
      return all.sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1))
    },
    async compareAndSet(swap) {
      const [isSet = false] = await table.swap([swap])
      return isSet
    },
    async remove(ownerId, id) {
      const [result] = await db.write('notifications.remove', [{ statement: remove, params: [id, ownerId] }])
      return result?.changes === 1
    },
  }
}

/** The newest position there is: the first page begins behind it. */
const fromNewest = [Number.MAX_SAFE_INTEGER, '']

function createDeliveryStore(db: Database, onUnreadable: OnUnreadable): DeliveryStore {
  const table = createRecordTable<Delivery>(db, {
    table: 'deliveries',
    idOf: ({ id }) => id,
    columns: ['ownerId', 'notificationId', 'createdAt', 'nextAt'],
    valuesOf: ({ ownerId, notificationId, createdAt, nextAt }) => [ownerId, notificationId, createdAt, nextAt],
    onUnreadable,
  })
  const one = db.statement('SELECT n, body FROM deliveries WHERE id = ? AND ownerId = ?')
  const ofNotification = db.statement(`SELECT n, body FROM deliveries
    WHERE notificationId = ? AND (createdAt, id) < (?, ?) ORDER BY createdAt DESC, id DESC LIMIT ?`)
  const due = db.statement(`SELECT n, nextAt, body FROM deliveries
    WHERE nextAt <= ? AND (nextAt, n) > (?, ?) ORDER BY nextAt, n LIMIT ?`)
  const beyond = db.statement(`SELECT n, body FROM deliveries
    WHERE ownerId = ? AND nextAt IS NOT NULL ORDER BY createdAt DESC, n DESC LIMIT ? OFFSET ?`)
  const purge = db.statement('DELETE FROM deliveries WHERE n IN (SELECT n FROM deliveries WHERE createdAt < ? LIMIT ?)')
  return {
    insertManyIfAbsent: table.insert,
    compareAndSetMany: table.swap,
    async find(ownerId, id) {
      return table.read(await db.read(one, [id, ownerId]))[0]
    },
    async listOfNotification(notificationId, { after, limit }) {
      const from = after ? [after.at, after.id] : fromNewest
      return table.read(await db.read(ofNotification, [notificationId, ...from, limit]))
    },
    async listDue(until, limit, _share, after) {
      const rows = await db.read(due, [until, ...afterParams(after), limit])
      return { rows: table.read(rows), next: rows.length === limit ? cursorAfter(rows.at(-1)) : null }
    },
    async listBeyond(ownerId, most, limit) {
      return table.read(await db.read(beyond, [ownerId, limit, most]))
    },
    purge: (before, limit) => purgeSome(db, 'deliveries.purge', purge, [before, limit]),
  }
}

function createJobEventStore(db: Database, onUnreadable: OnUnreadable): JobEventStore {
  const table = createRecordTable<JobEvent>(db, {
    table: 'jobEvents',
    idOf: ({ id }) => id,
    columns: ['at', 'dueAt'],
    valuesOf: ({ at, dueAt }) => [at, dueAt],
    onUnreadable,
  })
  const due = db.statement(`SELECT n, dueAt, body FROM jobEvents
    WHERE dueAt <= ? AND (dueAt, n) > (?, ?) ORDER BY dueAt, n LIMIT ?`)
  const purge = db.statement(`DELETE FROM jobEvents
    WHERE n IN (SELECT n FROM jobEvents WHERE dueAt IS NULL AND at < ? LIMIT ?)`)
  return {
    compareAndSetMany: table.swap,
    async insertManyIfAbsent(events) {
      await table.insert(events)
    },
    async listDue(until, limit, _share, after) {
      const rows = await db.read(due, [until, ...afterParams(after), limit])
      return { rows: table.read(rows), next: rows.length === limit ? cursorAfter(rows.at(-1)) : null }
    },
    purgeReported: (before, limit) => purgeSome(db, 'jobEvents.purge', purge, [before, limit]),
  }
}

function createAlertStore(db: Database, onUnreadable: OnUnreadable): AlertStore {
  const table = createRecordTable<Alert>(db, {
    table: 'alerts',
    idOf: ({ jobId }) => jobId,
    columns: ['isFailing', 'updatedAt'],
    valuesOf: ({ failing, updatedAt }) => [failing === null ? 0 : 1, updatedAt],
    onUnreadable,
  })
  const one = db.statement('SELECT n, body FROM alerts WHERE id = ?')
  const failing = db.statement('SELECT id, body FROM alerts WHERE isFailing = 1 AND id > ? ORDER BY id LIMIT ?')
  const purge = db.statement(`DELETE FROM alerts
    WHERE n IN (SELECT n FROM alerts WHERE isFailing = 0 AND updatedAt < ? LIMIT ?)`)
  return {
    async find(jobId) {
      return table.read(await db.read(one, [jobId]))[0]
    },
    async compareAndSet(swap) {
      const [isSet = false] = await (swap.before.rev === 0 ? table.insert([swap.next]) : table.swap([swap]))
      return isSet
    },
    async listFailing(after, limit) {
      const rows = await db.read(failing, [after ?? '', limit])
      return { rows: table.read(rows), next: rows.length === limit ? String(rows.at(-1)?.[0]) : null }
    },
    purge: (before, limit) => purgeSome(db, 'alerts.purge', purge, [before, limit]),
  }
}

function createMailCountStore(db: Database, onUnreadable: OnUnreadable): MailCountStore {
  const table = createRecordTable<MailCount>(db, {
    table: 'mailCounts',
    idOf: ({ id }) => id,
    columns: ['backAt'],
    valuesOf: ({ backAt }) => [backAt],
    onUnreadable,
  })
  const one = db.statement('SELECT n, body FROM mailCounts WHERE id = ?')
  const purge = db.statement('DELETE FROM mailCounts WHERE n IN (SELECT n FROM mailCounts WHERE backAt < ? LIMIT ?)')
  return {
    async find(id) {
      return table.read(await db.read(one, [id]))[0]
    },
    async compareAndSet(swap) {
      const [isSet = false] = await (swap.before.rev === 0 ? table.insert([swap.next]) : table.swap([swap]))
      return isSet
    },
    purge: (before, limit) => purgeSome(db, 'mailCounts.purge', purge, [before, limit]),
  }
}

/** What notifications store, on the tables of the same names. */
export function createNotificationStores(db: Database, onUnreadable: OnUnreadable): NotificationStores {
  return {
    notifications: createNotificationStore(db, onUnreadable),
    deliveries: createDeliveryStore(db, onUnreadable),
    events: createJobEventStore(db, onUnreadable),
    alerts: createAlertStore(db, onUnreadable),
    mailCounts: createMailCountStore(db, onUnreadable),
  }
}
