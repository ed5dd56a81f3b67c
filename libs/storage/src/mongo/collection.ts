import type { Model } from 'mongoose'
import { createBatches } from './batches.ts'
import type { Calls } from './calls.ts'
import type { Collection, MongoRecord } from './collection-port.ts'
import { checkedFilter } from './filter.ts'
import { createReads, projectionOf } from './reads.ts'

/** The collection over the model of the connection that is in use; its schema has the field `tokens`. */
export function createCollection<T extends MongoRecord>(model: () => Model<MongoRecord>, calls: Calls): Collection<T> {
  const reads = createReads<T>(model, calls)
  const pipelines = { updatePipeline: true } as const

  return {
    ...reads,
    ...createBatches<T>(model, calls, reads.find),
    async updateOne(step, filter, update) {
      checkedFilter(filter)
      const work = async () => await model().updateOne(filter as object, update as object, pipelines)
      return (await calls.write(step, 1, work)).matchedCount === 1
    },
    async updateMany(step, filter, update) {
      checkedFilter(filter)
      const work = async () => await model().updateMany(filter as object, update as object, pipelines)
      return (await calls.write(step, 1, work)).matchedCount
    },
    async findOneAndUpdate(step, filter, update, { sort, fields } = {}) {
      checkedFilter(filter)
      const options = { ...pipelines, returnDocument: 'after', projection: projectionOf(fields) } as const
      const found = await calls.write(step, 1, async () => {
        const query = model()
          .findOneAndUpdate(filter as object, update as object, options)
          .lean()
        if (sort) query.sort(sort as Record<string, 1 | -1>)
        return await query
      })
      return (found ?? undefined) as unknown as T | undefined
    },
    async deleteMany(step, filter) {
      checkedFilter(filter)
      const work = async () => await model().deleteMany(filter as object)
      return (await calls.write(step, 1, work)).deletedCount
    },
  }
}
