import { isRefusal, type Refusal, scheduledExecutionId } from '@belfry/contracts'
import { type RowId, shardOf, soleShare } from '@belfry/storage'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { triggerCommand } from '../../src/domain/execution.ts'
import {
  cancelledJob,
  deletedJob,
  type Job,
  pausedJob,
  resumedJob,
  updatedJob,
  type Viewer,
} from '../../src/domain/job.ts'
import { noExecutions } from '../../src/domain/status.ts'
import type {
  AgedJob,
  DueCursor,
  DueFence,
  DueJobSummary,
  DuePage,
  DuePauseEnd,
  ExecutionScope,
  ExecutionSummary,
  JobSummary,
  ListPosition,
  ListQuery,
  LongField,
  StoredJob,
  Stores,
} from '../../src/store/ports.ts'
import { type JobWish, jobIdOf, jobOf, minted, monday, statusMessage } from '../fixtures.ts'
import { describeNotifications } from './notifications.contract.ts'
import { describeSecrets } from './secrets.contract.ts'

/** What a database can do beyond the ports. */
export interface StoreCapabilities {
  /** `create` counts the owner's jobs and stores the new one in one step, so that calls at the same time keep the quota. */
  readonly keepsQuotaExactly: boolean
  /** Several instances share the work. Where the database belongs to one process, each share is all of it. */
  readonly sharesWork: boolean
}

/** What the ports of job-service promise, whatever the database. `open` gives empty stores. */
export function describeStores(database: string, capabilities: StoreCapabilities, open: () => Promise<Stores>) {
  describe(`the stores of job-service on ${database}`, () => {
    let stores: Stores
    let made = 0
    beforeAll(async () => {
      stores = await open()
    })
    afterAll(() => stores.close())

    const owner = () => `usr-${(made++).toString().padStart(6, '0')}`
    const put = async (wish: JobWish = {}): Promise<StoredJob> => {
      const job = jobOf({ n: ++made, ownerId: owner(), ...wish })
      await stores.jobs.create(job)
      return (await stores.jobs.find(job.ownerId, job.id)) as StoredJob
    }
    const again = async (job: Job) => (await stores.jobs.find(job.ownerId, job.id)) as StoredJob
    const first = (limit: number) => ({ after: null, limit, fields: [] })
    const allowed = (after: Job | Refusal): Job => {
      if (isRefusal(after)) throw new Error(after.detail)
      return after
    }
    const cancelled = (job: Job) => allowed(cancelledJob(job, monday + 1))
    interface TriggerWish {
      reason?: string | null
      nextSendAt?: number
      params?: Record<string, unknown>
    }
    const trigger = (job: StoredJob, n: number, { params, ...more }: TriggerWish = {}) => {
      const executionId = `exe-${monday.toString(36)}-${minted(n)}`
      const command = triggerCommand(job, { executionId, plannedAt: monday, ...(params && { params }) })
      const about = { jobRowId: job.rowId, command, hasOwnParams: params !== undefined }
      return { ...about, reason: null, nextSendAt: monday + 5000, ...more }
    }

    describe('notifications', () => describeNotifications(() => stores, owner, capabilities.sharesWork))

    describe('a secret', () => describeSecrets(() => stores, owner))

    describe('a job', () => {
      it('is found by id and key, whole as it was stored, by its owner alone', async () => {
        const schedule = { kind: 'once', runAt: monday + 5 } as const
        const job = await put({ key: 'nightly', schedule })
        const { rowId, fencedVersion, isPublished, known, ...stored } = job
        expect(stored).toEqual(
          jobOf({ n: Number.parseInt(job.id.slice(-12), 16), ownerId: job.ownerId, key: 'nightly', schedule }),
        )
        expect({ fencedVersion, isPublished, known }).toEqual({
          fencedVersion: 1,
          isPublished: false,
          known: noExecutions,
        })
        expect(await stores.jobs.find(job.ownerId, 'nightly')).toEqual(job)
        expect(await stores.jobs.readMany([rowId], ['params'])).toEqual([job])
        expect(await stores.jobs.find(owner(), job.id)).toBeUndefined()
        expect(await stores.jobs.find(owner(), 'nightly')).toBeUndefined()
        expect(await stores.jobs.findById(job.id)).toEqual(job)
        expect(await stores.jobs.findById(jobIdOf(0xfffff))).toBeUndefined()
      })

      it('is listed to its viewers from the change that names them until the one that does not', async () => {
        const [ann, ben] = [owner(), owner()].map((id) => ({ id, username: `name of ${id}` })) as [Viewer, Viewer]
        const job = await put({ viewers: [ann] })
        const other = await put({ viewers: [ann, ben] })
        expect((await again(job)).viewers).toEqual([ann])
        const shared = async ({ id }: Viewer, query: ListQuery = first(10)) =>
          (await stores.jobs.listSummaries({ viewerId: id }, query)).map(({ rowId }) => rowId)
        expect([await shared(ann), await shared(ben)]).toEqual([[other.rowId, job.rowId], [other.rowId]])
        const [newest] = await stores.jobs.listSummaries({ viewerId: ann.id }, first(1))
        expect(await shared(ann, { ...first(10), after: newest?.position ?? null })).toEqual([job.rowId])
        const next = allowed(updatedJob(job, { ...job, viewers: [ben] }, monday + 1))
        expect(await stores.jobs.compareAndSet(job.rowId, 1, next, monday)).toBe(true)
        expect((await again(job)).viewers).toEqual([ben])
        expect([await shared(ann), await shared(ben)]).toEqual([[other.rowId], [other.rowId, job.rowId]])
        const late = { ...next, viewers: [ann], changedAt: monday + 99 }
        expect(await stores.jobs.compareAndSet(job.rowId, 1, late, monday)).toBe(false)
        expect([await shared(ann), await shared(ben)]).toEqual([[other.rowId], [other.rowId, job.rowId]])
        const gone = allowed(deletedJob(await again(job), monday + 2))
        await stores.jobs.compareAndSet(job.rowId, 2, gone, monday)
        expect(await shared(ben)).toEqual([other.rowId])
      })

      it('is on the list of all users, newest first', async () => {
        const [one, two] = [await put(), await put()]
        const [newest, second] = await stores.jobs.listSummaries('all', first(2))
        expect([newest?.rowId, second?.rowId]).toEqual([two.rowId, one.rowId])
        const behind = await stores.jobs.listSummaries('all', { ...first(1), after: newest?.position ?? null })
        expect(behind.map(({ rowId }) => rowId)).toEqual([one.rowId])
      })

      it('has its key to itself among the jobs of its owner', async () => {
        const job = await put({ key: 'mine' })
        expect(await stores.jobs.create(jobOf({ n: ++made, ownerId: job.ownerId, key: 'mine' }))).toBe('key-taken')
        expect(await stores.jobs.create(jobOf({ n: ++made, ownerId: owner(), key: 'mine' }))).toMatchObject({
          isNew: true,
        })
      })

      it('frees its key when it is cancelled, and is found by it until another job has it', async () => {
        const first = await put({ key: 'again' })
        const { ownerId } = first
        await stores.jobs.compareAndSet(first.rowId, 1, cancelled(first), monday)
        expect((await stores.jobs.find(ownerId, 'again'))?.id).toBe(first.id)
        const second = await put({ ownerId, key: 'again' })
        expect((await stores.jobs.find(ownerId, 'again'))?.id).toBe(second.id)
        await stores.jobs.compareAndSet(second.rowId, 1, cancelled(second), monday)
        expect((await stores.jobs.find(ownerId, 'again'))?.id).toBe(second.id)
        // Made again under its id, as by a request that is tried again: its key counts no more.
        const third = await put({ ownerId, key: 'again' })
        expect(await stores.jobs.create(first)).toEqual({ rowId: first.rowId, isNew: false })
        expect((await stores.jobs.find(ownerId, 'again'))?.id).toBe(third.id)
      })

      it('is stored among many, each on its own, and each is answered in its place', async () => {
        const ownerId = owner()
        const [first, second, third] = [1, 2, 3].map((n) => jobOf({ n: made + n, ownerId, key: `many-${n}` })) as [
          Job,
          Job,
          Job,
        ]
        made += 3
        await stores.jobs.create(second)
        const clash = jobOf({ n: ++made, ownerId, key: 'many-2' })
        const answers = await stores.jobs.createMany([first, second, clash, third])
        expect(answers).toEqual([
          { rowId: expect.anything(), isNew: true },
          { rowId: expect.anything(), isNew: false },
          'key-taken',
          { rowId: expect.anything(), isNew: true },
        ])
        expect((await stores.jobs.find(ownerId, 'many-3'))?.id).toBe(third.id)
        const { rows } = await stores.jobs.listUnpublished({ rows: 10_000, bytes: 100_000_000 }, soleShare)
        const keys = rows.map(({ key }) => key)
        expect(keys).toEqual(expect.arrayContaining([first.id, second.id, third.id]))
        const { rows: changed } = await stores.jobs.listChanges({ after: 0, limit: 10_000, unlistedBefore: 0 })
        const numbers = changed.filter(({ id }) => [first.id, third.id].includes(id)).map(({ changeNo }) => changeNo)
        expect(new Set(numbers).size).toBe(2)
        expect(await stores.jobs.createMany([])).toEqual([])
      })

      it('among many counts against the quota of its owner', async () => {
        const [one, two] = [owner(), owner()]
        const jobs = [one, one, two, one].map((ownerId) => jobOf({ n: ++made, ownerId }))
        const answers = await stores.jobs.createMany(jobs, 1)
        expect(answers.filter((answer) => typeof answer === 'object')).toHaveLength(
          capabilities.keepsQuotaExactly ? 2 : answers.filter((answer) => typeof answer === 'object').length,
        )
        const later = await stores.jobs.createMany([jobOf({ n: ++made, ownerId: one })], 1)
        expect(later).toEqual(['too-many'])
        expect(answers[2]).toMatchObject({ isNew: true })
      })

      it('stays as it is when it is made again under its id', async () => {
        const job = await put({ key: 'once', name: 'first' })
        const second = { ...job, spec: { ...job.spec, name: 'second' } }
        expect(await stores.jobs.create(second)).toEqual({ rowId: job.rowId, isNew: false })
        expect((await again(job)).spec.name).toBe('first')
      })

      it('is on no list once it is deleted, frees its key, and leaves a tombstone', async () => {
        const job = await put({ key: 'gone' })
        const { ownerId } = job
        expect(await stores.jobs.compareAndSet(job.rowId, 1, allowed(deletedJob(job, monday + 1)), monday)).toBe(true)
        expect(await stores.jobs.listSummaries({ ownerId }, first(10))).toEqual([])
        const tombstone = { id: job.id, state: 'deleted', version: 2 }
        expect(await stores.jobs.find(ownerId, job.id)).toMatchObject(tombstone)
        expect(await stores.jobs.find(ownerId, 'gone')).toMatchObject(tombstone)
        expect(await stores.jobs.create(job)).toEqual({ rowId: job.rowId, isNew: false })
        const second = await put({ ownerId, key: 'gone' })
        expect((await stores.jobs.find(ownerId, 'gone'))?.id).toBe(second.id)
        expect((await stores.jobs.listSummaries({ ownerId }, first(10))).map(({ rowId }) => rowId)).toEqual([
          second.rowId,
        ])
      })

      it('is listed from the end of its pause on until it is resumed', async () => {
        const job = await put()
        const until = monday + 3_600_000
        const due = async (at: number) =>
          (await stores.jobs.listPauseEnds(at, 1000, soleShare)).rows.filter(({ jobId }) => jobId === job.id)
        const pause = allowed(pausedJob(job, until, monday + 1))
        await stores.jobs.compareAndSet(job.rowId, 1, pause, monday)
        expect(await again(job)).toMatchObject({ state: 'paused', pauseUntil: until })
        expect(await due(until - 1)).toEqual([])
        expect(await due(until)).toEqual([{ jobId: job.id, ownerId: job.ownerId }])
        const active = allowed(resumedJob(pause, until))
        await stores.jobs.compareAndSet(job.rowId, 2, active, monday)
        expect(await again(job)).toMatchObject({ state: 'active', pauseUntil: null })
        expect(await due(until)).toEqual([])
      })

      it('says what paused it, and why, until it is resumed', async () => {
        const job = await put()
        const pause = { by: 'bulk', reason: 'deployment' } as const
        const paused = allowed(pausedJob(job, null, monday + 1, pause))
        await stores.jobs.compareAndSet(job.rowId, 1, paused, monday)
        expect((await again(job)).pause).toEqual(pause)
        await stores.jobs.compareAndSet(job.rowId, 2, allowed(resumedJob(paused, monday + 2)), monday)
        expect((await again(job)).pause).toBeNull()
      })

      it('is listed among other pauses that end, page by page in the order of their ends', async () => {
        const ends = [5, 3, 9, 3, 7].map((seconds) => monday + 7_200_000 + seconds * 1000)
        const jobs: StoredJob[] = []
        for (const until of ends) {
          const job = await put()
          await stores.jobs.compareAndSet(job.rowId, 1, allowed(pausedJob(job, until, monday)), monday)
          jobs.push(job)
        }
        const found: string[] = []
        for (let after: DueCursor | null = null; ; ) {
          const page: DuePage<DuePauseEnd> = await stores.jobs.listPauseEnds(Math.max(...ends), 2, soleShare, after)
          found.push(...page.rows.map(({ jobId }) => jobId))
          after = page.next
          if (!after) break
        }
        const [five, three, nine, alsoThree, seven] = jobs.map(({ id }) => id)
        const ours = found.filter((id) => jobs.some((job) => job.id === id))
        expect([ours.slice(0, 2).toSorted(), ours.slice(2)]).toEqual([
          [three, alsoThree].toSorted(),
          [five, seven, nine],
        ])
      })

      it('stores one of two changes that were made of the same version', async () => {
        const job = await put()
        const changed = cancelled(job)
        expect(await stores.jobs.compareAndSet(job.rowId, 1, changed, monday + 5000)).toBe(true)
        expect(await stores.jobs.compareAndSet(job.rowId, 1, { ...changed, changedAt: monday + 99 }, monday)).toBe(
          false,
        )
        expect(await again(job)).toMatchObject({
          version: 2,
          state: 'cancelled',
          changedAt: monday + 1,
          fencedVersion: 1,
        })
      })

      it('is unpublished until the very version that was sent is marked as published', async () => {
        const job = await put()
        const rowsOf = async () =>
          (await stores.jobs.listUnpublished({ rows: 100_000, bytes: 1e9 }, soleShare)).rows.filter(
            (row) => row.key === job.id,
          )
        expect(await rowsOf()).toMatchObject([{ rowId: job.rowId, seq: 1, value: { jobId: job.id, version: 1 } }])
        await stores.jobs.compareAndSet(job.rowId, 1, cancelled(job), monday)
        await stores.jobs.markPublished([{ rowId: job.rowId, seq: 1 }])
        expect(await again(job)).toMatchObject({ isPublished: false })
        expect(await rowsOf()).toMatchObject([{ seq: 2, value: { state: 'cancelled' } }])
        await stores.jobs.markPublished([{ rowId: job.rowId, seq: 2 }])
        expect(await again(job)).toMatchObject({ isPublished: true })
        expect(await rowsOf()).toEqual([])
      })

      it('has a due fence from its change until the executors have confirmed that version', async () => {
        const job = await put()
        const due = async (at: number) =>
          (await stores.jobs.listDueFences(at, 1000, soleShare)).rows.filter((fence) => fence.jobId === job.id)
        expect(await due(Number.MAX_SAFE_INTEGER)).toEqual([])
        await stores.jobs.compareAndSet(job.rowId, 1, cancelled(job), monday + 5000)
        expect(await due(monday + 4999)).toEqual([])
        const [fence] = await due(monday + 5000)
        expect(fence).toMatchObject({ version: 2, tries: 0, changes: [{ version: 2, kind: 'cancel' }] })
        if (!fence) return
        await stores.jobs.postponeFenceIfUnchanged(fence, monday + 15_000)
        await stores.jobs.postponeFenceIfUnchanged(fence, monday + 16_000)
        expect(await due(monday + 5000)).toEqual([])
        expect(await due(monday + 15_000)).toMatchObject([{ tries: 1 }])
        await stores.jobs.markFenced(job.rowId, 1)
        expect(await due(monday + 15_000)).toHaveLength(1)
        await stores.jobs.markFenced(job.rowId, 2)
        expect(await due(Number.MAX_SAFE_INTEGER)).toEqual([])
        await stores.jobs.postponeFenceIfUnchanged({ ...fence, nextAt: monday + 15_000 }, monday + 20_000)
        expect(await due(Number.MAX_SAFE_INTEGER)).toEqual([])
        expect(await again(job)).toMatchObject({ fencedVersion: 2 })
      })

      it('counts against the quota of its owner until it is cancelled', async () => {
        const ownerId = owner()
        const create = () => stores.jobs.create(jobOf({ n: ++made, ownerId }), 2)
        const one = await put({ ownerId })
        expect(await create()).toMatchObject({ isNew: true })
        expect(await create()).toBe('too-many')
        expect([await stores.jobs.countLive(ownerId, 9), await stores.jobs.countLive(ownerId, 1)]).toEqual([2, 1])
        expect(await stores.jobs.countLive(owner(), 9)).toBe(0)
        expect(await stores.jobs.create(one, 2)).toEqual({ rowId: one.rowId, isNew: false })
        await stores.jobs.compareAndSet(one.rowId, 1, cancelled(one), monday)
        expect(await stores.jobs.countLive(ownerId, 9)).toBe(1)
        expect(await create()).toMatchObject({ isNew: true })
        expect(await create()).toBe('too-many')
      })

      it.runIf(capabilities.keepsQuotaExactly)('keeps the quota also among calls at the same time', async () => {
        const ownerId = owner()
        const create = () => stores.jobs.create(jobOf({ n: ++made, ownerId }), 2)
        const answers = await Promise.all([create(), create(), create(), create()])
        expect(answers.filter((answer) => answer === 'too-many')).toHaveLength(2)
      })

      it('has its key to itself also among calls at the same time, each of which may be repeated', async () => {
        const ownerId = owner()
        const jobs = [1, 2, 3].map(() => jobOf({ n: ++made, ownerId, key: 'one' }))
        const answers = await Promise.all([...jobs, ...jobs].map((job) => stores.jobs.create(job)))
        const found = await stores.jobs.find(ownerId, 'one')
        const winner = jobs.findIndex(({ id }) => id === found?.id)
        for (const [index, answer] of answers.entries()) {
          if (index % 3 === winner) expect(answer).toMatchObject({ rowId: found?.rowId })
          else expect(answer).toBe('key-taken')
        }
        expect([answers[winner], answers[winner + 3]]).toContainEqual({ rowId: found?.rowId, isNew: true })
      })

      it('has one of the changes that come at the same time', async () => {
        const job = await put()
        const change = () => stores.jobs.compareAndSet(job.rowId, 1, cancelled(job), monday)
        expect((await Promise.all([change(), change(), change()])).filter(Boolean)).toHaveLength(1)
      })

      it('is among the due fences in pages, the longest waiting first', async () => {
        const from = monday - 9_000_000
        const jobs: StoredJob[] = []
        for (const offset of [3, 1, 2, 2, 1]) {
          const job = await put()
          await stores.jobs.compareAndSet(job.rowId, 1, cancelled(job), from + offset)
          jobs.push(job)
        }
        const seen: DueFence[] = []
        for (let after: DueCursor | null = null; ; ) {
          const page: DuePage<DueFence> = await stores.jobs.listDueFences(from + 3, 2, soleShare, after)
          seen.push(...page.rows)
          if (page.next === null) break
          after = page.next
        }
        expect(seen.map(({ nextAt }) => nextAt - from)).toEqual([1, 1, 2, 2, 3])
        expect(new Set(seen.map(({ jobId }) => jobId))).toEqual(new Set(jobs.map(({ id }) => id)))
        for (const { rowId } of jobs) await stores.jobs.markFenced(rowId, 2)
      })

      it('is listed newest first, page by page, without gaps and doubles', async () => {
        const ownerId = owner()
        const ids: string[] = []
        for (let n = 0; n < 12; n++) ids.unshift((await put({ ownerId })).id)
        await fc.assert(
          fc.asyncProperty(fc.integer({ min: 1, max: 13 }), async (limit) => {
            const seen: string[] = []
            for (let after: ListPosition | null = null; ; ) {
              const page: JobSummary[] = await stores.jobs.listSummaries({ ownerId }, { after, limit, fields: [] })
              seen.push(
                ...(
                  await stores.jobs.readMany(
                    page.map((one) => one.rowId),
                    [],
                  )
                ).map((job) => job?.id ?? 'gone'),
              )
              if (page.length < limit) break
              after = page.at(-1)?.position ?? null
            }
            expect(seen).toEqual(ids)
          }),
          { numRuns: 13 },
        )
      })

      it('has positions that its store tells from others, also after JSON', async () => {
        const job = await put()
        await stores.executions.applyStatuses([statusMessage({ job })])
        const [listed] = await stores.jobs.listSummaries({ ownerId: job.ownerId }, first(1))
        const [execution] = await stores.executions.listSummaries({ jobRowId: job.rowId }, first(1))
        const again = (value: unknown) => JSON.parse(JSON.stringify(value)) as unknown
        expect(stores.jobs.isPosition(again(listed?.position))).toBe(true)
        expect(stores.executions.isPosition(again(execution?.position))).toBe(true)
        for (const other of [null, 5, 'text', {}, [], [null], [{}], [-1], [1.5], [1, 2, 3]]) {
          expect([stores.jobs.isPosition(other), stores.executions.isPosition(other)]).toEqual([false, false])
        }
        expect(stores.jobs.isPosition(again(execution?.position))).toBe(false)
        expect(stores.executions.isPosition(again(listed?.position))).toBe(false)
      })

      it('has a summary with all that filters ask for', async () => {
        const job = await put({ key: 'filtered', schedule: { kind: 'once', runAt: monday } })
        await stores.executions.applyStatuses([statusMessage({ job, state: 'failed' })])
        const [summary] = await stores.jobs.listSummaries({ ownerId: job.ownerId }, first(10))
        expect(summary).toEqual({
          rowId: job.rowId,
          position: expect.any(Array),
          bytes: expect.any(Number),
          name: 'nightly',
          key: 'filtered',
          jobType: 'DUMMY',
          createdAt: monday,
          tags: [],
          statusInput: {
            state: 'active',
            isPublished: false,
            runAt: monday,
            last: { id: scheduledExecutionId(job.id, monday), status: 'FAILED', fireAt: monday, endedAt: null },
            running: null,
            retrying: null,
          },
        })
      })

      it('has its tags in the summary where they are asked for', async () => {
        const job = await put({ tags: ['nightly', 'eu'] })
        const { ownerId } = job
        const [without] = await stores.jobs.listSummaries({ ownerId }, first(1))
        const [withTags] = await stores.jobs.listSummaries({ ownerId }, { ...first(1), withTags: true })
        expect([without?.tags, withTags?.tags]).toEqual([[], ['nightly', 'eu']])
      })

      it('is listed in the order of next runs from the moment of its change, or its time, on', async () => {
        const ownerId = owner()
        const cron = { kind: 'cron', cron: '0 3 * * *', timezone: 'UTC' } as const
        const later = await put({ ownerId, schedule: { kind: 'once', runAt: monday + 5000 } })
        const sooner = await put({ ownerId, schedule: cron, now: monday + 2000 })
        const soonest = await put({ ownerId, schedule: { kind: 'once', runAt: monday + 1000 } })
        await put({ ownerId })
        await put({ schedule: cron })
        const list = async (until = monday + 9000, after: ListPosition | null = null, limit = 10) =>
          stores.jobs.listByDue(ownerId, { after, limit, fields: [], until })
        const idsOf = (rows: readonly DueJobSummary[]) => rows.map(({ rowId }) => rowId)
        const [a, b, c] = [soonest, sooner, later].map(({ rowId }) => rowId)
        expect(idsOf(await list())).toEqual([a, b, c])
        expect(idsOf(await list(monday + 2000))).toEqual([a, b])
        const [one] = await list(monday + 9000, null, 1)
        expect(one).toMatchObject({ rowId: a, version: 1, dueFrom: monday + 1000, jobType: 'DUMMY' })
        expect(stores.jobs.isDuePosition(JSON.parse(JSON.stringify(one?.position)))).toBe(true)
        for (const other of [null, 'x', [1], [1, 2, 3], [-1, 1], [null, null]])
          expect(stores.jobs.isDuePosition(other)).toBe(false)
        expect(idsOf(await list(monday + 9000, one?.position))).toEqual([b, c])
        const raise = (dueFrom: number, next: number | null, version = 1) =>
          stores.jobs.raiseDue([{ rowId: sooner.rowId, version, dueFrom, next }])
        await raise(monday + 2000, monday + 6000, 2)
        await raise(monday + 1999, monday + 6000)
        expect(idsOf(await list())).toEqual([a, b, c])
        await raise(monday + 2000, monday + 6000)
        expect(idsOf(await list())).toEqual([a, c, b])
        const paused = allowed(pausedJob(later, null, monday + 1))
        await stores.jobs.compareAndSet(later.rowId, 1, paused, monday)
        expect(idsOf(await list())).toEqual([a, b])
        await stores.jobs.compareAndSet(later.rowId, 2, allowed(resumedJob(paused, monday + 2)), monday)
        expect(idsOf(await list())).toEqual([a, c, b])
        await raise(monday + 6000, null)
        expect(idsOf(await list(Number.MAX_SAFE_INTEGER))).toEqual([a, c])
      })

      it('is read with its params only where they are asked for, and counts its bytes like that', async () => {
        const job = await put({ params: { text: 'é'.repeat(5000) } })
        const bytesWith = async (fields: LongField[]) =>
          (await stores.jobs.listSummaries({ ownerId: job.ownerId }, { ...first(1), fields }))[0]?.bytes ?? 0
        const [without] = await stores.jobs.readMany([job.rowId], [])
        const { params, ...spec } = job.spec
        expect(without).toEqual({ ...job, spec })
        expect(await bytesWith([])).toBeLessThan(1000)
        expect((await bytesWith(['params'])) - (await bytesWith([]))).toBe(Buffer.byteLength(JSON.stringify(params)))
        expect((await stores.jobs.fetch([job.id], 1e6)).data[0]?.spec.params).toEqual(params)
        await stores.jobs.compareAndSet(job.rowId, 1, cancelled(job), monday)
        expect((await again(job)).spec.params).toEqual(params)
      })

      it('is listed among the changes in order of its change numbers, in pages, whatever the clocks show', async () => {
        const head = async () => (await stores.jobs.listChanges({ after: 0, limit: 1, unlistedBefore: 0 })).head
        const before = await head()
        const [a, b] = [await put({ now: monday + 9_000_000 }), await put()]
        const c = await put({ now: monday - 9_000_000 })
        await stores.jobs.compareAndSet(a.rowId, 1, cancelled(a), monday)
        const listed: { id: string; version: number; changeNo: number }[] = []
        for (let after = before; ; after = listed.at(-1)?.changeNo ?? after) {
          const page = await stores.jobs.listChanges({ after, limit: 2, unlistedBefore: 0 })
          expect(page.rows.length).toBeLessThanOrEqual(2)
          listed.push(...page.rows)
          if (!page.hasMore) break
        }
        expect(listed.map(({ id, version }) => [id, version])).toEqual([
          [b.id, 1],
          [c.id, 1],
          [a.id, 2],
        ])
        const numbers = listed.map(({ changeNo }) => changeNo)
        expect(numbers).toEqual([...new Set(numbers)].sort((one, other) => one - other))
        expect(await head()).toBeGreaterThanOrEqual(numbers.at(-1) ?? 0)
        // A write that changed nothing, marks and fences are no changes.
        const after = await head()
        await stores.jobs.compareAndSet(b.rowId, 7, cancelled(b), monday)
        await stores.jobs.create(b)
        await stores.jobs.markPublished([{ rowId: b.rowId, seq: 1 }])
        await stores.jobs.markFenced(a.rowId, 2)
        expect((await stores.jobs.listChanges({ after, limit: 10, unlistedBefore: 0 })).rows).toEqual([])
      })

      it('is fetched whole by its id, with the ids that were left out', async () => {
        const job = await put()
        const fetched = await stores.jobs.fetch([job.id, jobIdOf(0xffff)], 1e6)
        const about = { jobId: job.id, ownerId: job.ownerId, version: 1 }
        expect(fetched).toMatchObject({ data: [about], left: [], unreadable: [] })
      })

      it.runIf(capabilities.sharesWork)('is of one share among several, and of all when it is overdue', async () => {
        const at = monday + 2_000_000
        const jobs: StoredJob[] = []
        for (let n = 0; n < 12; n++) {
          const job = await put({ now: at })
          await stores.jobs.compareAndSet(job.rowId, 1, { ...cancelled(job), changedAt: at }, at)
          jobs.push(job)
        }
        const ids = new Set(jobs.map(({ id }) => id))
        const shareOf = (index: number) => [...ids].filter((id) => shardOf(id) % 3 === index).sort()
        const own = (some: readonly string[]) => some.filter((id) => ids.has(id)).sort()
        for (const index of [0, 1, 2]) {
          for (const overdueAt of [at - 1, at]) {
            const share = { index, instances: 3, overdueAt }
            const expected = overdueAt < at ? shareOf(index) : [...ids].sort()
            const unpublished = await stores.jobs.listUnpublished({ rows: 100_000, bytes: 1e9 }, share)
            expect(own(unpublished.rows.map(({ key }) => key))).toEqual(expected)
            const fences = await stores.jobs.listDueFences(at, 1000, share)
            expect(own(fences.rows.map(({ jobId }) => jobId))).toEqual(expected)
          }
        }
        for (const { rowId } of jobs) await stores.jobs.markFenced(rowId, 2)
      })
    })

    describe('an execution', () => {
      it('of a trigger is stored at once, scheduled, with its plan', async () => {
        const job = await put()
        const wish = trigger(job, 1001, { reason: 'because' })
        expect(await stores.executions.insertTrigger(wish)).toBe(true)
        const { executionId } = wish.command
        const stored = await stores.executions.find(job.ownerId, executionId)
        expect(stored).toMatchObject({
          id: executionId,
          jobId: job.id,
          jobName: 'nightly',
          seq: 0,
          status: 'SCHEDULED',
          reason: 'because',
        })
        expect(stored?.detail).toMatchObject({
          cause: 'manual',
          runAt: monday,
          timeline: { plannedAt: monday, sentAt: null },
        })
        expect(await stores.executions.find(owner(), executionId)).toBeUndefined()
        expect(await stores.executions.findById(executionId)).toEqual(stored)
        expect(await stores.executions.findById(`exe-1-${minted(9999)}`)).toBeUndefined()
      })

      it('of a trigger is stored once, and never for an older version', async () => {
        const job = await put()
        expect(await stores.executions.insertTrigger(trigger(job, 1002))).toBe(true)
        expect(await stores.executions.insertTrigger(trigger(job, 1002))).toBe(false)
        await stores.jobs.compareAndSet(job.rowId, 1, cancelled(job), monday)
        expect(await stores.executions.insertTrigger(trigger(job, 1003))).toBe(false)
        expect(await stores.executions.listSummaries({ jobRowId: job.rowId }, first(10))).toHaveLength(1)
      })

      it('of many triggers are stored in one call, each on its own', async () => {
        const [job, other] = [await put(), await put()]
        await stores.jobs.compareAndSet(other.rowId, 1, cancelled(other), monday)
        const triggers = [trigger(job, ++made), trigger(other, ++made), trigger(job, ++made)]
        expect(await stores.executions.insertTriggers(triggers)).toEqual([true, false, true])
        expect(await stores.executions.insertTriggers(triggers)).toEqual([false, false, false])
        const ids = triggers.map(({ command }) => command.executionId)
        const rowIds = await stores.executions.readRowIds(ids)
        expect(rowIds.map((rowId) => rowId !== undefined)).toEqual([true, false, true])
        const read = await stores.executions.readMany([rowIds[0] as RowId, rowIds[2] as RowId], [])
        expect(read.map((one) => one?.id)).toEqual([ids[0], ids[2]])
        expect(await stores.executions.insertTriggers([])).toEqual([])
        expect(await stores.executions.readRowIds([])).toEqual([])
      })

      it('of a retry names the original, and has a command until a job-status answers it', async () => {
        const job = await put()
        const retryOf = `exe-${monday.toString(36)}-${minted(++made)}`
        const executionId = `exe-${monday.toString(36)}-${minted(++made)}`
        const params = { durationMs: 9 }
        const command = triggerCommand(job, { executionId, plannedAt: monday, params, retryOf })
        const about = { jobRowId: job.rowId, command, hasOwnParams: true, reason: null, nextSendAt: monday + 5000 }
        await stores.executions.insertTrigger(about)
        expect(await stores.executions.readCommand(executionId)).toEqual(command)
        const due = await stores.executions.listDueCommands(monday + 5000, { rows: 1000, bytes: 1e9 }, soleShare)
        expect(due.rows.find((one) => one.command.executionId === executionId)?.command).toEqual(command)
        const found = await stores.executions.find(job.ownerId, executionId)
        expect(found).toMatchObject({ hasOwnParams: true, params, detail: { cause: 'retry', retryOf } })
        await stores.executions.applyStatuses([statusMessage({ job, executionId, cause: 'retry', retryOf })])
        expect(await stores.executions.readCommand(executionId)).toBeUndefined()
        expect(await stores.executions.readCommand(retryOf)).toBeUndefined()
        expect(await stores.executions.find(job.ownerId, executionId)).toMatchObject({ params, detail: { retryOf } })
      })

      it('that failed is a dead letter until it is run again, and shows what did that first', async () => {
        const job = await put()
        const failed = [0, 1, 2].map((n) =>
          statusMessage({ job, fireAt: monday + n, state: 'failed', endedAt: monday + 9 }),
        )
        await stores.executions.applyStatuses(failed)
        const scope = { ownerId: job.ownerId, failed: true } as const
        const list = async (more = {}) => {
          const found = await stores.executions.listSummaries(scope, { ...first(10), ...more })
          return found.map(({ fireAt }) => fireAt - monday)
        }
        expect(await list()).toEqual([2, 1, 0])
        expect(await list({ to: monday + 1 })).toEqual([1, 0])
        const [, middle] = await stores.executions.listSummaries(scope, first(2))
        expect(middle).toMatchObject({ jobRowId: job.rowId })
        expect(await list({ after: middle?.position, to: monday + 1 })).toEqual([0])
        expect(await list({ from: monday + 1 })).toEqual([2, 1])
        expect(await list({ from: monday + 1, to: monday + 1 })).toEqual([1])
        expect(await list({ from: monday + 2, to: monday + 1 })).toEqual([])
        const id = failed[1]?.executionId ?? ''
        const mark = (by: string) =>
          stores.executions.markRetried([
            { id, by },
            { id: 'exe-1-unknown', by },
          ])
        await mark('exe-1-first')
        await mark('exe-1-second')
        expect(await list()).toEqual([2, 0])
        expect(await stores.executions.find(job.ownerId, id)).toMatchObject({ retriedBy: 'exe-1-first' })
        await stores.executions.applyStatuses([
          statusMessage({ job, fireAt: monday + 1, state: 'failed', endedAt: monday + 9, seq: 2 }),
        ])
        expect(await list()).toEqual([2, 0])
        const all = await stores.executions.listSummaries({ ownerId: job.ownerId }, first(10))
        const read = await stores.executions.readMany(
          all.map(({ rowId }) => rowId),
          [],
        )
        expect(read.map((one) => one?.retriedBy)).toEqual([null, 'exe-1-first', null])
        await stores.executions.markRetried([])
      })

      it('takes over a job-status, which answers its command', async () => {
        const job = await put()
        const wish = trigger(job, 1004)
        const { executionId } = wish.command
        await stores.executions.insertTrigger(wish)
        const due = async () =>
          (await stores.executions.listDueCommands(monday + 5000, { rows: 1000, bytes: 1e9 }, soleShare)).rows.filter(
            (one) => one.command.jobId === job.id,
          )
        expect(await due()).toMatchObject([{ tries: 0, command: wish.command }])
        await stores.executions.applyStatuses([statusMessage({ job, executionId, state: 'running', fireAt: monday })])
        expect(await due()).toEqual([])
        expect(await stores.executions.find(job.ownerId, executionId)).toMatchObject({ seq: 1, status: 'RUNNING' })
      })

      it('has the params of its trigger, else those of its job, and a result, where they are asked for', async () => {
        const job = await put({ params: { text: 'x'.repeat(5000) } })
        const own = trigger(job, 1007, { params: { text: 'y'.repeat(9000) } })
        const plain = trigger(job, 1008)
        await stores.executions.insertTrigger(own)
        await stores.executions.insertTrigger(plain)
        const result = { rows: 'z'.repeat(3000) }
        const ofOwn = { job, executionId: own.command.executionId }
        const shown = async (fields: LongField[]) => {
          const rows = await stores.executions.listSummaries({ jobRowId: job.rowId }, { ...first(10), fields })
          const read = await stores.executions.readMany(
            rows.map((row) => row.rowId),
            fields,
          )
          return rows.map(({ id, bytes }, index) => {
            const { params, result } = read[index] ?? {}
            return { id, bytes, has: Object.entries({ params, result }).flatMap(([name, it]) => (it ? [name] : [])) }
          })
        }
        const bytesOf = async (id: string, fields: LongField[]) =>
          (await shown(fields)).find((one) => one.id === id)?.bytes ?? 0
        // Waiting for the executors: the command holds the params.
        expect((await shown([])).map((one) => [one.has, one.bytes < 1000])).toEqual([
          [[], true],
          [[], true],
        ])
        const resend = (
          await stores.executions.listDueCommands(monday + 5000, { rows: 1000, bytes: 1e9 }, soleShare)
        ).rows.filter((one) => one.command.jobId === job.id)
        expect(resend.map((one) => one.command)).toEqual([own.command, plain.command])
        const ended = [ofOwn, { job, executionId: plain.command.executionId }]
        await stores.executions.applyStatuses(ended.map((one) => statusMessage({ ...one, state: 'succeeded', result })))
        expect((await shown([])).map((one) => [one.has, one.bytes < 1000])).toEqual([
          [[], true],
          [[], true],
        ])
        expect((await shown(['result'])).map((one) => one.has)).toEqual([['result'], ['result']])
        expect((await shown(['params'])).map((one) => one.has)).toEqual([['params'], ['params']])
        const whole = async (id: string) => (await stores.executions.find(job.ownerId, id)) ?? { params: {}, result: 0 }
        expect((await whole(own.command.executionId)).params).toEqual(own.command.params)
        expect((await whole(plain.command.executionId)).params).toEqual(job.spec.params)
        expect((await whole(plain.command.executionId)).result).toEqual(result)
        const sizes = await Promise.all(
          [[], ['params'], ['result']].map((fields) => bytesOf(own.command.executionId, fields as LongField[])),
        )
        const [none = 0, withParams = 0, withResult = 0] = sizes
        const bytes = (value: unknown) => Buffer.byteLength(JSON.stringify(value))
        expect([withParams - none, withResult - none]).toEqual([bytes(own.command.params), bytes(result)])
        expect((await bytesOf(plain.command.executionId, ['params'])) - none).toBe(bytes(job.spec.params))
      })

      it('is sent again by one of two processes, later each time', async () => {
        const job = await put()
        await stores.executions.insertTrigger(trigger(job, 1005, { nextSendAt: monday - 10 }))
        const due = async (at: number) =>
          (await stores.executions.listDueCommands(at, { rows: 1, bytes: 1e6 }, soleShare)).rows
        expect(await due(monday - 11)).toEqual([])
        const [send] = await due(monday - 10)
        if (!send) throw new Error('nothing is due')
        const claims = [{ due: send, nextSendAt: monday + 7000 }]
        expect(await stores.executions.postponeManyIfUnchanged(claims)).toEqual([send])
        expect(await stores.executions.postponeManyIfUnchanged(claims)).toEqual([])
        const { rows } = await stores.executions.listDueCommands(monday + 7000, { rows: 1000, bytes: 1e9 }, soleShare)
        expect(rows.find((one) => one.rowId === send.rowId)).toMatchObject({ tries: 1 })
      })

      it('keeps the newest status, in whatever order and however often the messages come', async () => {
        await fc.assert(
          fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 8 }), async (seqs) => {
            const job = await put()
            const said = (seq: number) =>
              statusMessage({ job, seq, result: seq, state: seq === 6 ? 'succeeded' : 'running' })
            const half = Math.ceil(seqs.length / 2)
            await stores.executions.applyStatuses(seqs.slice(0, half).map(said))
            await stores.executions.applyStatuses(seqs.slice(half).map(said))
            const newest = Math.max(...seqs)
            const { executionId } = said(1)
            const here = { id: executionId, fireAt: monday, endedAt: null }
            expect(await stores.executions.find(job.ownerId, executionId)).toMatchObject({
              seq: newest,
              result: newest,
            })
            expect(await stores.executions.readSeqs([executionId, 'exe-0-none'])).toEqual([newest, undefined])
            const { last, running } = (await again(job)).known
            expect(last).toEqual(newest === 6 ? { ...here, status: 'SUCCESS' } : null)
            expect(running).toEqual(newest === 6 ? null : { ...here, status: 'RUNNING' })
          }),
          { numRuns: 40 },
        )
      })

      it('makes the job show the newest that has ended, however late an older one ends, and what is running', async () => {
        const job = await put()
        const say = (offset: number, more: object) =>
          stores.executions.applyStatuses([statusMessage({ job, fireAt: monday + offset, ...more })])
        const known = async () => {
          const { last, running, retrying } = (await again(job)).known
          const at = (one: typeof last) => one && [one.fireAt - monday, one.status]
          return [at(last), at(running), at(retrying)]
        }
        await say(60, { state: 'failed', endedAt: monday + 65 })
        await say(0, { seq: 7, state: 'succeeded', endedAt: monday + 99 })
        await say(90, {})
        expect(await known()).toEqual([[60, 'FAILED'], null, null])
        await say(70, { state: 'running' })
        await say(80, { state: 'running' })
        await say(85, { state: 'ready', failures: 1 })
        expect(await known()).toEqual([
          [60, 'FAILED'],
          [80, 'RUNNING'],
          [85, 'RETRYING'],
        ])
        await say(85, { seq: 2, state: 'superseded', endedAt: monday + 86 })
        await say(80, { seq: 2, state: 'succeeded', endedAt: monday + 86 })
        expect(await known()).toEqual([[80, 'SUCCESS'], [70, 'RUNNING'], null])
        expect((await again(job)).known.last).toMatchObject({ endedAt: monday + 86 })
      })

      it('makes the job show the newest fire time that was handed over, and the first that has not started', async () => {
        const job = await put()
        const handedOver = async () => {
          const { waitingAt, newestAt } = (await again(job)).known
          return [waitingAt, newestAt].map((at) => at && at - monday)
        }
        const at = (offset: number, more: object = {}) => statusMessage({ job, fireAt: monday + offset, ...more })
        expect(await handedOver()).toEqual([null, null])
        await stores.executions.insertTrigger(trigger(job, 1006))
        expect(await handedOver()).toEqual([null, null])
        await stores.executions.applyStatuses([at(30), at(20), at(10)])
        await stores.executions.applyStatuses([at(15)])
        expect(await handedOver()).toEqual([10, 30])
        await stores.executions.applyStatuses([
          at(10, { seq: 2, state: 'running' }),
          at(15, { seq: 2, state: 'succeeded' }),
        ])
        expect(await handedOver()).toEqual([20, 30])
        await stores.executions.applyStatuses([
          at(20, { seq: 2, state: 'failed' }),
          at(30, { seq: 2, state: 'running' }),
        ])
        expect(await handedOver()).toEqual([null, 30])
      })

      it('of an unknown job is left out, and the rest of its batch is stored', async () => {
        const job = await put()
        await stores.executions.applyStatuses([statusMessage({ job: jobOf({ n: 0xdead }) }), statusMessage({ job })])
        expect(await stores.executions.listSummaries({ jobRowId: job.rowId }, first(10))).toHaveLength(1)
      })

      it('is listed by owner, by job, and among the failed, newest fire time first', async () => {
        const ownerId = owner()
        const [a, b] = [await put({ ownerId }), await put({ ownerId })]
        const stranger = await put()
        const said = [0, 1, 2, 3, 4, 5].map((n) =>
          statusMessage({ job: n % 2 ? a : b, fireAt: monday + 10 - n, state: n < 3 ? 'failed' : 'succeeded' }),
        )
        await stores.executions.applyStatuses([...said, statusMessage({ job: stranger, state: 'failed' })])
        const idsOf = async (scope: Parameters<Stores['executions']['listSummaries']>[0], limit: number) => {
          const seen: string[] = []
          for (let after: ListPosition | null = null; ; ) {
            const page: ExecutionSummary[] = await stores.executions.listSummaries(scope, { after, limit, fields: [] })
            seen.push(
              ...(
                await stores.executions.readMany(
                  page.map((one) => one.rowId),
                  [],
                )
              ).map((one) => one?.id ?? 'gone'),
            )
            if (page.length < limit) return seen
            after = page.at(-1)?.position ?? null
          }
        }
        const ids = said.map((message) => message.executionId)
        for (const limit of [1, 2, 3, 10]) {
          expect(await idsOf({ ownerId }, limit)).toEqual(ids)
          expect(await idsOf({ jobRowId: a.rowId }, limit)).toEqual([ids[1], ids[3], ids[5]])
          expect(await idsOf({ ownerId, failed: true }, limit)).toEqual(ids.slice(0, 3))
        }
      })

      it('is listed of shared jobs, of all users, between two moments, and oldest first', async () => {
        const [ownerId, viewerId] = [owner(), owner()]
        const viewers = [{ id: viewerId, username: 'ann' }]
        const [a, b, c] = [await put({ ownerId, viewers }), await put({ viewers, key: 'k', tags: ['eu'] }), await put()]
        // Later than all other executions of this file.
        const begin = monday + 1_000_000
        const said = [0, 1, 2, 3, 4, 5].map((n) =>
          statusMessage({ job: [a, b, c][n % 3] as Job, fireAt: begin + 10 - n, state: n < 3 ? 'failed' : 'running' }),
        )
        await stores.executions.applyStatuses(said)
        const ids = said.map((message) => message.executionId)
        type Query = Parameters<Stores['executions']['listSummaries']>[1]
        const idsOf = async (scope: ExecutionScope, more: Partial<Query>, limit: number) => {
          const seen: string[] = []
          for (let after: ListPosition | null = null; ; ) {
            const page = await stores.executions.listSummaries(scope, { fields: [], ...more, after, limit })
            seen.push(...page.map(({ id }) => id))
            if (page.length < limit) return seen
            after = page.at(-1)?.position ?? null
          }
        }
        const ofViewer = [0, 1, 3, 4].map((n) => ids[n])
        const all = { from: begin }
        for (const limit of [1, 2, 10]) {
          expect(await idsOf({ viewerId }, {}, limit)).toEqual(ofViewer)
          expect(await idsOf({ viewerId }, { isOldestFirst: true }, limit)).toEqual(ofViewer.toReversed())
          expect(await idsOf('all', all, limit)).toEqual(ids)
          expect(await idsOf('all', { ...all, isOldestFirst: true }, limit)).toEqual(ids.toReversed())
          const between = { from: begin + 6, to: begin + 9 }
          expect(await idsOf('all', between, limit)).toEqual(ids.slice(1, 5))
          expect(await idsOf({ ownerId }, { ...between, isOldestFirst: true }, limit)).toEqual([ids[3]])
          expect(await idsOf({ jobRowId: b.rowId }, { isOldestFirst: true }, limit)).toEqual([ids[4], ids[1]])
        }
        for (const scope of ['all', { ownerId }, { viewerId }] as const) {
          const rows = await stores.executions.listSummaries(scope, { ...first(100), ...all, isUnwell: true })
          const plain = await stores.executions.listSummaries(scope, { ...first(100), ...all })
          const failed = (some: readonly ExecutionSummary[]) => some.filter(({ status }) => status === 'FAILED')
          expect(failed(rows)).toEqual(failed(plain))
        }
        const [ofB] = await stores.executions.listSummaries({ jobRowId: b.rowId }, { ...first(1), withJob: true })
        expect(ofB?.job).toEqual({ name: 'nightly', key: 'k', tags: ['eu'] })
        expect((await stores.executions.listSummaries({ jobRowId: b.rowId }, first(1)))[0]?.job).toBeNull()
        expect(await stores.executions.listSummaries({ viewerId: owner() }, first(10))).toEqual([])
      })

      it('counts while it runs among those of its owner, up to a limit', async () => {
        const ownerId = owner()
        const job = await put({ ownerId })
        const running = [0, 1, 2].map((n) => statusMessage({ job, fireAt: monday + n, state: 'running' }))
        await stores.executions.applyStatuses(running)
        const count = (limit: number) => stores.executions.countRunning(ownerId, limit)
        expect([await count(10), await count(2)]).toEqual([3, 2])
        await stores.executions.applyStatuses([statusMessage({ job, fireAt: monday, state: 'succeeded', seq: 2 })])
        expect([await count(10), await stores.executions.countRunning(owner(), 10)]).toEqual([2, 0])
      })
    })

    it('a cursor of a loop is found again', async () => {
      expect(await stores.cursors.read('somewhere')).toBe(0)
      await stores.cursors.write('somewhere', monday)
      await stores.cursors.write('somewhere', monday + 1)
      expect(await stores.cursors.read('somewhere')).toBe(monday + 1)
    })

    describe('retention', () => {
      it('removes what ended before a moment, a few at a time, and nothing else', async () => {
        const job = await put()
        const keep = (fireAt: number, more: object) =>
          stores.executions.applyStatuses([statusMessage({ job, fireAt, state: 'succeeded', ...more })])
        const early = monday - 1_000_000
        await keep(early, { endedAt: early + 1 })
        await keep(early + 1, { endedAt: early + 100 })
        await keep(early + 2, { state: 'running' })
        await keep(early + 3, { endedAt: monday })
        await keep(early + 200, { endedAt: early + 300 })
        const executionId = `exe-${early.toString(36)}-${minted(2001)}`
        const command = triggerCommand(job, { executionId, plannedAt: early })
        await stores.executions.insertTrigger({
          jobRowId: job.rowId,
          command,
          hasOwnParams: false,
          reason: null,
          nextSendAt: early,
        })
        const left = async () =>
          (await stores.executions.listSummaries({ jobRowId: job.rowId }, first(10))).map((one) => one.fireAt - early)
        expect(await stores.executions.purgeEnded(early + 101, 1)).toBe(true)
        expect(await stores.executions.purgeEnded(early + 101, 2)).toBe(false)
        expect(await left()).toEqual([200, 3, 2, 0])
        expect(await stores.executions.find(job.ownerId, executionId)).toMatchObject({ seq: 0, status: 'SCHEDULED' })
      })

      it('removes a job that is published, fenced, and has no copy left', async () => {
        const published = async () => {
          const job = await put()
          await stores.jobs.markPublished([{ rowId: job.rowId, seq: 1 }])
          return job
        }
        const gone = await published()
        const unpublished = await put()
        const [changed, unfenced, copied] = [await published(), await published(), await published()]
        await stores.executions.applyStatuses([statusMessage({ job: gone, fireAt: 5, state: 'succeeded', endedAt: 6 })])
        await stores.executions.purgeEnded(7, 100)
        await stores.executions.applyStatuses([
          statusMessage({ job: copied, fireAt: monday - 9, state: 'succeeded', endedAt: monday }),
        ])
        await stores.jobs.compareAndSet(changed.rowId, 1, cancelled(changed), monday)
        await stores.jobs.markFenced(changed.rowId, 2)
        await stores.jobs.compareAndSet(unfenced.rowId, 1, cancelled(unfenced), monday)
        for (const { rowId } of [changed, unfenced]) await stores.jobs.markPublished([{ rowId, seq: 2 }])
        // SQLite keeps the newest row, whose number it would give again.
        await published()
        const jobs = [gone, unpublished, changed, unfenced, copied]
        const seen = jobs.map(({ rowId }) => ({ rowId, version: rowId === unfenced.rowId ? 2 : 1 }))
        expect(await stores.jobs.purgeMany(seen)).toBe(1)
        expect(await stores.jobs.purgeMany([{ rowId: gone.rowId, version: 1 }])).toBe(0)
        const left = await stores.jobs.readMany(
          jobs.map(({ rowId }) => rowId),
          [],
        )
        expect(left.map((one) => one?.id)).toEqual([undefined, ...jobs.slice(1).map(({ id }) => id)])
        expect(left[4]?.known.last?.fireAt).toBe(monday - 9)
      })

      it('lists the ages of all jobs once, page by page', async () => {
        const ended = await put({ schedule: { kind: 'once', runAt: 5 } })
        await stores.executions.applyStatuses([
          statusMessage({ job: ended, fireAt: 5, state: 'succeeded', endedAt: 6 }),
        ])
        const fresh = await put()
        const ages = new Map<RowId, AgedJob[]>()
        for (let after: RowId | null = null; ; ) {
          const page: { rows: readonly AgedJob[]; next: RowId | null } = await stores.jobs.listAges(after, 7)
          for (const row of page.rows) ages.set(row.rowId, [...(ages.get(row.rowId) ?? []), row])
          if (page.next === null) break
          after = page.next
        }
        expect([...ages.values()].every((rows) => rows.length === 1)).toBe(true)
        expect(ages.get(ended.rowId)).toMatchObject([
          { version: 1, state: 'active', runAt: 5, newest: { fireAt: 5, endedAt: 6 } },
        ])
        expect(ages.get(fresh.rowId)).toMatchObject([{ version: 1, runAt: null, newest: null }])
      })

      it('lists a one-shot to the scheduler until it was over for as long, or while its version is unpublished', async () => {
        const before = monday - 5_000_000
        const { head } = await stores.jobs.listChanges({ after: 0, limit: 1, unlistedBefore: before })
        const at = { runAt: before - 10, now: before - 20 }
        const once = (runAt: number, now: number) => put({ schedule: { kind: 'once', runAt }, now })
        const jobs = {
          over: await once(at.runAt, at.now),
          unpublished: await once(at.runAt, at.now),
          recent: await once(before, at.now),
          changed: await once(at.runAt, before),
          never: await once(at.runAt, at.now),
          earlier: await once(at.runAt, at.now),
          manual: await put({ now: at.now }),
        }
        for (const job of Object.values(jobs)) {
          if (job !== jobs.unpublished) await stores.jobs.markPublished([{ rowId: job.rowId, seq: 1 }])
          const fireAt = job === jobs.earlier ? at.runAt - 1 : before
          if (job !== jobs.never)
            await stores.executions.applyStatuses([statusMessage({ job, fireAt, state: 'running' })])
        }
        const { rows } = await stores.jobs.listChanges({ after: head, limit: 1000, unlistedBefore: before })
        const listed = Object.entries(jobs).filter(([, job]) => rows.some(({ id }) => id === job.id))
        expect(listed.map(([name]) => name)).toEqual(['unpublished', 'recent', 'changed', 'never', 'earlier', 'manual'])
      })

      it('leaves a job its newest execution', async () => {
        const job = await put()
        const early = monday - 2_000_000
        await stores.executions.applyStatuses([statusMessage({ job, fireAt: early, state: 'failed', endedAt: early })])
        await stores.executions.purgeEnded(early + 1, 100)
        expect(await stores.executions.listSummaries({ jobRowId: job.rowId }, first(10))).toEqual([])
        expect((await again(job)).known.last).toMatchObject({ fireAt: early, status: 'FAILED', endedAt: early })
      })
    })

    it.runIf(capabilities.sharesWork)('give each share its own commands, and all that are overdue', async () => {
      const job = await put()
      const at = monday - 3_000_000
      const ids: string[] = []
      for (let n = 0; n < 12; n++) {
        const wish = trigger(job, 9000 + n, { nextSendAt: at })
        await stores.executions.insertTrigger(wish)
        ids.push(wish.command.executionId)
      }
      for (const index of [0, 1, 2]) {
        const due = async (overdueAt: number) => {
          const share = { index, instances: 3, overdueAt }
          const { rows } = await stores.executions.listDueCommands(at, { rows: 1000, bytes: 1e9 }, share)
          return rows.map(({ command }) => command.executionId).sort()
        }
        expect(await due(at - 1)).toEqual(ids.filter((id) => shardOf(id) % 3 === index).sort())
        expect(await due(at)).toEqual([...ids].sort())
      }
    })

    describe('a request', () => {
      const request = (id: string, madeAt = monday) => ({
        id,
        bodyHash: 'hash',
        mintedId: minted(++made),
        madeAt,
        triedBy: 'one',
        triedAt: madeAt,
        answer: null,
      })
      const answer = { status: 201, headers: { location: '/jobs/x' }, body: '{"id":"x"}' }

      it('is inserted once, retaken once, and stores its answer', async () => {
        const first = request('request-1')
        expect(await stores.requests.insert(first, monday)).toBeUndefined()
        expect(await stores.requests.insert(request('request-1'), monday)).toEqual(first)
        expect(await stores.requests.retake(first, 'two', monday + 9)).toBe(true)
        expect(await stores.requests.retake(first, 'three', monday + 9)).toBe(false)
        const second = { ...first, triedBy: 'two', triedAt: monday + 9 }
        expect(await stores.requests.find('request-1')).toEqual(second)
        expect(await stores.requests.storeAnswer(second, answer)).toBe(true)
        const found = await stores.requests.insert(request('request-1'), monday)
        expect(found).toEqual({ ...second, answer })
        expect(await stores.requests.find('request-1')).toEqual(found)
        expect(await stores.requests.find('request-9')).toBeUndefined()
        expect(await stores.requests.retake(second, 'four', monday + 10)).toBe(false)
      })

      it('is answered and removed by its newest try only, and answered once', async () => {
        const first = request('request-5')
        const { requests } = stores
        await requests.insert(first, monday)
        expect(await requests.retake(first, 'two', monday + 9)).toBe(true)
        const second = { ...first, triedBy: 'two', triedAt: monday + 9 }
        for (const old of [first, { ...second, triedAt: monday }, { ...second, triedBy: 'one' }]) {
          expect(await requests.storeAnswer(old, { ...answer, body: '{}' })).toBe(false)
          await requests.removeIfUntouched(old)
        }
        expect(await requests.storeAnswer(second, answer)).toBe(true)
        expect(await requests.storeAnswer(second, { ...answer, body: '{}' })).toBe(false)
        await requests.removeIfUntouched(second)
        expect(await requests.find(first.id)).toEqual({ ...second, answer })
        expect(await requests.storeAnswer(request('request-9'), answer)).toBe(false)
        expect(await requests.find('request-9')).toBeUndefined()
      })

      it('of several inserts, retakes and answers at once one counts', async () => {
        const { requests } = stores
        const fresh = Array.from({ length: 8 }, (_, n) => ({ ...request('request-6'), triedBy: `instance ${n}` }))
        const found = await Promise.all(fresh.map((one) => requests.insert(one, monday)))
        const first = fresh.filter((_, n) => found[n] === undefined)
        expect(first).toHaveLength(1)
        expect(found.filter(Boolean)).toEqual(Array.from({ length: 7 }, () => first[0]))
        const [one] = first as [(typeof first)[0]]
        const retaken = await Promise.all(fresh.map(({ triedBy }) => requests.retake(one, triedBy, monday + 9)))
        expect(retaken.filter(Boolean)).toHaveLength(1)
        const triedBy = fresh[retaken.indexOf(true)]?.triedBy ?? ''
        const tries = fresh.map(() => requests.storeAnswer({ ...one, triedBy, triedAt: monday + 9 }, answer))
        expect((await Promise.all(tries)).filter(Boolean)).toHaveLength(1)
      })

      it('that is too old gives way to one of several inserts', async () => {
        const { requests } = stores
        for (let round = 0; round < 10; round += 1) {
          await requests.insert(request(`request-7-${round}`, 5), 0)
          const fresh = Array.from({ length: 4 }, () => request(`request-7-${round}`, monday))
          const found = await Promise.all(fresh.map((one) => requests.insert(one, monday - 1)))
          expect(found.filter((one) => one === undefined)).toHaveLength(1)
        }
      })

      it('can be inserted again when it was removed, is too old, or was purged', async () => {
        const second = request('request-2')
        await stores.requests.insert(second, monday)
        await stores.requests.removeIfUntouched({ ...second, triedBy: 'two' })
        expect(await stores.requests.insert(second, monday)).toEqual(second)
        await stores.requests.removeIfUntouched(second)
        expect(await stores.requests.insert(second, monday)).toBeUndefined()
        expect(await stores.requests.insert(request('request-2', monday + 100), monday + 1)).toBeUndefined()
        await stores.requests.insert(request('request-3', 5), 0)
        await stores.requests.insert(request('request-4', 6), 0)
        expect(await stores.requests.purge(10, 1)).toBe(true)
        expect(await stores.requests.purge(10, 2)).toBe(false)
        expect(await stores.requests.insert(request('request-3', 5), 0)).toBeUndefined()
      })
    })
  })
}
