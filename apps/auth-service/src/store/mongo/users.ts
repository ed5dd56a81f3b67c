import type { Role } from '@belfry/contracts'
import { defineCollection, type Filter, type MongoDatabase, type MongoRecord, where } from '@belfry/storage/mongo'
import type { Invite, User } from '../../accounts/user.ts'
import { foldUsername } from '../../accounts/user.ts'
import type { UserStore } from '../ports.ts'

/**
 * A user; `_id` is the folded name, because the one uniqueness that sign-ups race for belongs there. Earlier versions stored no
 * optional field: one that is missing has the value of a new user. `invite` is JSON.
 */
interface UserDocument extends MongoRecord {
  readonly id: string
  readonly username: string
  readonly roles: Role[]
  /** The empty text for no password. */
  readonly passwordHash: string
  readonly hasShortPassword: boolean
  readonly createdAt: number
  readonly failures: number
  readonly lastFailureAt: number
  readonly disabled?: boolean
  readonly generation?: number
  readonly invite?: string | null
  readonly version?: number
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
    disabled: Boolean,
    generation: Number,
    invite: String,
    version: Number,
  },
  indexes: [{ fields: { id: 1 } }, { fields: { createdAt: 1 } }, { fields: { hasShortPassword: 1 } }],
})

function userOf({ _id: _, failures, lastFailureAt, passwordHash, ...rest }: UserDocument): User {
  const { id, username, roles, hasShortPassword, createdAt, disabled, generation, invite, version } = rest
  return {
    ...{ id, username, roles, hasShortPassword, createdAt },
    passwordHash: passwordHash === '' ? null : passwordHash,
    loginFailures: { count: failures, lastAt: lastFailureAt },
    disabled: disabled ?? false,
    generation: generation ?? 0,
    invite: invite ? (JSON.parse(invite) as Invite) : null,
    version: version ?? 0,
  }
}

/** The fields that a change of a user sets. */
function changeableOf({ roles, passwordHash, hasShortPassword, disabled, generation, invite }: User) {
  return {
    ...{ roles: [...roles], passwordHash: passwordHash ?? '', hasShortPassword, disabled, generation },
    invite: invite && JSON.stringify(invite),
  }
}

/** The version that a document must have; one that was never changed may have none. */
function guardOf(version: number): Filter<UserDocument> {
  return version > 0 ? { version } : { $or: [{ version: 0 }, { version: where({ $exists: false }) }] }
}

/** The users in MongoDB. */
export function createUserStore(db: MongoDatabase): UserStore {
  const users = db.collection(usersCollection)
  const findOne = async (filter: Filter<UserDocument>) => {
    const found = await users.findOne('users.find', filter)
    return found && userOf(found)
  }
  return {
    async insertUnlessNameTaken(user, foldedName) {
      const { id, username, createdAt, loginFailures, version } = user
      const failures = { failures: loginFailures.count, lastFailureAt: loginFailures.lastAt }
      const [isNew] = await users.insertManyIfAbsent('users.insert', [
        { _id: foldedName, id, username, createdAt, version, ...changeableOf(user), ...failures },
      ])
      return isNew === true
    },
    findByName: (foldedName) => findOne({ _id: foldedName }),
    findById: (id) => findOne({ id }),
    async findMany(ids, foldedNames) {
      const found = await Promise.all([
        ids.length === 0 ? [] : users.find('users.findIds', { id: where({ $in: ids }) }),
        foldedNames.length === 0 ? [] : users.find('users.findNames', { _id: where({ $in: foldedNames }) }),
      ])
      return [...new Map(found.flat().map((one) => [one.id, userOf(one)])).values()]
    },
    async findFirst() {
      const found = await users.findOne('users.first', {}, { sort: { createdAt: 1 } })
      return found && userOf(found)
    },
    async list({ after, beginning, limit }) {
      // A name has ASCII only, so the second text sorts after all names with the same beginning.
      const within: Filter<UserDocument> = { _id: where({ $gte: beginning, $lt: `${beginning}\x7f` }) }
      const filter: Filter<UserDocument> = { $and: [{ _id: where({ $gt: after }) }, within] }
      return (await users.find('users.list', filter, { sort: { _id: 1 }, limit })).map(userOf)
    },
    async replace(user, fromVersion) {
      const update = { $set: { ...changeableOf(user), version: fromVersion + 1 } }
      const swap = { id: foldUsername(user.username), guard: guardOf(fromVersion), update }
      const [isDone] = await users.compareAndSetMany('users.replace', [swap])
      return isDone === true
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
