import type { AnyBulkWriteOperation, Model } from 'mongoose'
import { isOutcomeUnknown, isUnreachable, StorageError } from '../errors.ts'
import type { Calls } from './calls.ts'
import type { Change, Collection, MongoRecord, Swap } from './collection-port.ts'
import { errorOfOperation, isConflict, isDuplicateKey } from './errors.ts'
import { checkedFilter, type Filter, type Update, where } from './filter.ts'
import { inOrderOfIds, side } from './order.ts'
import { newToken, tokensField, withToken } from './tokens.ts'

/** Operations of one command. */
const batchLimit = 1000
/** Changes that are sent as so many commands side by side; more are one bulk write. */
const parallelLimit = 4
/** How often a batch repeats the operations that the database refused because of another one at the same time. */
const conflictTries = 8

interface WriteError {
  readonly index: number
  readonly code?: number
  readonly errmsg?: string
}

/** As much of what the driver throws for a bulk write as is looked at. */
interface BulkError {
  readonly writeErrors?: WriteError | readonly WriteError[]
  readonly insertedCount?: number
  readonly matchedCount?: number
  readonly modifiedCount?: number
  readonly deletedCount?: number
  readonly result?: { getWriteConcernError?(): unknown }
}

/** The errors of single operations of a batch; empty when the whole command failed. */
const writeErrorsOf = ({ writeErrors = [] }: BulkError) => [writeErrors].flat() as readonly WriteError[]

/** The driver may cut a bulk write in several commands, of which the first ones may be written when it throws. */
const hasWritten = ({ insertedCount = 0, modifiedCount = 0, deletedCount = 0 }: BulkError) =>
  insertedCount + modifiedCount + deletedCount > 0

/** What a batch came to: how many operations matched, and the indexes of those whose `_id` is taken. */
interface BatchResult {
  readonly matched: number
  readonly taken: readonly number[]
}

/** What changes many records of a collection with a command or two. */
export function createBatches<T extends MongoRecord>(
  model: () => Model<MongoRecord>,
  calls: Calls,
  find: Collection<T>['find'],
): Pick<
  Collection<T>,
  'insertManyIfAbsent' | 'compareAndSetMany' | 'compareAndSetAlike' | 'updateEach' | 'deleteEach' | 'deleteManyOfEach'
> {
  async function sendOnce(operations: readonly AnyBulkWriteOperation[]) {
    try {
      const { matchedCount, deletedCount } = await model().collection.bulkWrite(operations as never, { ordered: false })
      return { count: matchedCount + deletedCount, errors: [] }
    } catch (error) {
      const bulk = error as BulkError
      const errors = writeErrorsOf(bulk)
      // Without a majority neither a write nor an `_id` that is taken is certain.
      const isConfirmed = bulk.result?.getWriteConcernError?.() === undefined
      if (errors.length > 0 && isConfirmed)
        return { count: (bulk.matchedCount ?? 0) + (bulk.deletedCount ?? 0), errors }
      if (!isConfirmed || hasWritten(bulk)) throw new StorageError('outcome-unknown', String(error), { cause: error })
      throw error
    }
  }

  /** One command of a batch. Operations that lost against another writer are repeated, in order. */
  async function send(step: string, operations: readonly AnyBulkWriteOperation[]): Promise<BatchResult> {
    let left = operations.map((operation, index) => ({ operation, index }))
    let matched = 0
    const taken: number[] = []
    for (let tries = conflictTries; left.length > 0; tries -= 1) {
      const sent = left
      const result = await calls.write(step, sent.length, () => sendOnce(sent.map(({ operation }) => operation)))
      matched += result.count
      left = []
      for (const error of result.errors) {
        const failed = sent[error.index]
        if (!failed) continue
        if (isConflict(error.code) && tries > 1) left.push(failed)
        else if (isDuplicateKey(error.code)) taken.push(failed.index)
        else throw errorOfOperation(error.code ?? 0, error.errmsg ?? `error ${error.code}`)
      }
      left.sort((a, b) => a.index - b.index)
    }
    return { matched, taken }
  }

  /** Sends a batch, and once more when its answer was lost. Answers whether it was. */
  async function sendTwice(step: string, operations: readonly AnyBulkWriteOperation[]) {
    try {
      return { ...(await send(step, operations)), wasLost: false }
    } catch (lost) {
      if (!isOutcomeUnknown(lost)) throw lost
      try {
        return { ...(await send(step, operations)), wasLost: true }
      } catch {
        throw lost
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

  const filterOf = (id: unknown, guard?: Filter<T>) =>
    checkedFilter({ ...guard, _id: id } as unknown as Filter<T>) as never
  const updateOf = (update: Update<T>, token?: string) => (token ? withToken(update, token) : update) as never

  /** Sends swaps, one or many records in an operation, and tells which of the ids took theirs. */
  async function swap(
    step: string,
    ids: readonly string[],
    operationsOf: (token: string) => readonly AnyBulkWriteOperation[],
  ): Promise<readonly boolean[]> {
    const token = newToken()
    const { matched, wasLost } = await sendTwice(step, operationsOf(token))
    if (matched === ids.length) return ids.map(() => true)
    if (!wasLost && (matched === 0 || ids.length === 1)) return ids.map(() => false)
    const won = await readBack(step, ids, token)
    return ids.map((id) => won.has(id))
  }

  const swapMany = (step: string, swaps: readonly Swap<T>[]) =>
    swap(
      step,
      swaps.map(({ id }) => id),
      (token) =>
        swaps.map(({ id, guard, update }) => ({
          updateOne: { filter: filterOf(id, guard), update: updateOf(update, token) },
        })),
    )

  async function insertBatch(step: string, records: readonly T[]): Promise<readonly boolean[]> {
    const token = newToken()
    const operations = records.map((record) => ({ insertOne: { document: { ...record, [tokensField]: [token] } } }))
    const { taken, wasLost } = await sendTwice(step, operations as never)
    const isTaken = new Set(taken)
    const ids = taken.map((index) => records[index]?._id ?? '')
    const own = wasLost && ids.length > 0 ? await readBack(step, ids, token) : null
    return records.map(({ _id }, index) => !isTaken.has(index) || own?.has(_id) === true)
  }

  async function countEach<R extends { readonly id: string }>(
    step: string,
    rows: readonly R[],
    operationOf: (row: R) => AnyBulkWriteOperation,
  ): Promise<number> {
    const counts = await inOrderOfIds(
      rows,
      ({ id }) => id,
      batchLimit,
      async (batch) => {
        const { matched } = await sendTwice(step, batch.map(operationOf))
        return batch.map((_, index) => (index === 0 ? matched : 0))
      },
    )
    return counts.reduce((sum, count) => sum + count, 0)
  }

  async function swapFirsts(step: string, swaps: readonly Swap<T>[]): Promise<readonly boolean[]> {
    if (swaps.length <= parallelLimit) return (await side(swaps.map((one) => swapMany(step, [one])))).flat()
    return inOrderOfIds(
      swaps,
      ({ id }) => id,
      batchLimit,
      (batch) => swapMany(step, batch),
    )
  }

  return {
    insertManyIfAbsent: (step, records) =>
      inOrderOfIds(
        records,
        ({ _id }) => _id,
        batchLimit,
        (batch) => insertBatch(step, batch),
      ),
    async compareAndSetMany(step, swaps) {
      // The token says which records were changed, and not by which of several changes.
      const firsts = new Map(swaps.toReversed().map((one) => [one.id, one]))
      if (firsts.size === swaps.length) return swapFirsts(step, swaps)
      const answers = await swapFirsts(step, [...firsts.values()])
      const counted = new Set([...firsts.values()].filter((_, index) => answers[index]))
      return swaps.map((one) => counted.has(one))
    },
    compareAndSetAlike: (step, ids, guard, update) =>
      inOrderOfIds(
        ids,
        (id) => id,
        batchLimit,
        (batch) => {
          const filter = filterOf(where({ $in: batch }), guard)
          return swap(step, batch, (token) => [{ updateMany: { filter, update: updateOf(update, token) } }])
        },
      ),
    updateEach: (step, changes) =>
      countEach(step, changes, ({ id, guard, update }: Change<T>) => ({
        updateOne: { filter: filterOf(id, guard), update: updateOf(update) },
      })),
    deleteEach: (step, rows) =>
      countEach(step, rows, ({ id, guard }) => ({ deleteOne: { filter: filterOf(id, guard) } })),
    deleteManyOfEach: (step, ids, filterOfId) =>
      countEach(
        step,
        ids.map((id) => ({ id })),
        ({ id }) => ({ deleteMany: { filter: checkedFilter(filterOfId(id)) as never } }),
      ),
  }
}
