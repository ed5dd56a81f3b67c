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
