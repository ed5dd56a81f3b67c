import { DatabaseSync } from 'node:sqlite'
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
    capabilities: { givesRowsInInsertOrder: true, sharesWork: false },
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
    const left = async () => (await fireLog.listOfJob(jobIdOf(1), { limit: 10 })).map(({ from }) => from)
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

describe('a file of the time before migration 2', () => {
  it('keeps its pending commands, its fire-log outbox and its quarantine, and each poison message once', () => {
    const db = new DatabaseSync(':memory:')
    db.exec(migrations[0]?.sql ?? '')
    const range = { from: 1, to: 2, count: 1, decision: 'missed', reason: 'overdue', version: 1 }
    const pending = [{ fireAt: 5, version: 1, plannedAt: 1, nextSendAt: 6, tries: 0 }]
    const shared = { state: 'active', nextFireAt: 9, lastFireAt: null, fired: 0, pending }
    const body = JSON.stringify({ ...shared, undelivered: [range], aside: null })
    const other = JSON.stringify({ ...shared, undelivered: [], aside: { until: 7, reason: 'no such zone' } })
    const insert = db.prepare('INSERT INTO schedules (id, version, waiting, rev, body, spec) VALUES (?, 1, 1, 1, ?, ?)')
    insert.run('job-1', body, '{}')
    insert.run('job-2', other, '{}')
    insert.run('job-3', '{"state":', '{}')
    const poison = db.prepare(`INSERT INTO poison (topic, key, partition, offset, raw, reason, at)
      VALUES ('job-changes', ?, ?, ?, x'00', 'not JSON', 1)`)
    for (const [key, partition, offset] of [
      ['first', 3, '17'],
      ['again', 3, '17'],
      ['a', null, null],
      ['b', null, null],
    ] as const)
      poison.run(key, partition, offset)

    db.exec(migrations[1]?.sql ?? '')

    const rows = db.prepare('SELECT pending, body FROM schedules ORDER BY n').all()
    expect(rows.map((row) => row.pending)).toEqual([1, 1, 1])
    expect(JSON.parse(String(rows[0]?.body))).toEqual({ ...shared, fireLogOutbox: [range], quarantined: null })
    const quarantined = { until: 7, reason: 'no such zone' }
    expect(JSON.parse(String(rows[1]?.body))).toEqual({ ...shared, fireLogOutbox: [], quarantined })
    expect(rows[2]?.body).toBe('{"state":')
    expect(db.prepare('SELECT key FROM poison ORDER BY n').all()).toEqual([
      { key: 'first' },
      { key: 'a' },
      { key: 'b' },
    ])
  })
})
