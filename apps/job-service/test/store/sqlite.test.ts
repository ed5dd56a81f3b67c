import { describe, expect, it, onTestFinished } from 'vitest'
import { openStores } from '../../src/index.ts'
import { jobOf } from '../fixtures.ts'
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

describe('opening stores', () => {
  it('refuses a scheme without an adapter, and names those there are', async () => {
    await expect(openStores('redis://db', {} as never)).rejects.toThrow(/sqlite:/)
  })
})
