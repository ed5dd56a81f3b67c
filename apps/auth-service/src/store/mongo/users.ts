import type { Role } from '@belfry/contracts'
import { defineCollection, type Filter, type MongoDatabase, type MongoRecord } from '@belfry/storage/mongo'
import type { User } from '../../accounts/user.ts'
import type { UserStore } from '../ports.ts'

/** A user; `_id` is the folded name, because the one uniqueness that sign-ups race for belongs there. */
interface UserDocument extends MongoRecord, Omit<User, 'loginFailures' | 'roles'> {
  readonly roles: Role[]
  readonly failures: number
  readonly lastFailureAt: number
}

export const usersCollection = defineCollection<UserDocument>({
  name: 'users',
  schema: {
    _id: String,
    id: String,
    username: String,
    roles: [String],
    passwordHash: String,
    hasShortPassword: Boolean,
    createdAt: Number,
    failures: Number,
    lastFailureAt: Number,
  },
  indexes: [{ fields: { id: 1 } }, { fields: { createdAt: 1 } }, { fields: { hasShortPassword: 1 } }],
})

function userOf({ _id: _, failures, lastFailureAt, ...user }: UserDocument): User {
  return { ...user, loginFailures: { count: failures, lastAt: lastFailureAt } }
}

/** The users in MongoDB. */
export function createUserStore(db: MongoDatabase): UserStore {
  const users = db.collection(usersCollection)
  const findOne = async (filter: Filter<UserDocument>) => {
    const found = await users.findOne('users.find', filter)
    return found && userOf(found)
  }
  return {
    async insertUnlessNameTaken({ loginFailures, roles, ...user }, foldedName) {
      const failures = { failures: loginFailures.count, lastFailureAt: loginFailures.lastAt }
      const [isNew] = await users.insertManyIfAbsent('users.insert', [
        { _id: foldedName, ...user, roles: [...roles], ...failures },
      ])
      return isNew === true
    },
    findByName: (foldedName) => findOne({ _id: foldedName }),
    findById: (id) => findOne({ id }),
    async findFirst() {
      const found = await users.findOne('users.first', {}, { sort: { createdAt: 1 } })
      return found && userOf(found)
    },
    async addLoginFailure(id, at) {
      await users.updateOne('users.countWrong', { id }, { $inc: { failures: 1 }, $set: { lastFailureAt: at } })
    },
    async clearLoginFailures(id) {
      await users.updateOne('users.clearWrong', { id }, { $set: { failures: 0, lastFailureAt: 0 } })
    },
    countShortPasswords: () => users.count('users.countShort', { hasShortPassword: true }),
  }
}
