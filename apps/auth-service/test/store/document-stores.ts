import { StorageError } from '@belfry/storage'
import { createDocuments } from '@belfry/testkit'
import { createDocumentStore as createAuditDocuments } from '../../../../libs/audit/test/documents.ts'
import type { User } from '../../src/accounts/user.ts'
import type { SigningKey } from '../../src/keys/signing-keys.ts'
import type { Stores } from '../../src/store/ports.ts'

interface UserDocument {
  readonly foldedName: string
  readonly user: User
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
    close: async () => undefined,
  }
}
