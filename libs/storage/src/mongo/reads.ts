import type { Model } from 'mongoose'
import type { Calls } from './calls.ts'
import type { Collection, FindOptions, MongoRecord } from './collection-port.ts'
import { checkedFilter, type Filter, where } from './filter.ts'
import { tokensField } from './tokens.ts'

/** A server that cannot reach a majority would let a linearizable read wait for ever, milliseconds. */
const linearizableWithinMs = 1500

/** How many records to read: up to the one with which their sizes come to `bytes`, the rule of all stores. */
export function countWithin(sizes: readonly number[], bytes: number): number {
  let sum = 0
  const last = sizes.findIndex((size) => {
    sum += size
    return sum >= bytes
  })
  return last === -1 ? sizes.length : last + 1
}

/** The fields to read; without a list all but the store's own. */
export function projectionOf(fields: readonly string[] | undefined): Record<string, 0 | 1> {
  return fields ? Object.fromEntries(fields.map((field) => [field, 1])) : { [tokensField]: 0 }
}

/** What reads a collection. */
export function createReads<T extends MongoRecord>(
  current: () => Model<MongoRecord>,
  calls: Calls,
): Pick<Collection<T>, 'find' | 'findOne' | 'findPage' | 'findFirstOfEach' | 'count'> {
  function queryOf(filter: Filter<T>, { sort, limit, fields }: FindOptions<T>, model = current()) {
    const query = model.find(filter as object, projectionOf(fields)).lean()
    if (sort) query.sort(sort as Record<string, 1 | -1>)
    // One more than the limit, or the database keeps the cursor open for a further batch.
    if (limit !== undefined) query.limit(limit).batchSize(limit + 1)
    return query
  }

  /** Whether the filter names one record, so that the database itself gives it linearizable. */
  const isById = (filter: Filter<T>) => typeof (filter as { readonly _id?: unknown })._id === 'string'

  /**
   * Reads what every write before the call has left. A linearizable read answers only once the server has proved that it is the
   * primary, so its commit point is past every write that was acknowledged before; the session makes the second read wait for
   * that point, also on another primary.
   */
  async function findLinearizable(filter: Filter<T>, options: FindOptions<T>): Promise<unknown> {
    if (isById(filter)) {
      return await queryOf(filter, options).readConcern('linearizable').maxTimeMS(linearizableWithinMs)
    }
    // Of one connection: a session of another one is refused.
    const model = current()
    const session = await model.db.startSession({ causalConsistency: true })
    try {
      const proof = model.findOne({ _id: '' }, { _id: 1 }).lean().session(session)
      await proof.readConcern('linearizable').maxTimeMS(linearizableWithinMs)
      return await queryOf(filter, options, model).readConcern('majority').session(session)
    } finally {
      await session.endSession()
    }
  }

  async function find(step: string, filter: Filter<T>, options: FindOptions<T> = {}): Promise<T[]> {
    checkedFilter(filter)
    const read = options.level === 'linearizable' ? findLinearizable : queryOf
    const found = await calls.read(step, 1, async () => await read(filter, options))
    return found as unknown as T[]
  }

  return {
    find,
    async findOne(step, filter, options = {}) {
      const [found] = await find(step, filter, { ...options, limit: 1 })
      return found
    },
    async findPage(step, filter, { rows, bytes, sort, fields, sizes = ['bytes' as keyof T & string] }) {
      const order = sort && { sort }
      const sorted = Object.keys(sort ?? {}) as (keyof T & string)[]
      const found = await find(step, filter, { ...order, limit: rows + 1, fields: [...sizes, ...sorted] })
      const sizeOf = (one: T) => sizes.reduce((sum, field) => sum + Number(one[field]), 0)
      const count = countWithin(found.slice(0, rows).map(sizeOf), bytes)
      if (count === 0) return { rows: [], hasMore: false, last: undefined }
      const ids = found.slice(0, count).map(({ _id }) => _id)
      const inPage = { $and: [filter, { _id: where({ $in: ids }) }] } as unknown as Filter<T>
      const read = await find(step, inPage, { limit: count, ...(fields && { fields }) })
      const byId = new Map(read.map((one) => [one._id, one]))
      return { rows: ids.flatMap((id) => byId.get(id) ?? []), hasMore: count < found.length, last: found[count - 1] }
    },
    async findFirstOfEach(step, filter, by, { sort, fields }) {
      const [direction = 1] = Object.values(sort) as (1 | -1)[]
      const pipeline = [
        { $match: checkedFilter(filter) },
        { $sort: { [by]: direction, ...sort } as Record<string, 1 | -1> },
        { $group: { _id: `$${by}`, first: { $first: Object.fromEntries(fields.map((name) => [name, `$${name}`])) } } },
      ]
      const found = await calls.read(step, 1, async () => await current().aggregate(pipeline))
      return found.map(({ first }) => first as T)
    },
    async count(step, filter, limit) {
      checkedFilter(filter)
      const options = limit === undefined ? {} : { limit }
      return calls.read(step, 1, async () => await current().countDocuments(filter as object, options))
    },
  }
}
