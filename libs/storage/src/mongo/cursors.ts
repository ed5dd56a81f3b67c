import type { CursorStore } from '../port.ts'
import type { MongoRecord } from './collection-port.ts'
import { defineCollection, type MongoDatabase } from './database.ts'

interface CursorRecord extends MongoRecord {
  readonly at: number
}

/** The collection, for the opening of every service whose loops store their position. */
export const cursorsCollection = defineCollection<CursorRecord>({
  name: 'cursors',
  schema: { _id: String, at: Number },
})

/** Stores named whole numbers that survive a restart: the positions of loops. */
export function createCursorStore(db: MongoDatabase): CursorStore {
  const cursors = db.collection(cursorsCollection)
  return {
    async read(name) {
      return (await cursors.findOne('cursors.read', { _id: name }))?.at ?? 0
    },
    async write(name, at) {
      if (await cursors.updateOne('cursors.move', { _id: name }, { $set: { at } })) return
      const [isNew] = await cursors.insertManyIfAbsent('cursors.move', [{ _id: name, at }])
      if (!isNew) await cursors.updateOne('cursors.move', { _id: name }, { $set: { at } })
    },
  }
}
