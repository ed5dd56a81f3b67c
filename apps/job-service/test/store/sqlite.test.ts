import { createManualClock } from '@belfry/service'
import { openMemoryDatabase } from '@belfry/storage/sqlite'
import { describe, expect, it, onTestFinished } from 'vitest'
import { openStores } from '../../src/index.ts'
import { createSqliteStores } from '../../src/store/sqlite/index.ts'
import { migrations } from '../../src/store/sqlite/migrations.ts'
import { jobIdOf, jobOf } from '../fixtures.ts'
import { openTestStores } from '../world.ts'
import { describeStores } from './store.contract.ts'

describeStores('SQLite', { keepsQuotaExactly: true, sharesWork: false }, openTestStores)

describe('jobs on SQLite', () => {
  it('that are the newest are not purged: the number of the row would name another job', async () => {
    const { jobs, close } = await openTestStores()
    onTestFinished(close)
    const rows = []
    for (const n of [1, 2]) {
      const made = await jobs.create(jobOf({ n }))
      if (typeof made === 'object') rows.push({ rowId: made.rowId, version: 1, seq: 1 })
    }
    await jobs.markPublished(rows)
    expect(await jobs.purgeMany(rows)).toBe(1)
    expect((await jobs.readMany([rows[1]!.rowId], []))[0]).toBeDefined()
  })
})

describe('change numbers of jobs on SQLite', () => {
  it('count on after a restart, also when everything was purged that can be', async () => {
    const db = await openMemoryDatabase(migrations)
    const heads: number[] = []
    for (let restart = 1; restart <= 3; restart++) {
      const { jobs } = createSqliteStores(db, createManualClock())
      const made = await jobs.create(jobOf({ n: restart }))
      if (typeof made === 'string') throw new Error(made)
      await jobs.markPublished([{ rowId: made.rowId, seq: 1 }])
      await jobs.purgeMany([{ rowId: made.rowId, version: 1 }])
      const { head } = await jobs.listChanges({ after: 0, limit: 10, unlistedBefore: 0 })
      const after = heads.at(-1) ?? 0
      expect((await jobs.listChanges({ after, limit: 10, unlistedBefore: 0 })).rows).toEqual([
        { id: jobIdOf(restart), version: 1, changeNo: head },
      ])
      heads.push(head)
    }
    expect(heads).toEqual([...new Set(heads)].toSorted((one, other) => one - other))
    await db.close()
  })

  it('of a file of the time before them are the numbers of the rows', async () => {
    const insert = `INSERT INTO owners (id) VALUES ('usr-a');
      INSERT INTO jobs (id, ownerNo, version, state, createdAt, changedAt, fencedVersion, name, jobType, body, params)
      VALUES ('job-1', 1, 3, 0, 1, 9, 3, 'a', 'DUMMY', '{}', '{}'), ('job-2', 1, 1, 0, 1, 5, 1, 'b', 'DUMMY', '{}', '{}')`
    const [first, second, ...rest] = migrations
    const db = await openMemoryDatabase([first!, second!, { name: 'rows of then', sql: insert }, ...rest])
    const { jobs } = createSqliteStores(db, createManualClock())
    await jobs.create(jobOf({ n: 7 }))
    expect(await jobs.listChanges({ after: 0, limit: 10, unlistedBefore: 0 })).toEqual({
      rows: [
        { id: 'job-1', version: 3, changeNo: 1 },
        { id: 'job-2', version: 1, changeNo: 2 },
        { id: jobIdOf(7), version: 1, changeNo: 3 },
      ],
      head: 3,
      hasMore: false,
    })
    await db.close()
  })
})

describe('opening stores', () => {
  it('refuses a scheme without an adapter, and names those there are', async () => {
    await expect(openStores('redis://db', {} as never)).rejects.toThrow(/sqlite:/)
  })
})
