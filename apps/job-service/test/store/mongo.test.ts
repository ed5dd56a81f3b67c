import { isRefusal } from '@belfry/contracts'
import type { RowId } from '@belfry/storage'
import mongoose from 'mongoose'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { cancelledJob, type Job } from '../../src/domain/job.ts'
import type { Stores } from '../../src/store/ports.ts'
import { jobIdOf, jobOf, monday, statusMessage } from '../fixtures.ts'
import { databaseUrl, dropDatabase, mongoUrl, openMongoTestStores, openPassingStores } from './mongo.ts'
import { describeStores } from './store.contract.ts'

// The server is shared with other tests.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

describe.skipIf(mongoUrl === undefined)('MongoDB', () => {
  describeStores('MongoDB', { keepsQuotaExactly: false, sharesWork: true }, () => openPassingStores())

  describe('job-service with two records that belong together', () => {
    const url = databaseUrl(mongoUrl ?? '')
    let stores: Stores
    let connection: mongoose.Connection
    let made = 0
    beforeAll(async () => {
      stores = await openMongoTestStores(url)
      connection = await mongoose.createConnection(url).asPromise()
    })
    afterAll(async () => {
      await stores.close()
      await connection.close()
      await dropDatabase(url)
    })
    const collection = (name: string) => connection.collection<{ _id: string } & Record<string, unknown>>(name)
    const ownerId = () => `usr-${++made}`
    const jobWith = (owner: string, key: string | null = 'key') => jobOf({ n: ++made, ownerId: owner, key })
    const cancelled = (job: Job): Job => {
      const after = cancelledJob(job, monday + 1)
      if (isRefusal(after)) throw new Error(after.detail)
      return after
    }
    const rowIdOf = (id: string) => id as unknown as RowId

    it('gives a key whose job was never stored to another job, and its late creator does not store it', async () => {
      const owner = ownerId()
      const [late, next] = [jobWith(owner), jobWith(owner)]
      await collection('keys').insertOne({ _id: `${owner}:key`, jobId: late.id, formerJobId: null })
      expect(await stores.jobs.find(owner, 'key')).toBeUndefined()
      expect(await stores.jobs.create(next)).toMatchObject({ isNew: true })
      expect(await stores.jobs.create(late)).toBe('key-taken')
      expect((await stores.jobs.find(owner, 'key'))?.id).toBe(next.id)
      // The void id is in no list.
      expect(await stores.jobs.find(owner, late.id)).toBeUndefined()
      expect(await stores.jobs.readMany([rowIdOf(late.id)], [])).toEqual([undefined])
      expect((await stores.jobs.fetch([late.id], 1e6)).data).toEqual([])
      expect((await stores.jobs.listAges(null, 1000)).rows.map(({ rowId }) => rowId)).not.toContain(late.id)
      expect((await stores.jobs.listChanges({ after: 0, limit: 1000, unlistedBefore: 0 })).rows).not.toContainEqual(
        expect.objectContaining({ id: late.id }),
      )
      await stores.executions.applyStatuses([statusMessage({ job: late })])
      expect(await stores.executions.readSeqs([statusMessage({ job: late }).executionId])).toEqual([undefined])
    })

    it('lets the creator whose job was not stored store it when it tries again', async () => {
      const owner = ownerId()
      const job = jobWith(owner)
      await collection('keys').insertOne({ _id: `${owner}:key`, jobId: job.id, formerJobId: null })
      expect(await stores.jobs.create(job)).toMatchObject({ isNew: true })
    })

    it('shows the cancelled job of a key while the next one is not stored', async () => {
      const owner = ownerId()
      const [first, next] = [jobWith(owner), jobWith(owner)]
      await stores.jobs.create(first)
      await stores.jobs.compareAndSet(rowIdOf(first.id), 1, cancelled(first), monday)
      await collection('keys').updateOne({ _id: `${owner}:key` }, { $set: { jobId: next.id, formerJobId: first.id } })
      expect((await stores.jobs.find(owner, 'key'))?.id).toBe(first.id)
    })

    it('frees the key of a job that was purged', async () => {
      const job = jobWith(ownerId())
      await stores.jobs.create(job)
      await stores.jobs.markPublished([{ rowId: rowIdOf(job.id), seq: 1 }])
      expect(await stores.jobs.purgeMany([{ rowId: rowIdOf(job.id), version: 1 }])).toBe(1)
      expect(await collection('keys').findOne({ _id: `${job.ownerId}:key` })).toBeNull()
      expect(await collection('summaries').findOne({ _id: job.id })).toBeNull()
    })

    it('keeps the quota of an owner within a sixteenth of what was left, and counts again after ten seconds', async () => {
      const owner = ownerId()
      const create = () => stores.jobs.create(jobWith(owner, null), 40)
      const answers = []
      for (let n = 0; n < 45; n += 1) answers.push(await create())
      expect(answers.filter((answer) => answer === 'too-many')).toHaveLength(5)
    })

    it('stores names with $ and dots, and numbers, as they were sent', async () => {
      const params = { $where: 'x', 'a.b': { $gt: 1 }, __proto: 1, n: 0.1, big: 2 ** 53 - 1, minus: -0.5, none: null }
      const job = jobOf({ n: ++made, ownerId: ownerId(), params })
      await stores.jobs.create(job)
      expect((await stores.jobs.find(job.ownerId, job.id))?.spec.params).toEqual(params)
      const said = statusMessage({ job, state: 'succeeded', result: params })
      await stores.executions.applyStatuses([said])
      expect((await stores.executions.find(job.ownerId, said.executionId))?.result).toEqual(params)
    })

    it('lists jobs of the time before the order of next runs, until each has its place in it', async () => {
      const owner = ownerId()
      const schedule = { kind: 'cron', cron: '0 3 * * *', timezone: 'UTC' } as const
      const [old, older, paused, fresh] = [1, 2, 3, 4].map(() => jobOf({ n: ++made, ownerId: owner, schedule })) as [
        Job,
        Job,
        Job,
        Job,
      ]
      for (const job of [old, older, paused, fresh]) await stores.jobs.create(job)
      for (const { id } of [old, older, paused])
        await collection('jobs').updateOne({ _id: id }, { $unset: { dueFrom: 1 } })
      await collection('jobs').updateOne({ _id: paused.id }, { $set: { state: 'paused' } })
      const list = (more = {}) =>
        stores.jobs.listByDue(owner, { after: null, limit: 10, fields: [], until: monday + 9000, ...more })
      const rows = await list()
      expect(rows.map(({ rowId, dueFrom }) => [rowId, dueFrom])).toEqual([
        [old.id, 0],
        [older.id, 0],
        [fresh.id, monday],
      ])
      const [first] = await list({ limit: 1 })
      expect((await list({ after: first?.position })).map(({ rowId }) => rowId)).toEqual([older.id, fresh.id])
      await stores.jobs.raiseDue(
        rows.map(({ rowId, version, dueFrom }) => ({ rowId, version, dueFrom, next: monday + 5 })),
      )
      const raised = await list()
      expect(raised.map(({ dueFrom }) => dueFrom)).toEqual([monday + 5, monday + 5, monday + 5])
    })

    it('leaves out a record that cannot be read, and names it to the scheduler', async () => {
      const owner = ownerId()
      const [bad, good] = [jobWith(owner, null), jobWith(owner, null)]
      for (const job of [bad, good]) await stores.jobs.create(job)
      await collection('jobs').updateOne({ _id: bad.id }, { $set: { body: '{' } })
      const { rows } = await stores.jobs.listUnpublished(
        { rows: 1000, bytes: 1e9 },
        { index: 0, instances: 1, overdueAt: 0 },
      )
      expect(rows.map(({ key }) => key)).toContain(good.id)
      expect(rows.map(({ key }) => key)).not.toContain(bad.id)
      const fetched = await stores.jobs.fetch([bad.id, good.id, jobIdOf(0xfffff)], 1e6)
      expect([fetched.data.map(({ jobId }) => jobId), fetched.unreadable]).toEqual([[good.id], [bad.id]])
    })
  })
})
