import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { User } from '../../src/accounts/user.ts'
import type { SigningKey } from '../../src/keys/signing-keys.ts'
import type { Stores } from '../../src/store/ports.ts'

const user = (id: string, username: string, createdAt = 1_700_000_000_000): User => ({
  id,
  username,
  roles: ['user'],
  passwordHash: `hash of ${id}`,
  hasShortPassword: false,
  createdAt,
  loginFailures: { count: 0, lastAt: 0 },
})

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
