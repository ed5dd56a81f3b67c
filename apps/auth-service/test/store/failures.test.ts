import { createLog, createManualClock, createSeededIds } from '@belfry/service'
import { StorageError } from '@belfry/storage'
import { createFailingStore } from '@belfry/testkit'
import { describe, expect, it } from 'vitest'
import type { AuthConfig } from '../../src/index.ts'
import { createKeyRing } from '../../src/keys/key-ring.ts'
import { openWorld } from '../world.ts'
import { createDocumentStores } from './document-stores.ts'

const unavailable = () => ({ error: new StorageError('unavailable', 'no primary is known') })
const lost = () => ({ error: new StorageError('outcome-unknown', 'the answer was lost') })
const lostAfterwards = () => ({ ...lost(), afterwards: true })

/** auth-service over documents whose calls can fail. */
async function open(config: Partial<AuthConfig> = {}) {
  const stores = createDocumentStores()
  const users = createFailingStore(stores.users)
  const keys = createFailingStore(stores.keys)
  const world = await openWorld(config, { stores: { ...stores, users: users.store, keys: keys.store } })
  return { ...world, users, keys }
}

describe('auth-service over a document database', () => {
  it('signs up and logs in', async () => {
    const { signup, login, me, firstUser } = await open()
    const { id } = (await signup('Ada')).json()
    const { token } = (await login('ada')).json()
    expect((await me(token)).json().id).toBe(id)
    expect(await firstUser()).toBe(id)
  })

  it('counts every wrong password before the next login to the same name', async () => {
    const { signup, login } = await open({ authFreeGuesses: 3, authHashConcurrency: 1 })
    await signup('ada')
    const statuses = (await Promise.all(Array.from({ length: 6 }, () => login('ada', 'wrong')))).map(
      ({ statusCode }) => statusCode,
    )
    expect(statuses).toEqual([401, 401, 401, 429, 429, 429])
  })
})

describe('a sign-up whose store', () => {
  it('is unavailable is answered with 503, and stores no user', async () => {
    const { signup, login, users } = await open()
    users.failNext('insertUnlessNameTaken', unavailable())
    const answer = await signup('ada')
    expect([answer.statusCode, answer.json().code]).toEqual([503, 'unavailable'])
    expect((await login('ada')).statusCode).toBe(401)
    expect((await signup('ada')).statusCode).toBe(201)
  })

  it('loses the answer to a write that is stored succeeds', async () => {
    const { signup, login, users } = await open()
    users.failNext('insertUnlessNameTaken', lostAfterwards())
    expect((await signup('ada')).statusCode).toBe(201)
    expect((await login('ada')).statusCode).toBe(200)
  })

  it('loses the answer to a write that is not stored is answered with 503', async () => {
    const { signup, users } = await open()
    users.failNext('insertUnlessNameTaken', lost())
    const answer = await signup('ada')
    expect([answer.statusCode, answer.json().retryable]).toEqual([503, true])
    expect((await signup('ada')).statusCode).toBe(201)
  })

  it('loses the answer while another user takes the name is answered with 409', async () => {
    const { signup, users } = await open()
    const { store, failNext } = users
    const insert = store.insertUnlessNameTaken
    failNext('findByName', { error: new StorageError('unavailable', 'no primary is known') })
    expect((await signup('ada')).statusCode).toBe(503)
    store.insertUnlessNameTaken = async (user, foldedName) => {
      await insert({ ...user, id: 'usr-other' }, foldedName)
      throw lost().error
    }
    expect((await signup('ada')).statusCode).toBe(409)
  })
})

describe('a login whose store', () => {
  it('cannot count a wrong password answers all the same, and logs the error', async () => {
    const { signup, login, users, lines } = await open()
    await signup('ada')
    for (const failure of [unavailable(), lost(), lostAfterwards()]) {
      users.failNext('addLoginFailure', failure)
      expect((await login('ada', 'wrong')).statusCode).toBe(401)
    }
    expect((await login('ada')).statusCode).toBe(200)
    expect(lines.filter((line) => line.includes('a wrong password could not be counted'))).toHaveLength(3)
  })

  it('cannot clear the wrong passwords is answered with 503, and succeeds when it is repeated', async () => {
    const { signup, login, users } = await open()
    await signup('ada')
    for (const failure of [unavailable(), lost(), lostAfterwards()]) {
      await login('ada', 'wrong')
      users.failNext('clearLoginFailures', failure)
      expect((await login('ada')).statusCode).toBe(503)
      expect((await login('ada')).statusCode).toBe(200)
    }
  })
})

describe('a login that can be refreshed, whose store', () => {
  async function openWithAda() {
    const stores = createDocumentStores()
    const sessions = createFailingStore(stores.sessions)
    const world = await openWorld({}, { stores: { ...stores, sessions: sessions.store } })
    await world.signup('ada')
    const refresh = (refreshToken: string) => world.post('/auth/refresh', { refreshToken })
    return { ...world, ...sessions, refresh }
  }

  it('cannot store it is answered with 503, and succeeds when it is repeated', async () => {
    const { login, failNext } = await openWithAda()
    for (const failure of [unavailable(), lost(), lostAfterwards()]) {
      failNext('insert', failure)
      expect((await login('ada')).statusCode).toBe(503)
    }
    expect((await login('ada')).statusCode).toBe(200)
  })

  it('loses the answer to a refresh goes on with the successor that was stored', async () => {
    const { login, refresh, failNext } = await openWithAda()
    let { refreshToken } = (await login('ada')).json()
    for (const failure of [unavailable(), lost(), lostAfterwards()]) {
      failNext('rotate', failure)
      expect((await refresh(refreshToken)).statusCode).toBe(503)
      const again = await refresh(refreshToken)
      expect(again.statusCode).toBe(200)
      refreshToken = again.json().refreshToken
    }
    expect((await refresh(refreshToken)).statusCode).toBe(200)
  })
})

describe('a rotation of the keys whose store', () => {
  const day = 86_400_000
  async function openRing() {
    const { store, failNext } = createFailingStore(createDocumentStores().keys)
    const clock = createManualClock(0)
    const rule = { lifetimeMs: day, publishMs: 30_000, settledMs: 600_000, overlapMs: 960_000 }
    const log = createLog({ level: 'silent' })
    const ring = createKeyRing({ store, clock, ids: createSeededIds(3), log, rule, readEveryMs: 5_000 })
    return { ring, store, failNext, advance: clock.advance }
  }

  it('is unavailable rejects, and the next one makes the key', async () => {
    const { ring, store, failNext } = await openRing()
    failNext('insert', unavailable())
    await expect(ring.rotate()).rejects.toMatchObject({ code: 'unavailable' })
    await expect(ring.signer()).rejects.toThrow('no signing key')
    await ring.rotate()
    expect(await store.list()).toHaveLength(1)
  })

  it('loses the answer signs with the key once it is read back', async () => {
    const { ring, store, failNext } = await openRing()
    failNext('insert', lost())
    await expect(ring.rotate()).rejects.toMatchObject({ code: 'outcome-unknown' })
    failNext('insert', lostAfterwards())
    await ring.rotate()
    expect((await store.list()).map(({ kid }) => kid)).toEqual([(await ring.signer()).kid])
  })

  it('cannot remove old keys signs with the new one, and removes them the next time', async () => {
    const { ring, store, failNext, advance } = await openRing()
    await ring.rotate()
    const old = (await ring.signer()).kid
    await advance(day)
    await ring.rotate()
    await advance(30_000)
    expect((await ring.signer()).kid).not.toBe(old)
    await advance(960_000)
    failNext('removeMany', unavailable())
    await expect(ring.rotate()).rejects.toMatchObject({ code: 'unavailable' })
    await ring.rotate()
    expect((await store.list()).map(({ kid }) => kid)).toEqual([(await ring.signer()).kid])
  })

  it('cannot be read lets nothing sign with keys that were read longer ago', async () => {
    const { ring, failNext, advance } = await openRing()
    await ring.rotate()
    await advance(4_000)
    failNext('list', unavailable())
    expect((await ring.signer()).kid).toBeDefined()
    await advance(1_000)
    await expect(ring.signer()).rejects.toMatchObject({ code: 'unavailable' })
    expect((await ring.signer()).kid).toBeDefined()
  })
})
