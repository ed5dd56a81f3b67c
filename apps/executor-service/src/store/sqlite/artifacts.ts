import { type Database, nextOf } from '@belfry/storage/sqlite'
import type { ArtifactStore } from '../ports.ts'

/** The artifacts in SQLite, as blobs: the executor caps their size. */
export function createArtifactStore(db: Database): ArtifactStore {
  const put = db.statement(`INSERT INTO artifacts (execution, epoch, name, body) VALUES (?, ?, ?, ?)
    ON CONFLICT (execution, epoch, name) DO UPDATE SET body = excluded.body`)
  const read = db.statement('SELECT body FROM artifacts WHERE execution = ? AND epoch = ? AND name = ?')
  const newest = db.statement(`SELECT body FROM artifacts WHERE execution = ? AND name = ? AND epoch <= ?
    ORDER BY epoch DESC LIMIT 1`)
  const walk = db.statement(`SELECT a.n, e.n IS NULL FROM artifacts a LEFT JOIN executions e ON e.n = a.execution
    WHERE a.n > ? ORDER BY a.n LIMIT ?`)
  const purge = db.statement('DELETE FROM artifacts WHERE n = ? RETURNING n')

  return {
    async put(files) {
      const rows = files.map(({ rowId, epoch, name, body }) => [rowId, epoch, name, body])
      await db.writeEach('artifacts.put', put, rows)
    },
    async read(rowId, epoch, name) {
      const [row] = await db.read(read, [rowId, epoch, name])
      return row?.[0] as Uint8Array | undefined
    },
    async readNewest(rowId, epoch, name) {
      const [row] = await db.read(newest, [rowId, name, epoch])
      return row?.[0] as Uint8Array | undefined
    },
    async purgeOrphans(after, limit) {
      const rows = await db.read(walk, [after ?? 0, limit])
      // No row id is given twice, so an execution that is gone does not come back.
      const orphans = rows.filter(([, isOrphan]) => isOrphan === 1).map(([n = null]) => [n])
      const purged = (await db.writeEach('artifacts.purge', purge, orphans)).filter((row) => row !== undefined).length
      return { purged, next: nextOf(rows, limit) }
    },
  }
}
