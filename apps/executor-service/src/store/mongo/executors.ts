import { type Collection, type MongoDatabase, where } from '@belfry/storage/mongo'
import type { ExecutorStore } from '../ports.ts'
import { type ExecutorRecord, executorsCollection } from './records.ts'

/** The executors in MongoDB: a handful of records. */
export function createExecutorStore(db: MongoDatabase): ExecutorStore {
  const executors: Collection<ExecutorRecord> = db.collection(executorsCollection)
  return {
    async enlist(instance, address) {
      await executors.insertManyIfAbsent('executors.enlist', [{ _id: instance, beat: 0, address, gone: false }])
    },
    beat: (instance) => executors.updateOne('executors.beat', { _id: instance, gone: false }, { $inc: { beat: 1 } }),
    async list() {
      const found = await executors.find('executors.list', {}, { fields: ['beat', 'gone'] })
      return found.map(({ _id, beat, gone }) => ({ instance: _id, beat, gone }))
    },
    markGone: ({ instance, beat }) =>
      executors.updateOne('executors.gone', { _id: instance, beat, gone: false }, { $set: { gone: true } }),
    async removeOthers(instance) {
      await executors.deleteMany('executors.takeover', { _id: where({ $ne: instance }) })
    },
    async remove(instance) {
      await executors.deleteMany('executors.leave', { _id: instance })
    },
  }
}
