import type { CursorStore } from '../port.ts'
import type { Database } from './port.ts'

/** The table, for the first migration of every service whose loops store their position. */
export const cursorsTable = `
  CREATE TABLE cursors (name TEXT PRIMARY KEY, at INTEGER NOT NULL) STRICT;
`

/** The positions of loops in SQLite. */
export function createCursorStore(db: Database): CursorStore {
  const read = db.statement('SELECT at FROM cursors WHERE name = ?')
  const write = db.statement(
    'INSERT INTO cursors (name, at) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET at = excluded.at',
  )
  return {
    async read(name) {
      const [row] = await db.read(read, [name])
      return (row?.[0] as number | undefined) ?? 0
    },
    async write(name, value) {
      await db.writeEach('cursors.move', write, [[name, value]])
    },
  }
}
