import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { KeyStore, UserStore } from '../src/domain/ports.ts'
import type { SigningKey } from '../src/domain/signing-keys.ts'
import type { User } from '../src/domain/user.ts'

/** One body of the stores, as the contract needs it. */
export interface StoreBody {
  users: UserStore
  keys: KeyStore
  close(): Promise<void>
}

const user = (id: string, username: string): User => ({
  id,
  username,
  roles: ['user'],
  passwordHash: `hash of ${id}`,
  hasShortPassword: false,
  createdAt: 1_700_000_000_000,
  guesses: { wrong: 0, lastAt: 0 },
})

const key = (kid: string): SigningKey => ({
  kid,
  privatePem: `pem ${kid}`,
  publicX: `x ${kid}`,
  createdAt: 1_700_000_000_000,
})

/** What every body of the stores does. */
export function describeStores(name: string, open: () => Promise<StoreBody>): void {
  describe(`the stores on ${name}`, () => {
    let body: StoreBody
    let count = 0
    let ada: User
    beforeAll(async () => {
      body = await open()
    })
    afterAll(() => body.close())
    beforeEach(async () => {
      count += 1
      ada = user(`usr-${count}`, `Ada${count}`)
      expect(await body.users.insert(ada, `ada${count}`)).toBe(true)
    })

    it('give a user back as it was stored, by name and by id', async () => {
      expect(await body.users.byName(`ada${count}`)).toEqual(ada)
      expect(await body.users.byId(ada.id)).toEqual(ada)
    })

    it('know who was the first', async () => {
      const empty = await open()
      expect(await empty.users.first()).toBeUndefined()
      for (const id of ['usr-z', 'usr-a']) await empty.users.insert(user(id, id), id)
      expect((await empty.users.first())?.id).toBe('usr-z')
      await empty.close()
    })

    it('count those with a short password', async () => {
      const before = await body.users.countShortPasswords()
      const short = { ...user(`usr-short-${count}`, `Short${count}`), hasShortPassword: true }
      await body.users.insert(short, `short${count}`)
      expect(await body.users.byId(short.id)).toEqual(short)
      expect(await body.users.countShortPasswords()).toBe(before + 1)
    })

    it('know nobody else', async () => {
      expect(await body.users.byName('grace')).toBeUndefined()
      expect(await body.users.byId('usr-grace')).toBeUndefined()
    })

    it('take a name once, for the first that asks', async () => {
      const name = `twin${count}`
      const twins = Array.from({ length: 10 }, (_, i) => user(`${name}-${i}`, name))
      const inserted = await Promise.all(twins.map((twin) => body.users.insert(twin, name)))
      expect(inserted.filter(Boolean)).toHaveLength(1)
      expect(await body.users.byName(name)).toEqual(twins[inserted.indexOf(true)])
    })

    it('count every wrong password, and forget them', async () => {
      await Promise.all([1, 2, 3].map((at) => body.users.countWrong(ada.id, at)))
      expect((await body.users.byId(ada.id))?.guesses).toEqual({ wrong: 3, lastAt: 3 })
      await body.users.clearWrong(ada.id)
      expect((await body.users.byId(ada.id))?.guesses).toEqual({ wrong: 0, lastAt: 0 })
      await body.users.countWrong('usr-nobody', 1)
    })

    it('show a count to the read that is asked for after it', async () => {
      const counted = body.users.countWrong(ada.id, 7)
      expect((await body.users.byName(`ada${count}`))?.guesses.wrong).toBe(1)
      await counted
    })

    it('keep, list and remove keys', async () => {
      for (const kid of ['k1', 'k2', 'k3']) await body.keys.insert(key(kid))
      expect((await body.keys.list()).toSorted((a, b) => (a.kid < b.kid ? -1 : 1))).toEqual(['k1', 'k2', 'k3'].map(key))
      await expect(body.keys.insert(key('k1'))).rejects.toMatchObject({ name: 'StorageError' })
      await body.keys.remove(['k1', 'k3', 'k4'])
      expect(await body.keys.list()).toEqual([key('k2')])
    })
  })
}
