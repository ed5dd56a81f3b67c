import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { User } from '../../src/accounts/user.ts'
import type { ApiKey } from '../../src/api-keys/api-key.ts'
import type { SigningKey } from '../../src/keys/signing-keys.ts'
import type { Session } from '../../src/sessions/session.ts'
import type { Stores } from '../../src/store/ports.ts'

const user = (id: string, username: string, createdAt = 1_700_000_000_000): User => ({
  id,
  username,
  roles: ['user'],
  passwordHash: `hash of ${id}`,
  hasShortPassword: false,
  createdAt,
  loginFailures: { count: 0, lastAt: 0 },
  disabled: false,
  generation: 0,
  invite: null,
  version: 0,
})

const session = (id: string, userId: string, more: Partial<Session> = {}): Session => ({
  ...{ id, userId, generation: 3, createdAt: 1, expiresAt: 100, hash: `hash of ${id}`, rotatedAt: 5 },
  ...{ previous: null, markKey: null, ...more },
})

const apiKey = (id: string, userId: string): ApiKey => ({
  ...{ id, userId, name: 'ci', role: 'viewer', hash: `hash of ${id}`, createdAt: 7, expiresAt: null, lastUsedAt: null },
})

const byId = <T extends { id: string }>(some: readonly T[]) => some.toSorted((a, b) => (a.id < b.id ? -1 : 1))

const key = (kid: string): SigningKey => ({
  kid,
  privatePem: `pem ${kid}`,
  publicX: `x ${kid}`,
  createdAt: 1_700_000_000_000,
})

/** The contract of the stores, for every body of them. */
export function describeStores(name: string, open: () => Promise<Stores>): void {
  describe(`the stores on ${name}`, () => {
    let stores: Stores
    let count = 0
    let ada: User
    beforeAll(async () => {
      stores = await open()
    })
    afterAll(() => stores.close())
    beforeEach(async () => {
      count += 1
      ada = user(`usr-${count}`, `Ada${count}`)
      expect(await stores.users.insertUnlessNameTaken(ada, `ada${count}`)).toBe(true)
    })

    it('keep the audit log: a row, its outcome and its seal', async () => {
      const { audit } = stores
      const actor = { actorId: ada.id, actorName: ada.username, via: 'token', address: null } as const
      const row = { ...actor, at: 1, action: 'updateUser', target: ada.id, requestId: `req-${count}` }
      const after = await audit.head()
      const n = await audit.append(row)
      await audit.complete([{ n, status: 200, target: ada.id, also: [], version: 1 }])
      expect(await audit.list({ actorId: ada.id }, null, 2)).toMatchObject([{ ...row, n, status: 200, version: 1 }])
      await audit.freeze(after, n)
      const { text: _, ...content } = await audit.readContent(after, n)
      const seal = { ...content, no: 1, previous: '', hash: 'hash' }
      expect(await audit.insertSeal(seal)).toBe(true)
      await audit.removeThrough(seal)
      expect(await audit.list({ actorId: ada.id }, null, 2)).toEqual([])
    })

    it('give a user back as it was stored, by name and by id', async () => {
      expect(await stores.users.findByName(`ada${count}`)).toEqual(ada)
      expect(await stores.users.findById(ada.id)).toEqual(ada)
    })

    it('find the user who was stored first', async () => {
      const empty = await open()
      expect(await empty.users.findFirst()).toBeUndefined()
      for (const [at, id] of ['usr-z', 'usr-a'].entries()) {
        expect(await empty.users.insertUnlessNameTaken(user(id, id, at), id)).toBe(true)
      }
      expect((await empty.users.findFirst())?.id).toBe('usr-z')
      await empty.close()
    })

    it('count the users with a short password', async () => {
      const before = await stores.users.countShortPasswords()
      const short = { ...user(`usr-short-${count}`, `Short${count}`), hasShortPassword: true }
      await stores.users.insertUnlessNameTaken(short, `short${count}`)
      expect(await stores.users.findById(short.id)).toEqual(short)
      expect(await stores.users.countShortPasswords()).toBe(before + 1)
    })

    it('know nostores else', async () => {
      expect(await stores.users.findByName('grace')).toBeUndefined()
      expect(await stores.users.findById('usr-grace')).toBeUndefined()
    })

    it('give a name to one of several users that ask for it at once', async () => {
      const name = `twin${count}`
      const twins = Array.from({ length: 10 }, (_, i) => user(`${name}-${i}`, name))
      const inserted = await Promise.all(twins.map((twin) => stores.users.insertUnlessNameTaken(twin, name)))
      expect(inserted.filter(Boolean)).toHaveLength(1)
      expect(await stores.users.findByName(name)).toEqual(twins[inserted.indexOf(true)])
    })

    it('count every wrong password, and clear the count', async () => {
      for (const at of [1, 2, 3]) await stores.users.addLoginFailure(ada.id, at)
      expect((await stores.users.findById(ada.id))?.loginFailures).toEqual({ count: 3, lastAt: 3 })
      await stores.users.clearLoginFailures(ada.id)
      expect((await stores.users.findById(ada.id))?.loginFailures).toEqual({ count: 0, lastAt: 0 })
      await stores.users.addLoginFailure('usr-nostores', 1)
    })

    it('count wrong passwords that are counted at the same moment', async () => {
      await Promise.all([1, 2, 3].map(() => stores.users.addLoginFailure(ada.id, 7)))
      expect((await stores.users.findByName(`ada${count}`))?.loginFailures).toEqual({ count: 3, lastAt: 7 })
    })

    it('replace a user whose version is still the one that was read', async () => {
      const { users } = stores
      const invite = { hash: 'h', expiresAt: 9 }
      const changed: User = { ...ada, roles: ['operator'], passwordHash: null, hasShortPassword: true }
      const whole: User = { ...changed, disabled: true, generation: 4, invite }
      await users.addLoginFailure(ada.id, 6)
      expect(await users.replace({ ...whole, username: ada.username }, 1)).toBe(false)
      expect(await users.replace(whole, 0)).toBe(true)
      expect(await users.replace(ada, 0)).toBe(false)
      const stored = { ...whole, version: 1, loginFailures: { count: 1, lastAt: 6 } }
      expect(await users.findById(ada.id)).toEqual(stored)
      expect(await users.replace({ ...ada, invite: null }, 1)).toBe(true)
      expect(await users.findById(ada.id)).toEqual({ ...ada, version: 2, loginFailures: { count: 1, lastAt: 6 } })
      expect(await users.replace(user('usr-unknown', 'none'), 0)).toBe(false)
    })

    it('replace a user once when several try at the same moment', async () => {
      const replaced = await Promise.all([1, 2, 3, 4].map((n) => stores.users.replace({ ...ada, generation: n }, 0)))
      expect(replaced.filter(Boolean)).toHaveLength(1)
      expect((await stores.users.findById(ada.id))?.generation).toBe(replaced.indexOf(true) + 1)
    })

    it('find many users by ids and names, each once', async () => {
      const other = user(`usr-other-${count}`, `Other${count}`)
      await stores.users.insertUnlessNameTaken(other, `other${count}`)
      const found = await stores.users.findMany([ada.id, 'usr-none'], [`other${count}`, `ada${count}`, 'none'])
      expect(byId(found)).toEqual(byId([ada, other]))
      expect(await stores.users.findMany([], [])).toEqual([])
    })

    it('list users by name, page by page, and those with a beginning', async () => {
      const { users } = await open()
      for (const name of ['ab', 'a_', 'A.', 'b', 'abc', 'a']) {
        await users.insertUnlessNameTaken(user(`usr-${name}`, name), name.toLowerCase())
      }
      const names = async (page: Parameters<typeof users.list>[0]) =>
        (await users.list(page)).map((one) => one.username)
      const all = ['a', 'A.', 'a_', 'ab', 'abc', 'b']
      expect(await names({ after: '', beginning: '', limit: 10 })).toEqual(all)
      expect(await names({ after: 'a', beginning: '', limit: 2 })).toEqual(['A.', 'a_'])
      expect(await names({ after: '', beginning: 'ab', limit: 10 })).toEqual(['ab', 'abc'])
      expect(await names({ after: 'ab', beginning: 'a', limit: 10 })).toEqual(['abc'])
    })

    it('change the list of the admins only from its newest version', async () => {
      const { admins, close } = await open()
      expect(await admins.read()).toEqual({ userIds: [], version: 0 })
      const first = await Promise.all(['usr-a', 'usr-b', 'usr-c'].map((id) => admins.replace([id], 0)))
      expect(first.filter(Boolean)).toHaveLength(1)
      const { userIds, version } = await admins.read()
      expect(version).toBe(1)
      expect(await admins.replace([...userIds, 'usr-d'], 0)).toBe(false)
      expect(await admins.replace([...userIds, 'usr-d'], 1)).toBe(true)
      expect(await admins.read()).toEqual({ userIds: [...userIds, 'usr-d'], version: 2 })
      await close()
    })

    it('rotate a session once from each token, and remove sessions', async () => {
      const { sessions } = stores
      const id = `session-${count}`
      const first = session(id, ada.id)
      await sessions.insert(first)
      expect(await sessions.find(id)).toEqual(first)
      const next = { ...first, hash: 'next', rotatedAt: 8, previous: { hash: first.hash, sealed: 's' }, markKey: 'k' }
      const rotated = await Promise.all(['a', 'b'].map((hash) => sessions.rotate({ ...next, hash }, first.hash)))
      expect(rotated.filter(Boolean)).toHaveLength(1)
      const hash = rotated[0] ? 'a' : 'b'
      expect(await sessions.find(id)).toEqual({ ...next, hash })
      await sessions.insert(session(`${id}-2`, ada.id))
      await sessions.insert(session(`${id}-3`, 'usr-other'))
      expect(byId(await sessions.listOfUser(ada.id)).map((one) => one.id)).toEqual([id, `${id}-2`])
      await sessions.removeMany([id, 'gone'])
      await sessions.removeMany([])
      expect(await sessions.find(id)).toBeUndefined()
      expect(await sessions.rotate(next, hash)).toBe(false)
      await sessions.removeOfUser(ada.id)
      expect(await sessions.listOfUser(ada.id)).toEqual([])
      expect(await sessions.find(`${id}-3`)).toBeDefined()
    })

    it('purge sessions that have expired, some at a time', async () => {
      const { sessions, close } = await open()
      for (const at of [1, 2, 3, 50]) await sessions.insert(session(`s-${at}`, 'usr-1', { expiresAt: at }))
      expect(await sessions.purge(50, 2)).toBe(2)
      expect(await sessions.purge(50, 2)).toBe(1)
      expect(await sessions.purge(50, 2)).toBe(0)
      expect((await sessions.listOfUser('usr-1')).map(({ id }) => id)).toEqual(['s-50'])
      await close()
    })

    it('insert, find, touch and remove API keys of their owner', async () => {
      const { apiKeys } = stores
      const one = apiKey(`key-${count}`, ada.id)
      const other = { ...apiKey(`key-${count}-2`, ada.id), role: 'admin' as const, expiresAt: 12 }
      for (const key of [one, other]) await apiKeys.insert(key)
      expect(await apiKeys.find(other.id)).toEqual(other)
      await apiKeys.touch(one.id, 33)
      expect(byId(await apiKeys.listOfUser(ada.id))).toEqual([{ ...one, lastUsedAt: 33 }, other])
      expect(await apiKeys.listOfUser('usr-none')).toEqual([])
      expect(await apiKeys.remove(one.id, 'usr-other')).toBe(false)
      expect(await apiKeys.remove(one.id, ada.id)).toBe(true)
      expect(await apiKeys.remove(one.id, ada.id)).toBe(false)
      expect(await apiKeys.find(one.id)).toBeUndefined()
    })

    it('insert, list and remove keys', async () => {
      for (const kid of ['k1', 'k2', 'k3']) await stores.keys.insert(key(kid))
      expect((await stores.keys.list()).toSorted((a, b) => (a.kid < b.kid ? -1 : 1))).toEqual(
        ['k1', 'k2', 'k3'].map(key),
      )
      await expect(stores.keys.insert(key('k1'))).rejects.toMatchObject({ name: 'StorageError', code: 'constraint' })
      await stores.keys.removeMany(['k1', 'k3', 'k4'])
      expect(await stores.keys.list()).toEqual([key('k2')])
    })
  })
}
