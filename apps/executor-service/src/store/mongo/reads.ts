import type { Page, PageBounds } from '@belfry/storage'
import { type Collection, type Filter, type MongoRecord, where } from '@belfry/storage/mongo'

/** Most records of one query by ids. */
const mostIds = 500
/** What a record may come to on the average where a query by ids is to stay within some bytes. */
const usualBytes = 8192

/** The first within `bytes`: one at least, and at most one more than fits. */
export function within<T>(items: readonly T[], bytes: number, sizeOf: (item: T) => number): readonly T[] {
  let left = bytes
  const end = items.findIndex((one, index) => {
    const isOver = index > 0 && left <= 0
    left -= sizeOf(one)
    return isOver
  })
  return end === -1 ? items : items.slice(0, end)
}

/** The records of the first ids, in the order of the ids and within `bytes` by the rule of `within`. */
export async function readInOrder<T extends MongoRecord>(
  collection: Collection<T>,
  step: string,
  ids: readonly string[],
  bytes: number,
  sizeOf: (record: T | undefined) => number,
): Promise<readonly (T | undefined)[]> {
  const perQuery = Math.max(1, Math.min(mostIds, Math.floor(bytes / usualBytes)))
  const answers: (T | undefined)[] = []
  let left = bytes
  for (let at = 0; at < ids.length && (at === 0 || left > 0); at += perQuery) {
    const some = ids.slice(at, at + perQuery)
    const filter = { _id: where({ $in: some }) } as unknown as Filter<T>
    const byId = new Map((await collection.find(step, filter)).map((one) => [one._id, one]))
    for (const id of some) {
      if (answers.length > 0 && left <= 0) break
      const record = byId.get(id)
      left -= sizeOf(record)
      answers.push(record)
    }
  }
  return answers
}

/** What a page is cut by: the fields that hold the sizes of a record's texts. */
type Sized = MongoRecord & { readonly commandSize: number; readonly outcomeSize: number }

/** A page of the records that match, within its bytes by the rule of `within`; sizes are read first. */
export async function readPage<T extends Sized>(
  collection: Collection<T>,
  step: string,
  filter: Filter<T>,
  { rows, bytes }: PageBounds,
): Promise<Page<T>> {
  if (rows === 0) return { rows: [], hasMore: true }
  const sizes = await collection.find(step, filter, { limit: rows, fields: ['commandSize', 'outcomeSize'] })
  const ids = within(sizes, bytes, (one) => one.commandSize + one.outcomeSize).map(({ _id }) => _id)
  const inPage = { $and: [filter, { _id: where({ $in: ids }) }] } as unknown as Filter<T>
  const found = ids.length === 0 ? [] : await collection.find(step, inPage)
  return { rows: found, hasMore: ids.length < sizes.length || sizes.length === rows }
}
