import { isRefusal, type JobStatusMessage } from '@belfry/contracts'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { triggerCommand } from '../../src/domain/execution.ts'
import { cancelJob, type Job } from '../../src/domain/job.ts'
import type { StoredJob } from '../../src/domain/ports.ts'
import type { Stores } from '../../src/store/sqlite/index.ts'
import { type JobWish, jobIdOf, jobOf, minted, monday, statusMessage } from '../fixtures.ts'

export interface StoreBody {
  readonly stores: Stores
  close(): Promise<void>
}

/** What job-service's stores promise, whatever body they have. `open` gives empty ones. */
export function describeStores(body: string, open: () => Promise<StoreBody>) {
  describe(`the stores of job-service on ${body}`, () => {
    let opened: StoreBody
    let stores: Stores
    let made = 0
    beforeAll(async () => {
      opened = await open()
      stores = opened.stores
    })
    afterAll(() => opened.close())

    const owner = () => `usr-${(made++).toString().padStart(6, '0')}`
    const put = async (wish: JobWish = {}): Promise<StoredJob> => {
      const job = jobOf({ n: ++made, ownerId: owner(), ...wish })
      await stores.jobs.create(job)
      return (await stores.jobs.find(job.ownerId, job.id)) as StoredJob
    }
    const again = async (job: Job) => (await stores.jobs.find(job.ownerId, job.id)) as StoredJob
    const cancelled = (job: Job) => {
      const after = cancelJob(job, monday + 1)
      if (isRefusal(after)) throw new Error(after.detail)
      return after
    }
    const trigger = (job: StoredJob, n: number, more: { reason?: string | null; nextSendAt?: number } = {}) => {
      const executionId = `exe-${monday.toString(36)}-${minted(n)}`
      const command = triggerCommand(job, { executionId, plannedAt: monday })
      return { job: job.handle, command, reason: null, nextSendAt: monday + 5000, ...more }
    }

    describe('a job', () => {
      it('is found by id and key, whole as it was stored, by its owner alone', async () => {
        const schedule = { kind: 'once', runAt: monday + 5 } as const
        const job = await put({ key: 'nightly', schedule })
        const { handle, fencedVersion, told, newest, ...stored } = job
        expect(stored).toEqual(
          jobOf({ n: Number.parseInt(job.id.slice(-12), 16), ownerId: job.ownerId, key: 'nightly', schedule }),
        )
        expect({ fencedVersion, told, newest }).toEqual({ fencedVersion: 1, told: false, newest: null })
        expect(await stores.jobs.find(job.ownerId, 'nightly')).toEqual(job)
        expect(await stores.jobs.read([handle, 999_999])).toEqual([job])
        expect(await stores.jobs.find(owner(), job.id)).toBeUndefined()
        expect(await stores.jobs.find(owner(), 'nightly')).toBeUndefined()
      })

      it('keeps its key to itself among the jobs of its owner', async () => {
        const job = await put({ key: 'mine' })
        expect(await stores.jobs.create(jobOf({ n: ++made, ownerId: job.ownerId, key: 'mine' }))).toBe('key-taken')
        expect(await stores.jobs.create(jobOf({ n: ++made, ownerId: owner(), key: 'mine' }))).toMatchObject({
          fresh: true,
        })
      })

      it('stays as it is when it is made again under its id', async () => {
        const job = await put({ key: 'once', name: 'first' })
        const second = { ...job, spec: { ...job.spec, name: 'second' } }
        expect(await stores.jobs.create(second)).toEqual({ handle: job.handle, fresh: false })
        expect((await again(job)).spec.name).toBe('first')
      })

      it('takes one of two changes that were made of the same version', async () => {
        const job = await put()
        const changed = cancelled(job)
        expect(await stores.jobs.change(job.handle, 1, changed, monday + 5000)).toBe(true)
        expect(await stores.jobs.change(job.handle, 1, { ...changed, changedAt: monday + 99 }, monday)).toBe(false)
        expect(await again(job)).toMatchObject({
          version: 2,
          state: 'cancelled',
          changedAt: monday + 1,
          fencedVersion: 1,
        })
      })

      it('is untold until the very version that was sent is marked told', async () => {
        const job = await put()
        const rowsOf = async () =>
          (await stores.jobs.untold({ rows: 100_000, bytes: 1e9 })).rows.filter((row) => row.key === job.id)
        expect(await rowsOf()).toMatchObject([{ n: job.handle, seq: 1, value: { jobId: job.id, version: 1 } }])
        await stores.jobs.change(job.handle, 1, cancelled(job), monday)
        await stores.jobs.markTold([{ n: job.handle, seq: 1 }])
        expect(await again(job)).toMatchObject({ told: false })
        expect(await rowsOf()).toMatchObject([{ seq: 2, value: { state: 'cancelled' } }])
        await stores.jobs.markTold([{ n: job.handle, seq: 2 }])
        expect(await again(job)).toMatchObject({ told: true })
        expect(await rowsOf()).toEqual([])
      })

      it('waits for the executors from its change until they confirmed that version', async () => {
        const job = await put()
        const due = async (at: number) =>
          (await stores.jobs.dueFences(at, 1000)).filter((fence) => fence.jobId === job.id)
        expect(await due(Number.MAX_SAFE_INTEGER)).toEqual([])
        await stores.jobs.change(job.handle, 1, cancelled(job), monday + 5000)
        expect(await due(monday + 4999)).toEqual([])
        expect(await due(monday + 5000)).toMatchObject([
          { version: 2, tries: 0, changes: [{ version: 2, kind: 'cancel' }] },
        ])
        await stores.jobs.postponeFence(job.handle, monday + 15_000)
        expect(await due(monday + 5000)).toEqual([])
        expect(await due(monday + 15_000)).toMatchObject([{ tries: 1 }])
        await stores.jobs.markFenced(job.handle, 1)
        expect(await due(monday + 15_000)).toHaveLength(1)
        await stores.jobs.markFenced(job.handle, 2)
        expect(await due(Number.MAX_SAFE_INTEGER)).toEqual([])
        await stores.jobs.postponeFence(job.handle, monday + 20_000)
        expect(await due(Number.MAX_SAFE_INTEGER)).toEqual([])
        expect(await again(job)).toMatchObject({ fencedVersion: 2 })
      })

      it('is listed newest first, page by page, without gaps and doubles', async () => {
        const ownerId = owner()
        const ids: string[] = []
        for (let n = 0; n < 12; n++) ids.unshift((await put({ ownerId })).id)
        await fc.assert(
          fc.asyncProperty(fc.integer({ min: 1, max: 13 }), async (limit) => {
            const seen: string[] = []
            for (let place: readonly number[] | null = null; ; ) {
              const page = await stores.jobs.glance(ownerId, place, limit)
              seen.push(...(await stores.jobs.read(page.map((one) => one.handle))).map((job) => job.id))
              if (page.length < limit) break
              place = page.at(-1)?.place ?? null
            }
            expect(seen).toEqual(ids)
          }),
          { numRuns: 13 },
        )
      })

      it('shows at a glance what filters ask for', async () => {
        const job = await put({ key: 'glance', schedule: { kind: 'once', runAt: monday } })
        await stores.executions.keep([statusMessage({ job, state: 'failed' })])
        const [glance] = await stores.jobs.glance(job.ownerId, null, 10)
        expect(glance).toEqual({
          handle: job.handle,
          place: [job.handle],
          name: 'nightly',
          key: 'glance',
          jobType: 'DUMMY',
          standing: { state: 'active', told: false, runAt: monday, newest: { status: 'FAILED', fireAt: monday } },
        })
      })

      it('turns up in the versions since its change, in pages by time', async () => {
        const now = monday + 1_000_000
        const ownerId = owner()
        const jobs = [await put({ ownerId, now }), await put({ ownerId, now }), await put({ ownerId, now: now + 1 })]
        const first = await stores.jobs.changes({ since: now, after: 0, limit: 2 })
        expect(first).toEqual(
          jobs.slice(0, 2).map((job) => ({ id: job.id, version: 1, changedAt: now, n: job.handle })),
        )
        const last = first.at(-1)
        const rest = await stores.jobs.changes({ since: last?.changedAt ?? 0, after: last?.n ?? 0, limit: 2 })
        expect(rest.map((row) => row.id)).toEqual([jobs[2]?.id])
        const fetched = await stores.jobs.fetch([jobs[0]?.id ?? '', jobIdOf(0xffff)], 1e6)
        expect(fetched).toMatchObject({ data: [{ jobId: jobs[0]?.id, ownerId, version: 1 }], left: [], unreadable: [] })
      })
    })

    describe('an execution', () => {
      it('of a trigger is there at once, scheduled, with what was planned', async () => {
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
      })

      it('of a trigger is stored once, and never for a version that is over', async () => {
        const job = await put()
        expect(await stores.executions.insertTrigger(trigger(job, 1002))).toBe(true)
        expect(await stores.executions.insertTrigger(trigger(job, 1002))).toBe(false)
        await stores.jobs.change(job.handle, 1, cancelled(job), monday)
        expect(await stores.executions.insertTrigger(trigger(job, 1003))).toBe(false)
        expect(await stores.executions.glance({ job: job.handle }, null, 10)).toHaveLength(1)
      })

      it('takes over what the executor says, and its command is answered by that', async () => {
        const job = await put()
        const wish = trigger(job, 1004)
        const { executionId } = wish.command
        await stores.executions.insertTrigger(wish)
        const due = async () =>
          (await stores.executions.dueSends(monday + 5000, { rows: 1000, bytes: 1e9 })).rows.filter(
            (one) => one.command.jobId === job.id,
          )
        expect(await due()).toMatchObject([{ tries: 0, command: wish.command }])
        await stores.executions.keep([statusMessage({ job, executionId, state: 'running', fireAt: monday })])
        expect(await due()).toEqual([])
        expect(await stores.executions.find(job.ownerId, executionId)).toMatchObject({ seq: 1, status: 'RUNNING' })
      })

      it('is sent again by one of those who want to, later each time', async () => {
        const job = await put()
        await stores.executions.insertTrigger(trigger(job, 1005, { nextSendAt: monday - 10 }))
        const due = async (at: number) => (await stores.executions.dueSends(at, { rows: 1, bytes: 1e6 })).rows
        expect(await due(monday - 11)).toEqual([])
        const [send] = await due(monday - 10)
        if (!send) throw new Error('nothing is due')
        const claims = [{ send, nextSendAt: monday + 7000 }]
        expect(await stores.executions.claimSends(claims)).toEqual([send])
        expect(await stores.executions.claimSends(claims)).toEqual([])
        const { rows } = await stores.executions.dueSends(monday + 7000, { rows: 1000, bytes: 1e9 })
        expect(rows.find((one) => one.handle === send.handle)).toMatchObject({ tries: 1 })
      })

      it('keeps the newest word, in whatever order and however often the words come', async () => {
        await fc.assert(
          fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 8 }), async (seqs) => {
            const job = await put()
            const said = (seq: number) =>
              statusMessage({ job, seq, result: seq, state: seq === 6 ? 'succeeded' : 'running' })
            const half = Math.ceil(seqs.length / 2)
            await stores.executions.keep(seqs.slice(0, half).map(said))
            await stores.executions.keep(seqs.slice(half).map(said))
            const newest = Math.max(...seqs)
            const { executionId } = said(1)
            expect(await stores.executions.find(job.ownerId, executionId)).toMatchObject({
              seq: newest,
              detail: { result: newest },
            })
            expect(await stores.executions.seqs([executionId, 'exe-0-none'])).toEqual([newest, undefined])
            const status = newest === 6 ? 'SUCCESS' : 'RUNNING'
            expect((await again(job)).newest).toMatchObject({ id: executionId, fireAt: monday, status })
          }),
          { numRuns: 40 },
        )
      })

      it('makes the job show the newest by fire time, however late an older one is told', async () => {
        const job = await put()
        const at = (offset: number, more: object): JobStatusMessage =>
          statusMessage({ job, fireAt: monday + offset, ...more })
        await stores.executions.keep([at(60_000, { state: 'running' })])
        await stores.executions.keep([at(0, { seq: 7, state: 'failed', endedAt: monday + 5 })])
        expect((await again(job)).newest).toMatchObject({ fireAt: monday + 60_000, status: 'RUNNING', endedAt: null })
        await stores.executions.keep([at(60_000, { seq: 2, state: 'succeeded', endedAt: monday + 60_009 })])
        expect((await again(job)).newest).toMatchObject({ status: 'SUCCESS', endedAt: monday + 60_009 })
      })

      it('of a job that nobody knows is left out, and the rest of its batch is kept', async () => {
        const job = await put()
        await stores.executions.keep([statusMessage({ job: jobOf({ n: 0xdead }) }), statusMessage({ job })])
        expect(await stores.executions.glance({ job: job.handle }, null, 10)).toHaveLength(1)
      })

      it('is listed by owner, by job, and among the failed, newest fire time first', async () => {
        const ownerId = owner()
        const [a, b] = [await put({ ownerId }), await put({ ownerId })]
        const stranger = await put()
        const said = [0, 1, 2, 3, 4, 5].map((n) =>
          statusMessage({ job: n % 2 ? a : b, fireAt: monday + 10 - n, state: n < 3 ? 'failed' : 'succeeded' }),
        )
        await stores.executions.keep([...said, statusMessage({ job: stranger, state: 'failed' })])
        const idsOf = async (scope: Parameters<Stores['executions']['glance']>[0], limit: number) => {
          const seen: string[] = []
          for (let place: readonly number[] | null = null; ; ) {
            const page = await stores.executions.glance(scope, place, limit)
            seen.push(...(await stores.executions.read(page.map((one) => one.handle))).map((one) => one.id))
            if (page.length < limit) return seen
            place = page.at(-1)?.place ?? null
          }
        }
        const ids = said.map((message) => message.executionId)
        for (const limit of [1, 2, 3, 10]) {
          expect(await idsOf({ ownerId }, limit)).toEqual(ids)
          expect(await idsOf({ job: a.handle }, limit)).toEqual([ids[1], ids[3], ids[5]])
          expect(await idsOf({ ownerId, failed: true }, limit)).toEqual(ids.slice(0, 3))
        }
      })
    })

    it('a loop finds its place again', async () => {
      expect(await stores.cursors.read('somewhere')).toBe(0)
      await stores.cursors.write('somewhere', monday)
      await stores.cursors.write('somewhere', monday + 1)
      expect(await stores.cursors.read('somewhere')).toBe(monday + 1)
    })

    describe('retention', () => {
      it('removes what ended before a moment, a few at a time, and nothing else', async () => {
        const job = await put()
        const keep = (fireAt: number, more: object) =>
          stores.executions.keep([statusMessage({ job, fireAt, state: 'succeeded', ...more })])
        const early = monday - 1_000_000
        await keep(early, { endedAt: early + 1 })
        await keep(early + 1, { endedAt: early + 100 })
        await keep(early + 2, { state: 'running' })
        await keep(early + 3, { endedAt: monday })
        await keep(early + 200, { endedAt: early + 300 })
        const executionId = `exe-${early.toString(36)}-${minted(2001)}`
        const command = triggerCommand(job, { executionId, plannedAt: early })
        await stores.executions.insertTrigger({ job: job.handle, command, reason: null, nextSendAt: early })
        const left = async () =>
          (await stores.executions.glance({ job: job.handle }, null, 10)).map((one) => one.fireAt - early)
        expect(await stores.executions.purge(early + 101, 1)).toBe(true)
        expect(await stores.executions.purge(early + 101, 2)).toBe(false)
        expect(await left()).toEqual([200, 3, 2, 0])
        expect(await stores.executions.find(job.ownerId, executionId)).toMatchObject({ seq: 0, status: 'SCHEDULED' })
      })

      it('leaves a job the memory of its newest execution', async () => {
        const job = await put()
        const early = monday - 2_000_000
        await stores.executions.keep([statusMessage({ job, fireAt: early, state: 'failed', endedAt: early })])
        await stores.executions.purge(early + 1, 100)
        expect(await stores.executions.glance({ job: job.handle }, null, 10)).toEqual([])
        expect((await again(job)).newest).toMatchObject({ fireAt: early, status: 'FAILED', endedAt: early })
      })
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

      it('is inserted once, retaken by one, and keeps its answer', async () => {
        const first = request('request-1')
        expect(await stores.requests.insert(first, monday)).toBeUndefined()
        expect(await stores.requests.insert(request('request-1'), monday)).toEqual(first)
        expect(await stores.requests.retake(first, 'two', monday + 9)).toBe(true)
        expect(await stores.requests.retake(first, 'three', monday + 9)).toBe(false)
        await stores.requests.settle('request-1', answer)
        const found = await stores.requests.insert(request('request-1'), monday)
        expect(found).toEqual({ ...first, triedBy: 'two', triedAt: monday + 9, answer })
        expect(await stores.requests.retake(found as typeof first, 'four', monday + 10)).toBe(false)
      })

      it('gives way when it is refused, too old, or purged', async () => {
        await stores.requests.insert(request('request-2'), monday)
        await stores.requests.remove('request-2')
        expect(await stores.requests.insert(request('request-2'), monday)).toBeUndefined()
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
