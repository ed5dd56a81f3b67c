import type { Role } from '@belfry/contracts'
import type { Database, SqlRow, Statement } from '@belfry/storage/sqlite'
import type { User } from '../../accounts/user.ts'
import type { UserStore } from '../ports.ts'

const columns = 'id, username, roles, password_hash, short_password, created_at, wrong_guesses, last_wrong_at'

function userOf(row: SqlRow): User {
  const [id, username, roles, passwordHash, short, createdAt, count, lastAt] = row as [
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
  const loginFailures = { count, lastAt }
  return { id, username, roles: held, passwordHash, hasShortPassword: short === 1, createdAt, loginFailures }
}

export function createSqliteUsers(db: Database): UserStore {
  const insert = db.statement(`
    INSERT INTO users (id, username, folded_name, roles, password_hash, short_password, created_at)
    VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (folded_name) DO NOTHING RETURNING n`)
  const findByName = db.statement(`SELECT ${columns} FROM users WHERE folded_name = ?`)
  const findById = db.statement(`SELECT ${columns} FROM users WHERE id = ?`)
  const findFirst = db.statement(`SELECT ${columns} FROM users ORDER BY n LIMIT 1`)
  const addLoginFailure = db.statement(
    'UPDATE users SET wrong_guesses = wrong_guesses + 1, last_wrong_at = ? WHERE id = ?',
  )
  const clearLoginFailures = db.statement('UPDATE users SET wrong_guesses = 0, last_wrong_at = 0 WHERE id = ?')

  const countShort = db.statement('SELECT count(*) FROM users WHERE short_password = 1')

  const findOne = async (statement: Statement, key: string) => {
    const [row] = await db.read(statement, [key])
    return row && userOf(row)
  }

  return {
    async insertUnlessNameTaken(user, foldedName) {
      const { id, username, roles, passwordHash, hasShortPassword, createdAt } = user
      const short = hasShortPassword ? 1 : 0
      const row = [id, username, foldedName, JSON.stringify(roles), passwordHash, short, createdAt]
      const [inserted] = await db.writeEach('users.insert', insert, [row])
      return inserted !== undefined
    },
    findByName: (foldedName) => findOne(findByName, foldedName),
    findById: (id) => findOne(findById, id),
    async findFirst() {
      const [row] = await db.read(findFirst, [])
      return row && userOf(row)
    },
    async addLoginFailure(id, at) {
      await db.write('users.countWrong', [{ statement: addLoginFailure, params: [at, id] }])
    },
    async countShortPasswords() {
      const [row] = await db.read(countShort, [])
      return row?.[0] as number
    },
    async clearLoginFailures(id) {
      await db.write('users.clearWrong', [{ statement: clearLoginFailures, params: [id] }])
    },
  }
}
