import type { RowId, WorkShare } from '@belfry/storage'
import type { Delivery } from '../domain/delivery.ts'
import type { Alert, JobEvent } from '../domain/job-event.ts'
import type { MailCount } from '../domain/mail-quota.ts'
import type { Notification } from '../domain/notification.ts'
import type { DueCursor, DuePage } from './ports.ts'

/**
 * What notifications ask of a database. All verbs reject with a `StorageError`. A change names the record as it was read, and counts
 * only while its `rev` is the stored one; the next record has a higher one. Times are epoch milliseconds.
 */

/** A record as it was read, and as it is to be. */
export interface Swap<T> {
  readonly before: T
  readonly next: T
}

/** Where a page of a list by time, newest first, ends. */
interface TimePosition {
  readonly at: number
  readonly id: string
}

export interface NotificationStore {
  /**
   * Stores a new one. `too-many`: the owner had `most` when the call counted them; calls at the same time may exceed it where the
   * database counts in a step of its own. The same record again is stored once.
   */
  create(notification: Notification, most: number): Promise<'stored' | 'too-many'>
  find(ownerId: string, id: string): Promise<Notification | undefined>
  /** Those of all owners, in an order that stays: the next `limit` after a row (null: from the first on). */
  listAll(after: RowId | null, limit: number): Promise<{ rows: readonly Notification[]; next: RowId | null }>
  /** All of an owner, oldest first. */
  listOfOwner(ownerId: string): Promise<readonly Notification[]>
  compareAndSet(swap: Swap<Notification>): Promise<boolean>
  /** Removes one of the owner; answers whether it was there. */
  remove(ownerId: string, id: string): Promise<boolean>
}

export interface DeliveryStore {
  /** One entry per delivery: whether it was not there before. One that is there stays as it is. */
  insertManyIfAbsent(deliveries: readonly Delivery[]): Promise<readonly boolean[]>
  find(ownerId: string, id: string): Promise<Delivery | undefined>
  /** Those of one notification, newest first, after a position (null: from the newest on). */
  listOfNotification(
    notificationId: string,
    page: { readonly after: TimePosition | null; readonly limit: number },
  ): Promise<readonly Delivery[]>
  /** Those of the share whose attempt is due by `until`, the longest waiting first. */
  listDue(until: number, limit: number, share: WorkShare, after?: DueCursor | null): Promise<DuePage<Delivery>>
  /** Those of an owner that have not ended, beyond the newest `most` of them; at most `limit`, in any order. */
  listBeyond(ownerId: string, most: number, limit: number): Promise<readonly Delivery[]>
  /** One entry per swap: whether it was stored. */
  compareAndSetMany(swaps: readonly Swap<Delivery>[]): Promise<readonly boolean[]>
  /** Removes at most `limit` that were made before `before`; answers whether more may be left. */
  purge(before: number, limit: number): Promise<boolean>
}

export interface JobEventStore {
  /** Stores each event once. */
  insertManyIfAbsent(events: readonly JobEvent[]): Promise<void>
  /** Events of the share (by job) that are due by `until`, the longest waiting first. */
  listDue(until: number, limit: number, share: WorkShare, after?: DueCursor | null): Promise<DuePage<JobEvent>>
  /** One entry per swap: whether it was stored. */
  compareAndSetMany(swaps: readonly Swap<JobEvent>[]): Promise<readonly boolean[]>
  /** Removes at most `limit` that have been reported and were seen before `before`; answers whether more may be left. */
  purgeReported(before: number, limit: number): Promise<boolean>
}

export interface AlertStore {
  find(jobId: string): Promise<Alert | undefined>
  /** Stores the record if the stored one has the `rev` of `before`; a `rev` of 0: if there is none. */
  compareAndSet(swap: Swap<Alert>): Promise<boolean>
  /** Those with a failing execution, in an order that stays, after a job (null: from the first on). */
  listFailing(after: string | null, limit: number): Promise<{ rows: readonly Alert[]; next: string | null }>
  /** Removes at most `limit` without a failing execution that were written before `before`; answers whether more may be left. */
  purge(before: number, limit: number): Promise<boolean>
}

export interface MailCountStore {
  find(id: string): Promise<MailCount | undefined>
  /** Stores the record if the stored one has the `rev` of `before`; a `rev` of 0: if there is none. */
  compareAndSet(swap: Swap<MailCount>): Promise<boolean>
  /** Removes at most `limit` whose quota was back before `before`; answers whether more may be left. */
  purge(before: number, limit: number): Promise<boolean>
}

/** All that notifications store. */
export interface NotificationStores {
  readonly notifications: NotificationStore
  readonly deliveries: DeliveryStore
  readonly events: JobEventStore
  readonly alerts: AlertStore
  readonly mailCounts: MailCountStore
}
