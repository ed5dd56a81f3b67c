import { createManualClock } from '@belfry/service'
import { openMemoryDatabase } from '@belfry/storage/sqlite'
import { describe, expect, it } from 'vitest'
import { migrations } from '../src/index.ts'
import { createSqliteStores } from '../src/store/sqlite/index.ts'
import { polls } from '../src/store/sqlite/schedules.ts'
import { describeStores } from './store.contract.ts'

const clock = createManualClock()

describeStores('SQLite', async () => {
  const db = await openMemoryDatabase(migrations)
  const spoil = db.statement(`UPDATE schedules SET body = '{"state":' WHERE id = ?`)
  return {
    stores: createSqliteStores(db, clock),
    spoil: async (jobId) => void (await db.writeEach('test.spoil', spoil, [[jobId]])),
    close: db.close,
  }
})

describe('the polls', () => {
  it.each(Object.values(polls))('read the index of what is due, and sort nothing: %s', async (sql) => {
    const db = await openMemoryDatabase(migrations)
    const plan = await db.read(db.statement(`EXPLAIN QUERY PLAN ${sql}`), sql.includes('?') ? [0, 0, 0, 1] : [])
    const text = plan.map((row) => String(row[3])).join('; ')
    expect(text).toContain('schedulesDue')
    expect(text).not.toContain('TEMP B-TREE')
    await db.close()
  })
})

describe('poison', () => {
  it('is kept for people to look at', async () => {
    const db = await openMemoryDatabase(migrations)
    const { poison } = createSqliteStores(db, clock)
    const place = {
      topic: 'job-changes',
      group: 'scheduler-service',
      key: 'job-1',
      partition: 3,
      offset: '17',
    } as const
    await poison.keep([{ ...place, raw: new Uint8Array([1, 2]), reason: 'not JSON' }])
    expect(await db.read(db.statement('SELECT topic, key, partition, offset, reason FROM poison'), [])).toEqual([
      ['job-changes', 'job-1', 3, '17', 'not JSON'],
    ])
    await db.close()
  })
})
