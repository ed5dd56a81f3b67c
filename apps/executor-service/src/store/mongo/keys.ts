import { shardCount } from '@belfry/storage'
import { where } from '@belfry/storage/mongo'
import type { ReadyPool } from '../../executions/execution.ts'
import { typeNumber } from '../type-number.ts'

/**
 * Texts that are indexed. An index over one text serves a filter and its order on every database that speaks MongoDB's
 * protocol, and each query has a bound on both sides: some of them sort whatever matches.
 */

/** Ends a part of a key; `afterSeparator` is greater than every key that begins with the same part. */
const separator = '/'
const afterSeparator = '0'

/** Digits of a time in base 36: they reach to the year 5138. */
const timeDigits = 9
const lastTime = 36 ** timeDigits - 1

/** A time as a text that sorts as the time does, epoch milliseconds. */
export function timeText(at: number): string {
  return Math.min(Math.max(0, Math.floor(at)), lastTime)
    .toString(36)
    .padStart(timeDigits, '0')
}

/** Executions that become due in one millisecond are distinguished by this many parts of their shards. */
const buckets = 1024
const bucketText = (bucket: number) => bucket.toString(36).padStart(2, '0')

const poolLetters: Readonly<Record<ReadyPool, string>> = { io: 'i', cpu: 'c', other: 'o' }
/** Every priority, from the most urgent one on. */
export const priorities = [1, 2, 3, 4, 5, 6, 7, 8, 9] as const

const readyPrefix = (pool: ReadyPool, priority: number) => `r${poolLetters[pool]}${priority}`
/** Length of the part of a ready execution's key that stands before its time. */
export const readyPrefixLength = 3

/** What follows a ready execution's time in its key. */
export const readySuffix = (shard: number, id: string) =>
  `${bucketText(Math.floor((shard * buckets) / shardCount))}${separator}${id}`

/** A ready execution among all that are ready: by pool, priority and time. */
export function readyKey(pool: ReadyPool, priority: number, runAt: number, shard: number, id: string): string {
  return `${readyPrefix(pool, priority)}${timeText(runAt)}${readySuffix(shard, id)}`
}

/** What a ready execution's key says: its priority, and its time as epoch milliseconds with the bucket as the fraction. */
export function readReadyKey(key: string): { readonly priority: number; readonly position: number } {
  const digits = key.slice(readyPrefixLength, readyPrefixLength + timeDigits)
  const bucket = key.slice(readyPrefixLength + timeDigits, readyPrefixLength + timeDigits + 2)
  const position = Number.parseInt(digits, 36) + Number.parseInt(bucket, 36) / buckets
  return { priority: Number(key[readyPrefixLength - 1]), position }
}

/** The shortest distance of two positions. */
export const positionStep = 1 / buckets

/** The least key of a pool and priority at a position. */
export function readyBound(pool: ReadyPool, priority: number, position: number): string {
  const at = Math.floor(position)
  return `${readyPrefix(pool, priority)}${timeText(at)}${bucketText(Math.floor((position - at) * buckets))}`
}

/** Digits of a type's number in base 36. */
const typeDigits = 7
const typeText = (jobType: string) => typeNumber(jobType).toString(36).padStart(typeDigits, '0')
/** Length of the part of a key by type that stands before its time. */
export const typePrefixLength = typeDigits + separator.length

/** A ready execution of the pool `other` among those of its job type, by time. */
export const typeKey = (jobType: string, runAt: number, id: string) => keyWithin(typeText(jobType), timeText(runAt), id)
/** Those of a job type that are due by `until`. */
export const dueOfType = (jobType: string, until: number) =>
  where({ $gt: `${typeText(jobType)}${separator}`, $lt: keyWithin(typeText(jobType), timeText(until + 1)) })
export const timeOfTypeKey = (key: string) =>
  Number.parseInt(key.slice(typePrefixLength, typePrefixLength + timeDigits), 36)

/** All keys of ready executions. */
export const allReady = where({ $gte: 'r', $lt: 's' })

/** A running execution, by its owner. */
export const runningKey = (owner: string, id: string) => `x${separator}${owner}${separator}${id}`
/** All running executions of an owner. */
export const rangeOfRunning = (owner: string) => rangeOf(`x${separator}${owner}`)
/** The least key after those of an owner; of the empty text: the least key of all. */
export const afterOwner = (owner: string) => `x${separator}${owner}${afterSeparator}`
/** Running executions from a key on; the empty text: all. */
export const runningAfter = (key: string) => where({ $gte: key === '' ? 'x' : key, $lt: 'y' })
export const ownerOfKey = (key: string) => key.slice(2, key.indexOf(separator, 2))

/** An execution that has ended, by the time of its last change. */
export const endedKey = (changedAt: number, id: string) => `z${timeText(changedAt)}${separator}${id}`
/** The least key of those that changed at `at` or later. */
export const endedBound = (at: number) => `z${timeText(at)}`
export const allEnded = where({ $gte: 'z' })

/** A record that belongs to another one: to a job, an execution. Texts of one owner stand together, in the order of the rest. */
export const keyWithin = (owner: string, ...rest: readonly string[]) => [owner, ...rest].join(separator)

/** All keys within an owner. */
export const rangeOf = (owner: string) => where({ $gt: `${owner}${separator}`, $lt: `${owner}${afterSeparator}` })

/** Those after the key of `rest`; null: all. */
export const rangeAfter = (owner: string, rest: string | null) =>
  where({ $gt: `${owner}${separator}${rest ?? ''}`, $lt: `${owner}${afterSeparator}` })
