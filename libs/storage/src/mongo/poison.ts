import { hash, randomUUID } from 'node:crypto'
import type { Clock } from '@belfry/service'
import type { PoisonRow } from '../poison-row.ts'
import type { MongoRecord } from './collection-port.ts'
import { defineCollection, type MongoDatabase } from './database.ts'

interface PoisonRecord extends MongoRecord, Omit<PoisonRow, 'raw'> {
  readonly raw: Buffer
  /** Length of the whole message, bytes. */
  readonly size: number
  readonly at: number
}

/** The collection, for the opening of every service that takes messages. */
export const poisonCollection = defineCollection<PoisonRecord>({
  name: 'poison',
  schema: {
    _id: String,
    topic: String,
    key: String,
    partition: Number,
    offset: String,
    raw: Buffer,
    size: Number,
    reason: String,
    at: Number,
  },
})

/** A document holds 16 MiB: of a longer message the first bytes are stored, and its size. */
const rawLimit = 12 * 1024 * 1024

/** Its place, and a digest of its bytes: a broker that has lost its data hands out its offsets again, for other messages. */
function placeOf({ topic, partition, offset, raw }: PoisonRow): string {
  return `${topic}:${partition}:${offset}:${hash('sha256', raw, 'base64url').slice(0, 16)}`
}

/**
 * Stores messages that cannot be read, for operators. `keep` is idempotent by topic, partition, offset and bytes: a batch that
 * the broker delivers again adds nothing. A message without a partition is stored each time.
 */
export function createPoisonStore(db: MongoDatabase, clock: Clock) {
  const poison = db.collection(poisonCollection)
  return {
    async keep(messages: readonly PoisonRow[]): Promise<void> {
      const at = clock.now()
      const records = messages.map((message): PoisonRecord => {
        const { partition, raw } = message
        const _id = partition === null ? randomUUID() : placeOf(message)
        return { ...message, _id, raw: Buffer.from(raw.subarray(0, rawLimit)), size: raw.length, at }
      })
      await poison.insertManyIfAbsent('poison.keep', records)
    },
  }
}
