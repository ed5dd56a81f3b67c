import type { Page, PageBounds } from '../port.ts'
import type { Filter, Update } from './filter.ts'

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
   * again.
   */
  insertManyIfAbsent(step: string, records: readonly T[]): Promise<readonly boolean[]>
  /**
   * Does each change whose guard holds. One entry per change: whether it counted; of several changes of one record only the first
   * one can. A lost answer is asked for again: it rejects with `outcome-unknown` only when the database does not answer the
   * second time either.
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
  /**
   * Removes all that match the filter of each id, as one batch; answers how many. A lost answer repeats it. Filters that are joined by
   * `$or` take ten times as long on a database that serves only one condition by an index.
   */
  deleteManyOfEach(step: string, ids: readonly string[], filterOf: (id: string) => Filter<T>): Promise<number>
  /** Removes all that match; answers how many. */
  deleteMany(step: string, filter: Filter<T>): Promise<number>
}
