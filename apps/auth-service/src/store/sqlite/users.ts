import type { Role } from '@belfry/contracts'
import type { Database, SqlRow, Statement } from '@belfry/storage/sqlite'
import type { Invite, User } from '../../accounts/user.ts'
import type { UserStore } from '../ports.ts'

const columns = `id, username, roles, password_hash, short_password, created_at, wrong_guesses, last_wrong_at, disabled, generation,
  invite, version`

/** The column takes no NULL: the empty text, which is no hash, stands for no password. */
const noPassword = ''

type UserRow = [
  id: string,
  username: string,
  roles: string,
  passwordHash: string,
  short: number,
  createdAt: number,
  count: number,
  lastAt: number,
  disabled: number,
  generation: number,
  invite: string | null,
  version: number,
]

function userOf(row: SqlRow): User {
  const [id, username, roles, hash, short, createdAt, count, lastAt, disabled, generation, invite, version] =
    row as unknown as UserRow
  return {
    id,
    username,
    roles: JSON.parse(roles) as Role[],
    passwordHash: hash === noPassword ? null : hash,
    hasShortPassword: short === 1,
    createdAt,
    loginFailures: { count, lastAt },
    disabled: disabled === 1,
    generation,
    invite: invite === null ? null : (JSON.parse(invite) as Invite),
    version,
  }
}

/** The columns that a change of a user sets, in the order of `insert` and `replace`. */
function changeableOf({ roles, passwordHash, hasShortPassword, disabled, generation, invite }: User) {
  const hash = passwordHash ?? noPassword
  const invited = invite && JSON.stringify(invite)
  return [JSON.stringify(roles), hash, hasShortPassword ? 1 : 0, disabled ? 1 : 0, generation, invited]
}

function createUserReads(db: Database): Pick<UserStore, 'findByName' | 'findById' | 'findMany' | 'findFirst' | 'list'> {
  const byName = db.statement(`SELECT ${columns} FROM users WHERE folded_name = ?`)
  const byId = db.statement(`SELECT ${columns} FROM users WHERE id = ?`)
  const first = db.statement(`SELECT ${columns} FROM users ORDER BY n LIMIT 1`)
  // A name has ASCII only, so this text sorts after all names with the same beginning.
  const page = db.statement(`
    SELECT ${columns} FROM users
    WHERE folded_name > ? AND folded_name >= ? AND folded_name < ? || char(127) ORDER BY folded_name LIMIT ?`)

  const findOne = async (statement: Statement, key: string) => {
    const [row] = await db.read(statement, [key])
    return row && userOf(row)
  }
  const findEach = async (statement: Statement, keys: readonly string[]) => {
    const rows = await db.readEach(
      statement,
      keys.map((key) => [key]),
    )
    return rows.flatMap((row) => (row ? [userOf(row)] : []))
  }

  return {
    findByName: (foldedName) => findOne(byName, foldedName),
    findById: (id) => findOne(byId, id),
    async findMany(ids, foldedNames) {
      const found = await Promise.all([findEach(byId, ids), findEach(byName, foldedNames)])
      return [...new Map(found.flat().map((user) => [user.id, user])).values()]
    },
    async findFirst() {
      const [row] = await db.read(first, [])
      return row && userOf(row)
    },
    async list({ after, beginning, limit }) {
      return (await db.read(page, [after, beginning, beginning, limit])).map(userOf)
    },
  }
}

export function createSqliteUsers(db: Database): UserStore {
  const insert = db.statement(`
    INSERT INTO users (id, username, folded_name, created_at, roles, password_hash, short_password, disabled, generation, invite)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (folded_name) DO NOTHING RETURNING n`)
  const replace = db.statement(`
    UPDATE users SET roles = ?, password_hash = ?, short_password = ?, disabled = ?, generation = ?, invite = ?,
      version = version + 1
    WHERE id = ? AND version = ? RETURNING n`)
  const addLoginFailure = db.statement(
    'UPDATE users SET wrong_guesses = wrong_guesses + 1, last_wrong_at = ? WHERE id = ?',
  )
  const clearLoginFailures = db.statement('UPDATE users SET wrong_guesses = 0, last_wrong_at = 0 WHERE id = ?')
  const countShort = db.statement('SELECT count(*) FROM users WHERE short_password = 1')

  return {
    ...createUserReads(db),
    async insertUnlessNameTaken(user, foldedName) {
      const row = [user.id, user.username, foldedName, user.createdAt, ...changeableOf(user)]
      const [inserted] = await db.writeEach('users.insert', insert, [row])
      return inserted !== undefined
    },
    async replace(user, fromVersion) {
      const [changed] = await db.writeEach('users.replace', replace, [[...changeableOf(user), user.id, fromVersion]])
      return changed !== undefined
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
