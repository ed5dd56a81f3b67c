import type { Database, SqlRow } from '@belfry/storage/sqlite'
import type { SigningKey } from '../../keys/signing-keys.ts'
import type { KeyStore } from '../ports.ts'

function keyOf(row: SqlRow): SigningKey {
  const [kid, privatePem, publicX, createdAt] = row as [string, string, string, number]
  return { kid, privatePem, publicX, createdAt }
}

export function createSqliteKeys(db: Database): KeyStore {
  const list = db.statement('SELECT kid, private_pem, public_x, created_at FROM signing_keys')
  const insert = db.statement('INSERT INTO signing_keys (kid, private_pem, public_x, created_at) VALUES (?, ?, ?, ?)')
  const remove = db.statement('DELETE FROM signing_keys WHERE kid = ?')

  return {
    async list() {
      return (await db.read(list, [])).map(keyOf)
    },
    async insert({ kid, privatePem, publicX, createdAt }) {
      await db.write('keys.insert', [{ statement: insert, params: [kid, privatePem, publicX, createdAt] }])
    },
    async removeMany(kids) {
      await db.write(
        'keys.remove',
        kids.map((kid) => ({ statement: remove, params: [kid] })),
      )
    },
  }
}
