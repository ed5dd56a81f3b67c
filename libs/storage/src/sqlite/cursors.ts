import type { Database } from './port.ts'

/** The table, for the first migration of every service whose loops remember how far they came. */
export const cursorsTable = `
  CREATE TABLE cursors (name TEXT PRIMARY KEY, at INTEGER NOT NULL) STRICT;
`

/** Keeps named moments over restarts: how far a loop has come, epoch milliseconds. */
export function createCursorStore(db: Database) {
  const read = db.statement('SELECT at FROM cursors WHERE name = ?')
  const write = db.statement(
    'INSERT INTO cursors (name, at) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET at = excluded.at',
  )
  return {
    /** 0 when nothing was written under the name. */
    async read(name: string): Promise<number> {
      const [row] = await db.read(read, [name])
      return (row?.[0] as number | undefined) ?? 0
    },
    async write(name: string, at: number): Promise<void> {
      await db.writeEach('cursors.move', write, [[name, at]])
    },
  }
}
