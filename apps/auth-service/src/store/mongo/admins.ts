import { defineCollection, type MongoDatabase, type MongoRecord } from '@belfry/storage/mongo'
import type { AdminStore } from '../ports.ts'

interface AdminDocument extends MongoRecord {
  readonly userIds: string[]
  readonly version: number
}

export const adminsCollection = defineCollection<AdminDocument>({
  name: 'admins',
  schema: { _id: String, userIds: [String], version: Number },
})

const only = 'admins'

/** The record of the admins in MongoDB. */
export function createAdminStore(db: MongoDatabase): AdminStore {
  const admins = db.collection(adminsCollection)
  return {
    async read() {
      const found = await admins.findOne('admins.read', { _id: only })
      return { userIds: found?.userIds ?? [], version: found?.version ?? 0 }
    },
    async replace(userIds, fromVersion) {
      if (fromVersion === 0) await admins.insertManyIfAbsent('admins.insert', [{ _id: only, userIds: [], version: 0 }])
      const update = { $set: { userIds: [...userIds], version: fromVersion + 1 } }
      const swap = { id: only, guard: { version: fromVersion }, update }
      const [isDone] = await admins.compareAndSetMany('admins.replace', [swap])
      return isDone === true
    },
  }
}
