import { createManualClock } from '@belfry/service'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  createPoisonStore,
  type Database,
  openMemoryDatabase,
  type PoisonRow,
  poisonIndex,
  poisonTable,
} from '../src/sqlite/index.ts'

const message = (change: Partial<PoisonRow> = {}): PoisonRow => ({
  topic: 'job-status',
  key: 'job-1',
  partition: 3,
  offset: '17',
  raw: new Uint8Array([1, 2]),
  reason: 'not JSON',
  ...change,
})

describe('the poison store', () => {
  let db: Database
  beforeEach(async () => {
    db = await openMemoryDatabase([{ name: 'poison messages', sql: poisonTable + poisonIndex }])
  })
  afterEach(() => db.close())

  const places = () => db.read(db.statement('SELECT topic, partition, offset FROM poison ORDER BY n'), [])

  it('stores a message with its bytes and the reason', async () => {
    await createPoisonStore(db, createManualClock(1000)).keep([message()])
    const columns = db.statement('SELECT topic, key, partition, offset, raw, reason, at FROM poison')
    expect(await db.read(columns, [])).toEqual([
      ['job-status', 'job-1', 3, '17', new Uint8Array([1, 2]), 'not JSON', 1000],
    ])
  })

  it('stores a message once by topic, partition and offset, however often it is delivered', async () => {
    const poison = createPoisonStore(db, createManualClock())
    await poison.keep([message(), message()])
    await poison.keep([
      message(),
      message({ offset: '18' }),
      message({ partition: 4 }),
      message({ topic: 'job-changes' }),
    ])
    expect(await places()).toEqual([
      ['job-status', 3, '17'],
      ['job-status', 3, '18'],
      ['job-status', 4, '17'],
      ['job-changes', 3, '17'],
    ])
  })

  it('stores every message of a bus without partitions', async () => {
    const poison = createPoisonStore(db, createManualClock())
    const unplaced = message({ partition: null, offset: null })
    await poison.keep([unplaced, unplaced])
    expect(await places()).toHaveLength(2)
  })
})
