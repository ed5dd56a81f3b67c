import type { Database } from '@belfry/storage'
import type { CursorStore } from '../../domain/ports.ts'

/** How far reconcile has come, in SQLite. */
export function createCursorStore(db: Database): CursorStore {
  const name = 'job-service'
  const select = db.statement('SELECT at FROM cursors WHERE name = ?')
  const upsert = db.statement(
    'INSERT INTO cursors (name, at) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET at = excluded.at',
  )
  return {
    async read() {
      const [row] = await db.read(select, [name])
      return (row?.[0] as number | undefined) ?? 0
    },
    async write(changedAt) {
      await db.writeEach('cursors.move', upsert, [[name, changedAt]])
    },
  }
}
