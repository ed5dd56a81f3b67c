import type { OnUnreadable } from '@belfry/storage'
import type { MongoRecord } from '@belfry/storage/mongo'

/** What the records hold, without those that cannot be read: one bad record stops no other. */
export function readEach<R extends MongoRecord, T>(
  collection: string,
  records: readonly R[],
  read: (record: R) => T,
  onUnreadable: OnUnreadable,
): T[] {
  return records.flatMap((record) => {
    try {
      return [read(record)]
    } catch (error) {
      onUnreadable(collection, record._id, error)
      return []
    }
  })
}
