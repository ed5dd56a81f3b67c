import type { Database } from '@belfry/storage'
import type { CursorStore } from '../../domain/ports.ts'

/** `CursorStore` on the table `cursors`. */
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
    async write(name, at) {
      await db.write('cursors.move', [{ statement: write, params: [name, at] }])
    },
  }
}
