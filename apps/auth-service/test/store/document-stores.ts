import { StorageError } from '@belfry/storage'
import { createDocuments } from '@belfry/testkit'
import { createDocumentStore as createAuditDocuments } from '../../../../libs/audit/test/documents.ts'
import type { User } from '../../src/accounts/user.ts'
import type { ApiKey } from '../../src/api-keys/api-key.ts'
import type { SigningKey } from '../../src/keys/signing-keys.ts'
import type { Session } from '../../src/sessions/session.ts'
import type { AdminStore, ApiKeyStore, SessionStore, Stores } from '../../src/store/ports.ts'

interface UserDocument {
  readonly foldedName: string
  readonly user: User
}

function createAdminDocuments(): AdminStore {
  const lists = createDocuments<{ userIds: readonly string[]; version: number }>()
  const only = 'admins'
  return {
    read: async () => (await lists.get(only)) ?? { userIds: [], version: 0 },
    async replace(userIds, fromVersion) {
      await lists.insert(only, { userIds: [], version: 0 })
      const swap = (known: { version: number }) =>
        known.version === fromVersion ? { userIds, version: fromVersion + 1 } : undefined
      return (await lists.update(only, swap)) !== undefined
    },
  }
}

function createSessionDocuments(): SessionStore {
  const sessions = createDocuments<Session>()
  const removeMany = async (ids: readonly string[]) => {
    await Promise.all(ids.map((id) => sessions.remove(id)))
  }
  return {
    insert: async (session) => void (await sessions.insert(session.id, session)),
    find: (id) => sessions.get(id),
    async rotate({ id, hash, rotatedAt, previous, markKey }, fromHash) {
      const swap = (known: Session) =>
        known.hash === fromHash ? { ...known, hash, rotatedAt, previous, markKey } : undefined
      return (await sessions.update(id, swap)) !== undefined
    },
    removeMany,
    async removeOfUser(userId) {
      await removeMany((await sessions.find((one) => one.userId === userId)).map(({ id }) => id))
    },
    listOfUser: async (userId) => (await sessions.find((one) => one.userId === userId)).map(({ value }) => value),
    async purge(at, limit) {
      const over = (await sessions.find(({ expiresAt }) => expiresAt < at)).slice(0, limit)
      await removeMany(over.map(({ id }) => id))
      return over.length
    },
  }
}

function createApiKeyDocuments(): ApiKeyStore {
  const keys = createDocuments<ApiKey>()
  return {
    insert: async (key) => void (await keys.insert(key.id, key)),
    find: (id) => keys.get(id),
    listOfUser: async (userId) => (await keys.find((one) => one.userId === userId)).map(({ value }) => value),
    remove: (id, userId) => keys.remove(id, (one) => one.userId === userId),
    touch: async (id, at) => void (await keys.update(id, (one) => ({ ...one, lastUsedAt: at }))),
  }
}

/** A throw-away body of the stores: one document per verb, no transaction over two, answers in any order. */
export function createDocumentStores(): Stores {
  const users = createDocuments<UserDocument>({ unique: [({ foldedName }) => foldedName] })
  const keys = createDocuments<SigningKey>()
  const cursors = createDocuments<{ readonly at: number }>()

  const setFailures = (id: string, change: (user: User) => User['loginFailures']) =>
    users.update(id, (one) => ({ ...one, user: { ...one.user, loginFailures: change(one.user) } }))

  return {
    users: {
      insertUnlessNameTaken: (user, foldedName) => users.insert(user.id, { foldedName, user }),
      async findByName(foldedName) {
        const [found] = await users.find((one) => one.foldedName === foldedName)
        return found?.value.user
      },
      findById: async (id) => (await users.get(id))?.user,
      async findMany(ids, foldedNames) {
        const found = await users.find((one) => ids.includes(one.user.id) || foldedNames.includes(one.foldedName))
        return found.map(({ value }) => value.user)
      },
      async list({ after, beginning, limit }) {
        const found = await users.find(({ foldedName }) => foldedName > after && foldedName.startsWith(beginning))
        const sorted = found.map(({ value }) => value).toSorted((a, b) => (a.foldedName < b.foldedName ? -1 : 1))
        return sorted.slice(0, limit).map(({ user }) => user)
      },
      async replace({ id, roles, passwordHash, hasShortPassword, disabled, generation, invite }, fromVersion) {
        const change = { roles, passwordHash, hasShortPassword, disabled, generation, invite }
        const swap = ({ user, ...rest }: UserDocument) =>
          user.version === fromVersion ? { ...rest, user: { ...user, ...change, version: fromVersion + 1 } } : undefined
        return (await users.update(id, swap)) !== undefined
      },
      async findFirst() {
        const all = await users.find(() => true)
        return all.map(({ value }) => value.user).toSorted((a, b) => a.createdAt - b.createdAt)[0]
      },
      async addLoginFailure(id, at) {
        await setFailures(id, ({ loginFailures }) => ({ count: loginFailures.count + 1, lastAt: at }))
      },
      async clearLoginFailures(id) {
        await setFailures(id, () => ({ count: 0, lastAt: 0 }))
      },
      countShortPasswords: async () => (await users.find(({ user }) => user.hasShortPassword)).length,
    },
    keys: {
      list: async () => (await keys.find(() => true)).map(({ value }) => value),
      async insert(key) {
        if (!(await keys.insert(key.kid, key))) throw new StorageError('constraint', `there is a key ${key.kid}`)
      },
      async removeMany(kids) {
        await Promise.all(kids.map((kid) => keys.remove(kid)))
      },
    },
    cursors: {
      read: async (name) => (await cursors.get(name))?.at ?? 0,
      async write(name, at) {
        if (!(await cursors.insert(name, { at }))) await cursors.update(name, () => ({ at }))
      },
    },
    audit: createAuditDocuments(),
    admins: createAdminDocuments(),
    sessions: createSessionDocuments(),
    apiKeys: createApiKeyDocuments(),
    close: async () => undefined,
  }
}
