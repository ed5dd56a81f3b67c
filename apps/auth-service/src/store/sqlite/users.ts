import type { Role } from '@belfry/contracts'
import type { Database, SqlRow } from '@belfry/storage/sqlite'
import type { UserStore } from '../../domain/ports.ts'
import type { User } from '../../domain/user.ts'

const columns = 'id, username, roles, password_hash, short_password, created_at, wrong_guesses, last_wrong_at'

function userOf(row: SqlRow): User {
  const [id, username, roles, passwordHash, short, createdAt, wrong, lastAt] = row as [
    string,
    string,
    string,
    string,
    number,
    number,
    number,
    number,
  ]
  const held = JSON.parse(roles) as Role[]
  const guesses = { wrong, lastAt }
  return { id, username, roles: held, passwordHash, hasShortPassword: short === 1, createdAt, guesses }
}

export function createSqliteUsers(db: Database): UserStore {
  const insert = db.statement(`
    INSERT INTO users (id, username, folded_name, roles, password_hash, short_password, created_at)
    VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (folded_name) DO NOTHING RETURNING n`)
  const byName = db.statement(`SELECT ${columns} FROM users WHERE folded_name = ?`)
  const byId = db.statement(`SELECT ${columns} FROM users WHERE id = ?`)
  const first = db.statement(`SELECT ${columns} FROM users ORDER BY n LIMIT 1`)
  const countWrong = db.statement('UPDATE users SET wrong_guesses = wrong_guesses + 1, last_wrong_at = ? WHERE id = ?')
  const clearWrong = db.statement('UPDATE users SET wrong_guesses = 0, last_wrong_at = 0 WHERE id = ?')

  const countShort = db.statement('SELECT count(*) FROM users WHERE short_password = 1')

  const one = async (statement: typeof byName, key: string) => {
    const [row] = await db.read(statement, [key])
    return row && userOf(row)
  }

  return {
    async insert(user, foldedName) {
      const { id, username, roles, passwordHash, hasShortPassword, createdAt } = user
      const short = hasShortPassword ? 1 : 0
      const row = [id, username, foldedName, JSON.stringify(roles), passwordHash, short, createdAt]
      const [inserted] = await db.writeEach('users.insert', insert, [row])
      return inserted !== undefined
    },
    byName: (foldedName) => one(byName, foldedName),
    byId: (id) => one(byId, id),
    async first() {
      const [row] = await db.read(first, [])
      return row && userOf(row)
    },
    async countWrong(id, at) {
      await db.write('users.countWrong', [{ statement: countWrong, params: [at, id] }])
    },
    async countShortPasswords() {
      const [row] = await db.read(countShort, [])
      return row?.[0] as number
    },
    async clearWrong(id) {
      await db.write('users.clearWrong', [{ statement: clearWrong, params: [id] }])
    },
  }
}
