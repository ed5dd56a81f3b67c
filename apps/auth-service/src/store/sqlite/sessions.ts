import type { Database, SqlRow } from '@belfry/storage/sqlite'
import type { Session } from '../../sessions/session.ts'
import type { SessionStore } from '../ports.ts'

const columns = 'id, user_id, generation, created_at, expires_at, hash, rotated_at, previous, mark_key'

function sessionOf(row: SqlRow): Session {
  const [id, userId, generation, createdAt, expiresAt, hash, rotatedAt, previous, markKey] = row as [
    string,
    string,
    number,
    number,
    number,
    string,
    number,
    string | null,
    string | null,
  ]
  const times = { createdAt, expiresAt, rotatedAt }
  const known = previous === null ? null : JSON.parse(previous)
  return { id, userId, generation, ...times, hash, previous: known, markKey }
}

const textOf = ({ previous }: Session) => previous && JSON.stringify(previous)

/** The sessions in SQLite. */
export function createSqliteSessions(db: Database): SessionStore {
  const insert = db.statement(`INSERT INTO sessions (${columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`)
  const find = db.statement(`SELECT ${columns} FROM sessions WHERE id = ?`)
  const rotate = db.statement(
    'UPDATE sessions SET hash = ?, rotated_at = ?, previous = ?, mark_key = ? WHERE id = ? AND hash = ? RETURNING id',
  )
  const remove = db.statement('DELETE FROM sessions WHERE id = ?')
  const removeOfUser = db.statement('DELETE FROM sessions WHERE user_id = ?')
  const ofUser = db.statement(`SELECT ${columns} FROM sessions WHERE user_id = ? ORDER BY rotated_at DESC LIMIT 1000`)
  const purge = db.statement(
    'DELETE FROM sessions WHERE rowid IN (SELECT rowid FROM sessions WHERE expires_at < ? ORDER BY expires_at LIMIT ?)',
  )
  return {
    async insert(session) {
      const { id, userId, generation, createdAt, expiresAt, hash, rotatedAt, markKey } = session
      const params = [id, userId, generation, createdAt, expiresAt, hash, rotatedAt, textOf(session), markKey]
      await db.write('sessions.insert', [{ statement: insert, params }])
    },
    async find(id) {
      const [row] = await db.read(find, [id])
      return row && sessionOf(row)
    },
    async rotate(session, fromHash) {
      const { id, hash, rotatedAt, markKey } = session
      const [changed] = await db.writeEach('sessions.rotate', rotate, [
        [hash, rotatedAt, textOf(session), markKey, id, fromHash],
      ])
      return changed !== undefined
    },
    async removeMany(ids) {
      if (ids.length === 0) return
      await db.write(
        'sessions.remove',
        ids.map((id) => ({ statement: remove, params: [id] })),
      )
    },
    async removeOfUser(userId) {
      await db.write('sessions.removeOfUser', [{ statement: removeOfUser, params: [userId] }])
    },
    async listOfUser(userId) {
      return (await db.read(ofUser, [userId])).map(sessionOf)
    },
    async purge(at, limit) {
      const [result] = await db.write('sessions.purge', [{ statement: purge, params: [at, limit] }])
      return result?.changes ?? 0
    },
  }
}
