import type { Database } from '@belfry/storage/sqlite'
import type { ArtifactStore } from '../ports.ts'

/** The artifacts in SQLite, as blobs: the executor caps their size. */
export function createArtifactStore(db: Database): ArtifactStore {
  const put = db.statement(`INSERT INTO artifacts (execution, epoch, name, body) VALUES (?, ?, ?, ?)
    ON CONFLICT (execution, epoch, name) DO UPDATE SET body = excluded.body`)
  const read = db.statement('SELECT body FROM artifacts WHERE execution = ? AND epoch = ? AND name = ?')

  return {
    async put(files) {
      const rows = files.map(({ rowId, epoch, name, body }) => [rowId, epoch, name, body])
      await db.writeEach('artifacts.put', put, rows)
    },
    async read(rowId, epoch, name) {
      const [row] = await db.read(read, [rowId, epoch, name])
      return row?.[0] as Uint8Array | undefined
    },
  }
}
