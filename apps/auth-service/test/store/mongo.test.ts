import { defineCollection, type MongoRecord, openMongo } from '@belfry/storage/mongo'
import { createTestDeps, dropMongoDatabase, peerUrl, uniqueName } from '@belfry/testkit'
import { afterAll, describe, expect, it } from 'vitest'
import { openStores } from '../../src/index.ts'
import { describeStores } from './store.contract.ts'

const url = peerUrl('mongo')

interface UserBefore extends MongoRecord {
  readonly id: string
  readonly username: string
  readonly roles: string[]
  readonly passwordHash: string
  readonly hasShortPassword: boolean
  readonly createdAt: number
  readonly failures: number
  readonly lastFailureAt: number
}

interface SessionBefore extends MongoRecord {
  readonly userId: string
  readonly generation: number
  readonly createdAt: number
  readonly expiresAt: number
  readonly hash: string
  readonly rotatedAt: number
  readonly previous: string | null
}

/** The sessions before their secrets had marks. */
const sessionsBefore = defineCollection<SessionBefore>({
  name: 'sessions',
  schema: {
    ...{ _id: String, userId: String, generation: Number, createdAt: Number, expiresAt: Number },
    ...{ hash: String, rotatedAt: Number, previous: String },
  },
})

/** The users as version 1 of the schema had them. */
const usersBefore = defineCollection<UserBefore>({
  name: 'users',
  schema: {
    ...{ _id: String, id: String, username: String, roles: [String], passwordHash: String },
    ...{ hasShortPassword: Boolean, createdAt: Number, failures: Number, lastFailureAt: Number },
  },
})

describe.skipIf(url === undefined)('the stores of auth-service on MongoDB', () => {
  const names: string[] = []
  afterAll(async () => {
    for (const name of names) await dropMongoDatabase(url ?? '', name)
  })

  const newUrl = () => {
    const name = uniqueName('auth')
    names.push(name)
    return new URL(name, url).href
  }
  const thread = () => {
    throw new Error('a store on MongoDB needs no store thread')
  }
  const open = (at: string) => openStores(at, { ...createTestDeps().depsOf('auth-service'), thread })

  describeStores('MongoDB', () => open(newUrl()))

  it('read and change a user that an earlier version has stored', async () => {
    const at = newUrl()
    const { log, metrics } = createTestDeps().depsOf('auth-service')
    const options = { log, metrics, database: 'none', schemaVersion: 1, steps: null, collections: [usersBefore] }
    const before = await openMongo(at, options)
    const old = {
      id: 'usr-1',
      username: 'Ada',
      roles: ['user'],
      passwordHash: 'h',
      hasShortPassword: false,
      createdAt: 1,
    }
    const document = { _id: 'ada', ...old, failures: 2, lastFailureAt: 5 }
    await before.collection(usersBefore).insertManyIfAbsent('users.insert', [document])
    await before.close()

    const { users, close } = await open(at)
    const user = await users.findById('usr-1')
    const fresh = { disabled: false, generation: 0, invite: null, version: 0 }
    expect(user).toEqual({ ...old, loginFailures: { count: 2, lastAt: 5 }, ...fresh })
    expect(await users.replace({ ...user!, disabled: true }, 0)).toBe(true)
    expect(await users.findByName('ada')).toEqual({ ...user, disabled: true, version: 1 })
    await close()
    await expect(openMongo(at, options)).rejects.toMatchObject({ code: 'schema-newer' })
  })

  it('read and rotate a session that an earlier version has stored', async () => {
    const at = newUrl()
    const { log, metrics } = createTestDeps().depsOf('auth-service')
    const options = { log, metrics, database: 'none', schemaVersion: 2, steps: null, collections: [sessionsBefore] }
    const before = await openMongo(at, options)
    const times = { createdAt: 1, expiresAt: 100, rotatedAt: 1 }
    const old = { userId: 'usr-1', generation: 0, ...times, hash: 'h', previous: null }
    await before.collection(sessionsBefore).insertManyIfAbsent('sessions.insert', [{ _id: 'one', ...old }])
    await before.close()

    const { sessions, close } = await open(at)
    const known = { id: 'one', ...old, markKey: null }
    expect(await sessions.find('one')).toEqual(known)
    expect(await sessions.rotate({ ...known, hash: 'next', markKey: 'k' }, 'h')).toBe(true)
    expect(await sessions.find('one')).toMatchObject({ hash: 'next', markKey: 'k' })
    await close()
  })
})
