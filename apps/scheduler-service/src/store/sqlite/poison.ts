import type { PoisonStore } from '@belfry/bus'
import type { Clock } from '@belfry/service'
import type { Database, SqlRow } from '@belfry/storage'

/** Messages that nobody can read, for people to look at. */
export function createPoisonStore(db: Database, clock: Clock): PoisonStore {
  const insert = db.statement(
    'INSERT INTO poison (topic, key, partition, offset, raw, reason, at) VALUES (?, ?, ?, ?, ?, ?, ?)',
  )
  return {
    async keep(messages) {
      const at = clock.now()
      const rows = messages.map(
        ({ topic, key, partition, offset, raw, reason }): SqlRow => [topic, key, partition, offset, raw, reason, at],
      )
      await db.writeEach('poison.keep', insert, rows)
    },
  }
}
