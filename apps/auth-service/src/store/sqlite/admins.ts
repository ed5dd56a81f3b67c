import type { Database } from '@belfry/storage/sqlite'
import type { AdminStore } from '../ports.ts'

/** The record of the admins in SQLite: one row, which the migration made. */
export function createSqliteAdmins(db: Database): AdminStore {
  const read = db.statement('SELECT user_ids, version FROM admins')
  const replace = db.statement(
    'UPDATE admins SET user_ids = ?, version = version + 1 WHERE version = ? RETURNING version',
  )
  return {
    async read() {
      const [row] = await db.read(read, [])
      const [userIds, version] = row as [string, number]
      return { userIds: JSON.parse(userIds) as string[], version }
    },
    async replace(userIds, fromVersion) {
      const [changed] = await db.writeEach('admins.replace', replace, [[JSON.stringify(userIds), fromVersion]])
      return changed !== undefined
    },
  }
}
