import { randomBytes } from 'node:crypto'
import type { AnyBulkWriteOperation, Model } from 'mongoose'
import { isOutcomeUnknown, isUnreachable, StorageError } from '../errors.ts'
import type { Page, PageBounds } from '../port.ts'
import type { Calls } from './calls.ts'
import { isConflict, isDuplicateKey } from './errors.ts'
import { checkedFilter, type Filter, type Update, where } from './filter.ts'

/** A record of a collection: `_id` is the one field whose uniqueness may be raced. */
export interface MongoRecord {
  readonly _id: string
}

/** What a find asks for besides its filter. */
export interface FindOptions<T> {
  readonly sort?: { readonly [K in keyof T]?: 1 | -1 }
  /** Without one the filter must bound what matches. */
  readonly limit?: number
  /** The fields to read, `_id` with them; all of them unless given. */
  readonly fields?: readonly (keyof T & string)[]
  /**
   * `linearizable`: sees every write that was acknowledged before the call, in all records that match. Default: majority. MongoDB
   * gives that level for one record named by its id; for other filters the call first reads `_id` of any record at that
   * level, and then the records at majority, causally after it: two calls of the database instead of one.
   */
  readonly level?: 'linearizable'
}

/** A page of records; `sizes`: the fields that say what a record takes up, as the store counts it. Default `bytes`. */
export interface FindPageOptions<T> extends PageBounds, Pick<FindOptions<T>, 'sort' | 'fields'> {
  readonly sizes?: readonly (keyof T & string)[]
}

/** A page, and where it ends: of the record there are only `_id`, the fields of the sort and the sizes. */
export interface FoundPage<T> extends Page<T> {
  readonly last: T | undefined
}

/** One change of a batch. `guard`: what must hold for the change to count; without one the record only has to be there. */
export interface Change<T> {
  readonly id: string
  readonly guard?: Filter<T>
  readonly update: Update<T>
}

/** A change whose update makes its guard false for good, as a raised sequence number does. */
export type Swap<T> = Change<T> & Required<Pick<Change<T>, 'guard'>>

/**
 * A collection. `step` names the durable step (`executions.claim`): crash points and metrics use it. All methods reject with a
 * `StorageError`; a read never with `outcome-unknown`. Of a batch any part may be written when the call rejects.
 */
export interface Collection<T extends MongoRecord> {
  find(step: string, filter: Filter<T>, options?: FindOptions<T>): Promise<T[]>
  findOne(step: string, filter: Filter<T>, options?: FindOptions<T>): Promise<T | undefined>
  /**
   * The first records up to the one with which they reach a bound. Costs two calls: the first reads the sizes. What stops
   * matching between the two is left out, so a page may be empty with others after it.
   */
  findPage(step: string, filter: Filter<T>, options: FindPageOptions<T>): Promise<FoundPage<T>>
  /**
   * Of the records that match, the first one of each value of the field `by`, in the order of `sort`; `fields` of it. An index over
   * `by` and the fields of `sort` serves it.
   */
  findFirstOfEach(
    step: string,
    filter: Filter<T>,
    by: keyof T & string,
    options: Required<Pick<FindOptions<T>, 'sort' | 'fields'>>,
  ): Promise<T[]>
  /** How many match, counted up to `limit`. */
  count(step: string, filter: Filter<T>, limit?: number): Promise<number>
  /**
   * Inserts each record unless its `_id` is taken. One entry per record: whether it was inserted. A lost answer is asked for
   * again. Rejects with `constraint` when another unique field is taken: a collection of such fields uses `insertOne`.
   */
  insertManyIfAbsent(step: string, records: readonly T[]): Promise<readonly boolean[]>
  /** Inserts the record; false when its `_id` or another unique field is taken. */
  insertOne(step: string, record: T): Promise<boolean>
  /**
   * Does each change whose guard holds. One entry per change: whether it counted. A lost answer is asked for again: it rejects
   * with `outcome-unknown` only when the database does not answer the second time either.
   */
  compareAndSetMany(step: string, swaps: readonly Swap<T>[]): Promise<readonly boolean[]>
  /**
   * The same change for many records, as one command: each record of `ids` for which the guard holds. The rules are those of
   * `compareAndSetMany`; the update makes the guard false for good. An id stands in the list once.
   */
  compareAndSetAlike(
    step: string,
    ids: readonly string[],
    guard: Filter<T>,
    update: Update<T>,
  ): Promise<readonly boolean[]>
  /** Does each change whose guard holds, and answers how many that were. It must be harmless to do one twice: a lost answer repeats it. */
  updateEach(step: string, changes: readonly Change<T>[]): Promise<number>
  /** Changes one record that matches; answers whether one did. */
  updateOne(step: string, filter: Filter<T>, update: Update<T>): Promise<boolean>
  /** Changes all that match; answers how many did. */
  updateMany(step: string, filter: Filter<T>, update: Update<T>): Promise<number>
  /** Changes one record that matches, and gives it as it is afterwards. Never for fields with a unique index. */
  findOneAndUpdate(
    step: string,
    filter: Filter<T>,
    update: Update<T>,
    options?: Pick<FindOptions<T>, 'sort' | 'fields'>,
  ): Promise<T | undefined>
  /** Removes each record whose guard holds; answers how many. A lost answer repeats it. */
  deleteEach(step: string, rows: readonly Omit<Change<T>, 'update'>[]): Promise<number>
  /** Removes all that match; answers how many. */
  deleteMany(step: string, filter: Filter<T>): Promise<number>
}

/** The field of every record that holds the tokens of its last batched writes: it tells which changes of a batch counted. */
export const tokensField = 'tokens'
/** Tokens a record keeps: so many later writes may come before a batch reads its own back. */
const tokensKept = 4
/** Operations of one command. */
const batchLimit = 1000
/** Changes that are sent as so many commands side by side; more are one bulk write. */
const parallelLimit = 4
/** A server that cannot reach a majority would let a linearizable read wait for ever, milliseconds. */
const linearizableWithinMs = 1500
/** How often a batch repeats the operations that the database refused because of another one at the same time. */
const conflictTries = 8

const newToken = () => randomBytes(12).toString('base64url')

/** The update, which leaves the token in the record as well. */
function withToken<T>(update: Update<T>, token: string): object {
  if (!Array.isArray(update)) {
    const operators = update as Exclude<Update<T>, readonly unknown[]>
    return { ...operators, $push: { ...operators.$push, [tokensField]: { $each: [token], $slice: -tokensKept } } }
  }
  const older = { $ifNull: [`$${tokensField}`, []] }
  return [...update, { $set: { [tokensField]: { $slice: [{ $concatArrays: [older, [token]] }, -tokensKept] } } }]
}

interface WriteError {
  readonly index: number
  readonly code?: number
  readonly errmsg?: string
}

/** The errors of single operations of a batch; undefined when the whole command failed. */
function writeErrorsOf(error: unknown): readonly WriteError[] | undefined {
  if (!(error instanceof Error) || !('writeErrors' in error)) return undefined
  const errors = Array.isArray(error.writeErrors)
    ? (error.writeErrors as WriteError[])
    : [error.writeErrors as WriteError]
  return errors.length > 0 ? errors : undefined
}

/** What a batch came to: how many operations matched, and the indexes of those whose unique value is taken. */
interface BatchResult {
  readonly matched: number
  readonly taken: readonly number[]
}

function chunksOf<R>(rows: readonly R[]): (readonly R[])[] {
  const chunks: (readonly R[])[] = []
  for (let at = 0; at < rows.length; at += batchLimit) chunks.push(rows.slice(at, at + batchLimit))
  return chunks
}

/** The indexes of the rows by id: batches that lock rows in one order never wait for each other in a circle. */
function orderById(ids: readonly string[]): number[] {
  return ids
    .map((_, index) => index)
    .sort((a, b) => {
      const [left = '', right = ''] = [ids[a], ids[b]]
      return left < right ? -1 : left > right ? 1 : a - b
    })
}

/** How many records to read: up to the one with which their sizes come to `bytes`, the rule of all stores. */
export function countWithin(sizes: readonly number[], bytes: number): number {
  let sum = 0
  const last = sizes.findIndex((size) => {
    sum += size
    return sum >= bytes
  })
  return last === -1 ? sizes.length : last + 1
}

/** The collection over a model; its schema has the field `tokens`. */
export function createCollection<T extends MongoRecord>(model: Model<MongoRecord>, calls: Calls): Collection<T> {
  const native = model.collection

  const projectionOf = (fields: readonly string[] | undefined) =>
    fields ? Object.fromEntries(fields.map((field) => [field, 1])) : { [tokensField]: 0 }

  function queryOf(filter: Filter<T>, { sort, limit, fields }: FindOptions<T>) {
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
    const session = await model.db.startSession({ causalConsistency: true })
    try {
      const proof = model.findOne({ _id: '' }, { _id: 1 }).lean().session(session)
      await proof.readConcern('linearizable').maxTimeMS(linearizableWithinMs)
      return await queryOf(filter, options).readConcern('majority').session(session)
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

  /** One command of a batch. Operations that lost against another writer are repeated, in order. */
  async function sendBatch(step: string, operations: readonly AnyBulkWriteOperation[]): Promise<BatchResult> {
    let left = operations.map((operation, index) => ({ operation, index }))
    let matched = 0
    const taken: number[] = []
    for (let tries = conflictTries; left.length > 0; tries -= 1) {
      const sent = left
      const list = sent.map(({ operation }) => operation)
      const result = await calls.write(step, list.length, async () => {
        try {
          const { matchedCount, deletedCount } = await native.bulkWrite(list as never, { ordered: false })
          return { count: matchedCount + deletedCount, errors: [] }
        } catch (error) {
          const errors = writeErrorsOf(error)
          if (!errors) throw error
          const counts = error as { matchedCount?: number; deletedCount?: number }
          return { count: (counts.matchedCount ?? 0) + (counts.deletedCount ?? 0), errors }
        }
      })
      matched += result.count
      left = []
      for (const { index, code, errmsg } of result.errors) {
        const failed = sent[index]
        if (!failed) continue
        if (isConflict(code) && tries > 1) left.push(failed)
        else if (code === 11_000) taken.push(failed.index)
        else throw new StorageError(isConflict(code) ? 'locked' : 'failed', errmsg ?? `error ${code}`)
      }
      left.sort((a, b) => a.index - b.index)
    }
    return { matched, taken }
  }

  /** Sends a batch, and once more when its answer was lost. Answers whether it was. */
  async function sendTwice<R>(send: () => Promise<R>): Promise<{ readonly result: R; readonly wasLost: boolean }> {
    try {
      return { result: await send(), wasLost: false }
    } catch (lost) {
      if (!isOutcomeUnknown(lost)) throw lost
      try {
        return { result: await send(), wasLost: true }
      } catch (again) {
        throw isUnreachable(again) ? lost : again
      }
    }
  }

  /** The ids among these whose record has the token. */
  async function readBack(step: string, ids: readonly string[], token: string): Promise<Set<string>> {
    const filter = { _id: where({ $in: ids }), [tokensField]: token } as unknown as Filter<T>
    try {
      const won = await find(`${step}.read-back`, filter, { fields: ['_id'], limit: Math.max(1, ids.length) })
      return new Set(won.map(({ _id }) => _id))
    } catch (error) {
      if (!isUnreachable(error)) throw error
      throw new StorageError('outcome-unknown', error.message, { cause: error })
    }
  }

  const updateOperation = ({ id, guard, update }: Change<T>, token?: string): AnyBulkWriteOperation => ({
    updateOne: {
      filter: checkedFilter({ ...guard, _id: id } as Filter<T>) as never,
      update: (token === undefined ? update : withToken(update, token)) as never,
    },
  })

  async function swapOne(step: string, swap: Swap<T>): Promise<boolean> {
    const token = newToken()
    const operation = updateOperation(swap, token)
    const { result, wasLost } = await sendTwice(() => sendBatch(step, [operation]))
    return result.matched === 1 || (wasLost && (await readBack(step, [swap.id], token)).has(swap.id))
  }

  async function swapBatch(step: string, swaps: readonly Swap<T>[]): Promise<readonly boolean[]> {
    const token = newToken()
    const operations = swaps.map((swap) => updateOperation(swap, token))
    const { result, wasLost } = await sendTwice(() => sendBatch(step, operations))
    if (result.matched === swaps.length) return swaps.map(() => true)
    if (result.matched === 0 && !wasLost) return swaps.map(() => false)
    const ids = swaps.map(({ id }) => id)
    const won = await readBack(step, ids, token)
    return ids.map((id) => won.has(id))
  }

  async function swapAlike(
    step: string,
    ids: readonly string[],
    guard: Filter<T>,
    update: Update<T>,
  ): Promise<readonly boolean[]> {
    const token = newToken()
    const filter = checkedFilter({ ...guard, _id: where({ $in: ids }) } as unknown as Filter<T>)
    const operation = { updateMany: { filter: filter as never, update: withToken(update, token) as never } }
    const { result, wasLost } = await sendTwice(() => sendBatch(step, [operation]))
    if (result.matched === ids.length) return ids.map(() => true)
    if (result.matched === 0 && !wasLost) return ids.map(() => false)
    const won = await readBack(step, ids, token)
    return ids.map((id) => won.has(id))
  }

  async function insertBatch(step: string, records: readonly T[]): Promise<readonly boolean[]> {
    const token = newToken()
    const operations = records.map((record) => ({ insertOne: { document: { ...record, [tokensField]: [token] } } }))
    const { result, wasLost } = await sendTwice(() => sendBatch(step, operations as never))
    const inserted = records.map(() => true)
    for (const index of result.taken) inserted[index] = false
    if (!wasLost || result.taken.length === 0) return inserted
    const ids = result.taken.map((index) => records[index]?._id ?? '')
    const own = await readBack(step, ids, token)
    for (const [at, index] of result.taken.entries()) inserted[index] = own.has(ids[at] ?? '')
    return inserted
  }

  /** Works the rows off in the order of their ids, in batches; the answers stand in the order of the rows. */
  async function inBatches<R, A>(
    rows: readonly R[],
    idOf: (row: R) => string,
    work: (batch: readonly R[]) => Promise<readonly A[]>,
  ): Promise<A[]> {
    const order = orderById(rows.map(idOf))
    const answers = new Array<A>(rows.length)
    for (const chunk of chunksOf(order)) {
      const done = await work(chunk.map((index) => rows[index] as R))
      for (const [at, index] of chunk.entries()) answers[index] = done[at] as A
    }
    return answers
  }

  async function countInBatches<R extends { readonly id: string }>(
    step: string,
    rows: readonly R[],
    operationOf: (row: R) => AnyBulkWriteOperation,
  ): Promise<number> {
    let count = 0
    await inBatches(
      rows,
      ({ id }) => id,
      async (batch) => {
        const operations = batch.map(operationOf)
        const { result } = await sendTwice(() => sendBatch(step, operations))
        count += result.matched
        return batch
      },
    )
    return count
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
      const found = await calls.read(step, 1, async () => await model.aggregate(pipeline))
      return found.map(({ first }) => first as T)
    },
    async count(step, filter, limit) {
      checkedFilter(filter)
      const options = limit === undefined ? {} : { limit }
      return calls.read(step, 1, async () => await model.countDocuments(filter as object, options))
    },
    async insertManyIfAbsent(step, records) {
      return inBatches(
        records,
        ({ _id }) => _id,
        (batch) => insertBatch(step, batch),
      )
    },
    async insertOne(step, record) {
      const document = { ...record, [tokensField]: [newToken()] }
      return calls.write(step, 1, async () => {
        try {
          await native.insertOne(document as never)
          return true
        } catch (error) {
          if (isDuplicateKey(error)) return false
          throw error
        }
      })
    },
    async compareAndSetMany(step, swaps) {
      if (swaps.length <= parallelLimit) return Promise.all(swaps.map((swap) => swapOne(step, swap)))
      return inBatches(
        swaps,
        ({ id }) => id,
        (batch) => swapBatch(step, batch),
      )
    },
    compareAndSetAlike: (step, ids, guard, update) =>
      inBatches(
        ids,
        (id) => id,
        (batch) => swapAlike(step, batch, guard, update),
      ),
    updateEach: (step, changes) => countInBatches(step, changes, (change) => updateOperation(change)),
    async updateOne(step, filter, update) {
      checkedFilter(filter)
      const options = { updatePipeline: true }
      const { matchedCount } = await calls.write(
        step,
        1,
        async () => await model.updateOne(filter as object, update as object, options),
      )
      return matchedCount === 1
    },
    async updateMany(step, filter, update) {
      checkedFilter(filter)
      const options = { updatePipeline: true }
      const { matchedCount } = await calls.write(
        step,
        1,
        async () => await model.updateMany(filter as object, update as object, options),
      )
      return matchedCount
    },
    async findOneAndUpdate(step, filter, update, { sort, fields } = {}) {
      checkedFilter(filter)
      const found = await calls.write(step, 1, async () => {
        const options = { updatePipeline: true, returnDocument: 'after', projection: projectionOf(fields) } as const
        const query = model.findOneAndUpdate(filter as object, update as object, options).lean()
        if (sort) query.sort(sort as Record<string, 1 | -1>)
        return await query
      })
      return (found ?? undefined) as unknown as T | undefined
    },
    deleteEach: (step, rows) =>
      countInBatches(step, rows, ({ id, guard }) => ({
        deleteOne: { filter: checkedFilter({ ...guard, _id: id } as unknown as Filter<T>) as never },
      })),
    async deleteMany(step, filter) {
      checkedFilter(filter)
      const { deletedCount } = await calls.write(step, 1, async () => await model.deleteMany(filter as object))
      return deletedCount
    },
  }
}
