import type { PoisonStore } from '@belfry/bus'
import type { Clock } from '@belfry/service'
import type { Database } from '@belfry/storage'

/** Messages that nobody can read, kept for people to look at. */
export function createPoisonStore(db: Database, clock: Clock): PoisonStore {
  const keep = db.statement(
    'INSERT INTO poison (topic, key, partition, offset, raw, reason, at) VALUES (?, ?, ?, ?, ?, ?, ?)',
  )
  return {
    async keep(messages) {
      const at = clock.now()
      const rows = messages.map(
        ({ topic, key, partition, offset, raw, reason }) => [topic, key, partition, offset, raw, reason, at] as const,
      )
      await db.writeEach('poison.keep', keep, rows)
    },
  }
}
