import mongoose from 'mongoose'
import { StorageError } from '../errors.ts'

declare const conditionBrand: unique symbol

/** Operators that `where` has marked as written by the adapter. */
export type Condition<V> = { readonly [conditionBrand]: V }

interface Operators<V> {
  readonly $eq?: V
  readonly $ne?: V
  readonly $gt?: V
  readonly $gte?: V
  readonly $lt?: V
  readonly $lte?: V
  readonly $in?: readonly V[]
  readonly $nin?: readonly V[]
  readonly $exists?: boolean
  readonly $size?: number
  readonly $elemMatch?: object
  readonly $not?: object
  readonly $mod?: readonly [divisor: number, remainder: number]
}

/**
 * The operators of a filter: `{ dueAt: where({ $lte: until }) }`. An object with `$` that does not come from here is a value to
 * compare with, so that nothing a user sends becomes an operator.
 */
export function where<V>(operators: Operators<V>): Condition<V> {
  return mongoose.trusted(operators) as unknown as Condition<V>
}

/** Which documents; names of fields are checked, and so are the values of whole fields. */
export type Filter<T> = { readonly [K in keyof T]?: T[K] | Condition<T[K]> | Condition<NonNullable<T[K]>> } & {
  readonly [path: `${string}.${string}`]: unknown
  readonly $and?: readonly Filter<T>[]
  readonly $or?: readonly Filter<T>[]
  readonly $nor?: readonly Filter<T>[]
}

/** Update operators; a list of them is an aggregation pipeline. */
export type Update<T> =
  | ({ readonly $set?: { readonly [K in keyof T]?: T[K] } & { readonly [path: `${string}.${string}`]: unknown } } & {
      readonly [operator in
        | '$inc'
        | '$unset'
        | '$push'
        | '$pull'
        | '$addToSet'
        | '$max'
        | '$min'
        | '$setOnInsert']?: Readonly<Record<string, unknown>>
    })
  | readonly Readonly<Record<`$${string}`, unknown>>[]

/** Refuses `undefined`, which the driver leaves out or sends as null: either way the filter matches more than it says. */
function refuseUndefined(filter: object): void {
  for (const [field, value] of Object.entries(filter)) {
    if (value === undefined) throw new StorageError('failed', `the filter's ${field} is undefined`)
    if (Array.isArray(value) && field.startsWith('$')) for (const part of value) refuseUndefined(part as object)
    else if (typeof value === 'object' && value !== null && !Buffer.isBuffer(value)) refuseUndefined(value)
  }
}

/** The filter as it is handed to the driver: checked, and with unmarked operators turned into values. */
export function checkedFilter<T>(filter: Filter<T>): Record<string, unknown> {
  refuseUndefined(filter)
  return mongoose.sanitizeFilter({ ...filter } as never) as unknown as Record<string, unknown>
}
