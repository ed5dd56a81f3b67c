import type { Clock } from '@belfry/service'
import type { Database, SqlRow } from './port.ts'

/** A message that nobody can read, as it came. */
export interface PoisonRow {
  readonly topic: string
  readonly key: string
  readonly partition: number | null
  readonly offset: string | null
  readonly raw: Uint8Array
  readonly reason: string
}

/** The table, for the first migration of every service that takes messages. */
export const poisonTable = `
  CREATE TABLE poison (
    n INTEGER PRIMARY KEY,
    topic TEXT NOT NULL,
    key TEXT NOT NULL,
    partition INTEGER,
    offset TEXT,
    raw BLOB NOT NULL,
    reason TEXT NOT NULL,
    at INTEGER NOT NULL
  ) STRICT;
`

/** Keeps messages that nobody can read for people to look at: what the bus's consumers ask of a store. */
export function createPoisonStore(db: Database, clock: Clock) {
  const insert = db.statement(
    'INSERT INTO poison (topic, key, partition, offset, raw, reason, at) VALUES (?, ?, ?, ?, ?, ?, ?)',
  )
  return {
    async keep(messages: readonly PoisonRow[]): Promise<void> {
      const at = clock.now()
      const rows = messages.map(
        ({ topic, key, partition, offset, raw, reason }): SqlRow => [topic, key, partition, offset, raw, reason, at],
      )
      await db.writeEach('poison.keep', insert, rows)
    },
  }
}
