import { type Database, nextOf, type SqlRow } from '@belfry/storage/sqlite'
import type { Secret } from '../../domain/secret.ts'
import type { SecretStore } from '../secret-port.ts'

const columns = 'ownerId, name, sealed, createdAt, updatedAt'

function readSecret(row: SqlRow): Secret {
  const [ownerId, name, sealed, createdAt, updatedAt] = row as [string, string, string, number, number]
  return { ownerId, name, sealed, createdAt, updatedAt }
}

/** `SecretStore` on the table `secrets`. */
export function createSecretStore(db: Database): SecretStore {
  const update = db.statement(`UPDATE secrets SET sealed = ?3, updatedAt = ?4 WHERE ownerId = ?1 AND name = ?2
    RETURNING ${columns}`)
  const insert = db.statement(`INSERT INTO secrets (${columns}) SELECT ?1, ?2, ?3, ?4, ?4
    WHERE (SELECT count(*) FROM secrets WHERE ownerId = ?1) < ?5 ON CONFLICT DO NOTHING RETURNING ${columns}`)
  const select = db.statement(`SELECT ${columns} FROM secrets WHERE ownerId = ? AND name > ? ORDER BY name LIMIT ?`)
  const one = db.statement(`SELECT ${columns} FROM secrets WHERE ownerId = ? AND name = ?`)
  const all = db.statement(`SELECT n, ${columns} FROM secrets WHERE n > ? ORDER BY n LIMIT ?`)
  const reseal = db.statement('UPDATE secrets SET sealed = ?4 WHERE ownerId = ?1 AND name = ?2 AND sealed = ?3')
  const remove = db.statement(`DELETE FROM secrets WHERE ownerId = ? AND name = ? RETURNING ${columns}`)

  return {
    async put({ ownerId, name, sealed, updatedAt }, most) {
      const params = [ownerId, name, sealed, updatedAt]
      const [updated, inserted] = await db.write('secrets.put', [
        { statement: update, params },
        { statement: insert, params: [...params, most] },
      ])
      const [found, made] = [updated?.rows[0], inserted?.rows[0]]
      if (found) return { secret: readSecret(found), isNew: false }
      return made ? { secret: readSecret(made), isNew: true } : 'too-many'
    },
    async list(ownerId, { after, limit }) {
      return (await db.read(select, [ownerId, after ?? '', limit])).map(readSecret)
    },
    async readMany(ownerId, names) {
      const rows = await db.readEach(
        one,
        names.map((name) => [ownerId, name]),
      )
      return rows.flatMap((row) => (row ? [readSecret(row)] : []))
    },
    async listAll(after, limit) {
      const rows = await db.read(all, [after ?? 0, limit])
      return { rows: rows.map((row) => readSecret(row.slice(1))), next: nextOf(rows, limit) }
    },
    async reseal({ ownerId, name, sealed: before }, sealed) {
      const params = [ownerId, name, before, sealed]
      const [result] = await db.write('secrets.reseal', [{ statement: reseal, params }])
      return result?.changes === 1
    },
    async remove(ownerId, name) {
      const [result] = await db.write('secrets.remove', [{ statement: remove, params: [ownerId, name] }])
      const [row] = result?.rows ?? []
      return row && readSecret(row)
    },
  }
}
