import { createManualClock } from '@belfry/service'
import { openMemoryDatabase } from '@belfry/storage/sqlite'
import { describe, expect, it } from 'vitest'
import { createSqliteStores, migrations } from '../../src/store/sqlite/index.ts'
import { polls } from '../../src/store/sqlite/schedules.ts'
import { jobIdOf } from '../fixtures.ts'
import { describeStores } from './store.contract.ts'

const clock = createManualClock()

describeStores('SQLite', async () => {
  const db = await openMemoryDatabase(migrations)
  const spoil = db.statement(`UPDATE schedules SET body = '{"state":' WHERE id = ?`)
  return {
    stores: createSqliteStores(db, clock),
    spoil: async (jobId) => void (await db.writeEach('test.spoil', spoil, [[jobId]])),
    capabilities: { givesRowsInInsertOrder: true },
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

describe('the purge of the fire log', () => {
  it('looks only at the ranges that were stored first: a younger one delays those after it', async () => {
    const { fireLog, close } = createSqliteStores(await openMemoryDatabase(migrations), clock)
    const about = { count: 1, decision: 'missed', reason: 'overdue', version: 1 } as const
    const ranges = [1, 2, 3, 900, 4].map((from) => ({ from, to: from, ...about }))
    await fireLog.upsertMany(ranges.map((range) => ({ jobId: jobIdOf(1), range })))
    const left = async () => (await fireLog.listOfJob(jobIdOf(1), 10)).map(({ from }) => from)
    expect(await fireLog.purge(3, 2)).toBe(true)
    expect(await left()).toEqual([900, 4, 3])
    expect(await fireLog.purge(3, 2)).toBe(false)
    expect(await fireLog.purge(100, 2)).toBe(false)
    expect(await left()).toEqual([900, 4])
    await close()
  })
})

describe('poison', () => {
  it('is stored with its topic, partition and offset', async () => {
    const db = await openMemoryDatabase(migrations)
    const { poison } = createSqliteStores(db, clock)
    const message = {
      topic: 'job-changes',
      group: 'scheduler-service',
      key: 'job-1',
      partition: 3,
      offset: '17',
    } as const
    await poison.keep([{ ...message, raw: new Uint8Array([1, 2]), reason: 'not JSON' }])
    expect(await db.read(db.statement('SELECT topic, key, partition, offset, reason FROM poison'), [])).toEqual([
      ['job-changes', 'job-1', 3, '17', 'not JSON'],
    ])
    await db.close()
  })
})
