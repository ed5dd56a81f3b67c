import { createLog, createManualClock, createMetrics } from '@belfry/service'
import { dropMongoDatabase, peerUrl, uniqueName } from '@belfry/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  createCursorStore,
  createPoisonStore,
  cursorsCollection,
  type MongoDatabase,
  openMongo,
  poisonCollection,
} from '../../src/mongo/index.ts'

const url = peerUrl('mongo') ?? ''

describe.skipIf(url === '')('what every service stores on MongoDB', () => {
  const name = uniqueName('storage')
  let db: MongoDatabase
  beforeAll(async () => {
    db = await openMongo(url, {
      database: name,
      schemaVersion: 1,
      steps: null,
      collections: [cursorsCollection, poisonCollection],
      log: createLog({ level: 'fatal' }),
      metrics: createMetrics().forService('test'),
    })
  })
  afterAll(async () => {
    await db.close()
    await dropMongoDatabase(url, name)
  })

  it('stores the positions of loops, also when two write the first one at once', async () => {
    const cursors = createCursorStore(db)
    expect(await cursors.read('reconcile')).toBe(0)
    await Promise.all([cursors.write('reconcile', 7), cursors.write('reconcile', 7)])
    expect(await cursors.read('reconcile')).toBe(7)
    await cursors.write('reconcile', 3)
    expect(await cursors.read('reconcile')).toBe(3)
  })

  it('stores each poison message once by its place and bytes, and one without a place each time', async () => {
    const poison = createPoisonStore(db, createManualClock(1000))
    const message = {
      topic: 'job-status',
      key: 'job-1',
      partition: 3,
      offset: '17',
      raw: new Uint8Array([0, 255, 36]),
      reason: 'not JSON',
    }
    await poison.keep([message, { ...message, offset: '18' }])
    await poison.keep([message])
    // Of a broker that has lost its data, and counts its offsets from 0 again.
    await poison.keep([{ ...message, raw: new Uint8Array([1]) }])
    const placeless = { ...message, partition: null, offset: null }
    await poison.keep([placeless, placeless])
    const stored = await db.collection(poisonCollection).find('poison.list', {}, { sort: { _id: 1 } })
    expect(stored).toHaveLength(5)
    const first = stored.find(({ offset, size }) => offset === '17' && size === 3)
    expect(first).toMatchObject({ topic: 'job-status', key: 'job-1', partition: 3, offset: '17', size: 3, at: 1000 })
    const raw = first?.raw as unknown as { readonly buffer: Uint8Array } | undefined
    expect([...(raw?.buffer ?? [])]).toEqual([0, 255, 36])
  })
})
