import type { Role } from '@belfry/contracts'
import type { Database, SqlRow } from '@belfry/storage/sqlite'
import type { ApiKey } from '../../api-keys/api-key.ts'
import type { ApiKeyStore } from '../ports.ts'

const columns = 'id, user_id, name, role, hash, created_at, expires_at, last_used_at'

function keyOf(row: SqlRow): ApiKey {
  const [id, userId, name, role, hash, createdAt, expiresAt, lastUsedAt] = row as [
    string,
    string,
    string,
    Role,
    string,
    number,
    number | null,
    number | null,
  ]
  return { id, userId, name, role, hash, createdAt, expiresAt, lastUsedAt }
}

/** The API keys in SQLite. */
export function createSqliteApiKeys(db: Database): ApiKeyStore {
  const insert = db.statement(`INSERT INTO api_keys (${columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`)
  const find = db.statement(`SELECT ${columns} FROM api_keys WHERE id = ?`)
  const ofUser = db.statement(`SELECT ${columns} FROM api_keys WHERE user_id = ?`)
  const remove = db.statement('DELETE FROM api_keys WHERE id = ? AND user_id = ? RETURNING id')
  const touch = db.statement('UPDATE api_keys SET last_used_at = ? WHERE id = ?')
  return {
    async insert({ id, userId, name, role, hash, createdAt, expiresAt, lastUsedAt }) {
      const params = [id, userId, name, role, hash, createdAt, expiresAt, lastUsedAt]
      await db.write('apiKeys.insert', [{ statement: insert, params }])
    },
    async find(id) {
      const [row] = await db.read(find, [id])
      return row && keyOf(row)
    },
    async listOfUser(userId) {
      return (await db.read(ofUser, [userId])).map(keyOf)
    },
    async remove(id, userId) {
      const [removed] = await db.writeEach('apiKeys.remove', remove, [[id, userId]])
      return removed !== undefined
    },
    async touch(id, at) {
      await db.write('apiKeys.touch', [{ statement: touch, params: [at, id] }])
    },
  }
}
