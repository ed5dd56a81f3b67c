import type { PageBounds, WorkShare } from '@belfry/storage'
import { type Collection, type Condition, type MongoRecord, where } from '@belfry/storage/mongo'
import type { DueCursor } from '../ports.ts'
import { beyond, positionOf, readPosition, within } from './positions.ts'
import { everything, readWindows, type Window, windowsUp } from './windows.ts'

/** How wide the first window of a page is, milliseconds. */
const windowMs = 1000

/**
 * The records of a share: its own, and those that were due by `overdueAt`. With one instance the shard is not read. The index of
 * `field` serves the bound of time; what lies in it is then looked through.
 */
export function inShare<K extends string>(field: K, { instances, index, overdueAt }: WorkShare) {
  if (instances === 1) return {}
  const overdue = { [field]: where({ $lte: overdueAt }) } as { [P in K]: Condition<number> }
  return { $or: [{ shard: where<number>({ $mod: [instances, index] }) }, overdue] }
}

interface DueRecord extends MongoRecord {
  readonly shard: number
  readonly bytes: number
}

/** One page of what is due. */
export interface DueQuery extends PageBounds {
  readonly until: number
  readonly share: WorkShare
  readonly after: DueCursor | null | undefined
}

interface DueRows<T> {
  readonly rows: readonly T[]
  readonly next: DueCursor | null
}

/** The first rows within so many bytes, one at least. */
export function cutAt<T extends { readonly bytes: number }>(rows: readonly T[], bytes: number): readonly T[] {
  let sum = 0
  const end = rows.findIndex((row, index) => {
    sum += row.bytes
    return index > 0 && sum > bytes
  })
  return end < 0 ? rows : rows.slice(0, end)
}

/**
 * Lists the records of a collection in the order of a numeric field that says when they are due, then `_id`. A page is read in windows that
 * begin where the last one ended, so it does not sort everything that is overdue.
 */
export function createDueReader<T extends DueRecord, K extends keyof T & string>(
  collection: Collection<T>,
  step: string,
  field: K,
  fields: readonly (keyof T & string)[],
) {
  let lastAt = everything.to
  const atOf = (row: T) => row[field] as unknown as number

  return async ({ until, share, after, rows: limit, bytes }: DueQuery): Promise<DueRows<T>> => {
    const readSizes = (window: Window, most: number) => {
      const parts = [{ [field]: within(window) }, inShare(field, share), beyond(field, after, 'up')]
      const options = { sort: { [field]: 1, _id: 1 }, limit: most, fields: ['_id', field, 'bytes'] }
      return collection.find(step, { $and: parts } as never, options as never)
    }
    const from = after ? readPosition(after)[0] : everything.from
    const windows = windowsUp(from, until, after ? from : Math.min(lastAt, until), windowMs)
    const found = await readWindows(windows, limit, readSizes)
    const taken = cutAt(found, bytes)
    const last = taken.length < found.length || found.length === limit ? taken.at(-1) : undefined
    if (!after) lastAt = last ? atOf(last) : until
    if (taken.length === 0) return { rows: [], next: null }
    const due = new Map(taken.map((one) => [one._id, atOf(one)]))
    const filter = { _id: where({ $in: [...due.keys()] }) }
    const whole = await collection.find(step, filter as never, { fields, limit: due.size })
    const byId = new Map(whole.map((one) => [one._id, one]))
    // What was postponed or answered in between is left out.
    const rows = [...due].flatMap(([id, at]) => {
      const row = byId.get(id)
      return row && atOf(row) === at ? [row] : []
    })
    return { rows, next: last ? positionOf<DueCursor>(atOf(last), last._id) : null }
  }
}
