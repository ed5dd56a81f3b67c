import { isRefusal } from '@belfry/contracts'
import { StorageError } from '@belfry/storage'
import { createFailingStore } from '@belfry/testkit'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createAdmins } from '../../src/accounts/admins.ts'
import { createDocumentStores } from '../store/document-stores.ts'

const ids = ['usr-a', 'usr-b', 'usr-c', 'usr-d']

describe('the list of the admins', () => {
  it('never becomes empty, whatever several instances do at the same moment', async () => {
    const change = fc.record({ id: fc.constantFrom(...ids), isAdmin: fc.boolean() })
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(change, { maxLength: 6 }), { maxLength: 6 }), async (rounds) => {
        const store = createDocumentStores().admins
        const instances = [createAdmins(store, 3), createAdmins(store, 3)]
        expect(await instances[0]?.setFirst('usr-a')).toBe(true)
        for (const round of rounds) {
          await Promise.all(round.map(({ id, isAdmin }, n) => instances[n % 2]?.set(id, isAdmin)))
          const { userIds } = await store.read()
          expect(userIds.length).toBeGreaterThanOrEqual(1)
          expect(userIds.length).toBeLessThanOrEqual(3)
          expect(new Set(userIds).size).toBe(userIds.length)
        }
      }),
      { numRuns: 60 },
    )
  })

  it('has one first admin, however many try', async () => {
    const store = createDocumentStores().admins
    const done = await Promise.all(ids.map((id) => createAdmins(store, 3).setFirst(id)))
    expect(done.filter(Boolean)).toHaveLength(1)
    expect((await store.read()).userIds).toEqual([ids[done.indexOf(true)]])
  })

  it('is changed once when an answer was lost and the call is repeated', async () => {
    const { store, failNext } = createFailingStore(createDocumentStores().admins)
    const admins = createAdmins(store, 3)
    await admins.setFirst('usr-a')
    failNext('replace', { error: new StorageError('outcome-unknown', 'the answer was lost'), afterwards: true })
    await expect(admins.set('usr-b', true)).rejects.toMatchObject({ code: 'outcome-unknown' })
    expect(await admins.set('usr-b', true)).toBeUndefined()
    expect(await store.read()).toEqual({ userIds: ['usr-a', 'usr-b'], version: 2 })
  })

  it('says to try again when others change it all the time', async () => {
    const { admins: store } = createDocumentStores()
    const admins = createAdmins({ ...store, replace: async () => false }, 3)
    const refused = await admins.set('usr-a', true)
    expect(isRefusal(refused) && refused.code).toBe('request-in-flight')
  })
})
