import type { Clock } from '@belfry/service'
import type { PoisonRow } from '../poison-row.ts'
import type { Database, SqlRow } from './port.ts'

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

/** Lets `keep` find a message that is delivered again, for a migration after the table's; of equal messages the oldest stays. */
export const poisonIndex = `
  DELETE FROM poison WHERE partition IS NOT NULL AND n NOT IN (SELECT min(n) FROM poison GROUP BY topic, partition, offset);
  CREATE UNIQUE INDEX poisonOnce ON poison (topic, partition, offset);
`

/**
 * Stores messages that cannot be read, for operators. `keep` is idempotent by topic, partition and offset: a batch that the
 * broker delivers again adds nothing. The in-process bus gives no partition and delivers nothing again, so each of its
 * messages is stored.
 */
export function createPoisonStore(db: Database, clock: Clock) {
  // NULLs are distinct in a UNIQUE index of SQLite, so messages without a partition are all stored.
  const insert = db.statement(`INSERT INTO poison (topic, key, partition, offset, raw, reason, at)
    VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (topic, partition, offset) DO NOTHING`)
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
