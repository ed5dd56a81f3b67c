import { defineCollection, type MongoRecord } from '@belfry/storage/mongo'

/** A record that each write replaces as a whole; `body` is it as JSON, beside the fields that are searched. */
export interface WholeRecord extends MongoRecord {
  readonly rev: number
  readonly body: string
}
const whole = { _id: String, rev: Number, body: String }

export interface NotificationRecord extends WholeRecord {
  readonly ownerId: string
  readonly createdAt: number
}
export const notificationsCollection = defineCollection<NotificationRecord>({
  name: 'notifications',
  schema: { ...whole, ownerId: String, createdAt: Number },
  indexes: [{ fields: { ownerId: 1, createdAt: 1, _id: 1 } }],
})

export interface DeliveryRecord extends WholeRecord {
  readonly ownerId: string
  readonly notificationId: string
  readonly createdAt: number
  /** Absent once it has ended. */
  readonly nextAt?: number
  readonly shard: number
  readonly bytes: number
}
export const deliveriesCollection = defineCollection<DeliveryRecord>({
  name: 'deliveries',
  schema: {
    ...whole,
    ownerId: String,
    notificationId: String,
    createdAt: Number,
    nextAt: Number,
    shard: Number,
    bytes: Number,
  },
  indexes: [
    { fields: { notificationId: 1, createdAt: -1, _id: -1 } },
    { fields: { nextAt: 1, _id: 1 }, only: { nextAt: { $exists: true } } },
    { fields: { ownerId: 1, createdAt: 1, _id: 1 }, only: { nextAt: { $exists: true } } },
    { fields: { createdAt: 1 } },
  ],
})

export interface JobEventRecord extends WholeRecord {
  readonly at: number
  /** Absent once it has been reported. */
  readonly dueAt?: number
  /** Set once it has been reported: the same as `at`. */
  readonly reportedAt?: number
  readonly shard: number
  readonly bytes: number
}
export const jobEventsCollection = defineCollection<JobEventRecord>({
  name: 'jobEvents',
  schema: { ...whole, at: Number, dueAt: Number, reportedAt: Number, shard: Number, bytes: Number },
  indexes: [
    { fields: { dueAt: 1, _id: 1 }, only: { dueAt: { $exists: true } } },
    { fields: { reportedAt: 1 }, only: { reportedAt: { $exists: true } } },
  ],
})

export interface AlertRecord extends WholeRecord {
  /** Present while an execution is failing. */
  readonly isFailing?: true
  /** `updatedAt`, while none is. */
  readonly quietSince?: number
}
export const alertsCollection = defineCollection<AlertRecord>({
  name: 'alerts',
  schema: { ...whole, isFailing: Boolean, quietSince: Number },
  indexes: [
    { fields: { isFailing: 1, _id: 1 }, only: { isFailing: { $exists: true } } },
    { fields: { quietSince: 1 }, only: { quietSince: { $exists: true } } },
  ],
})

export interface MailCountRecord extends WholeRecord {
  readonly backAt: number
}
export const mailCountsCollection = defineCollection<MailCountRecord>({
  name: 'mailCounts',
  schema: { ...whole, backAt: Number },
  indexes: [{ fields: { backAt: 1 } }],
})

export const notificationCollections = [
  notificationsCollection,
  deliveriesCollection,
  jobEventsCollection,
  alertsCollection,
  mailCountsCollection,
]
