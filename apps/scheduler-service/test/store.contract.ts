import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { DuePage, PageBounds, StoredSchedule } from '../src/domain/ports.ts'
import type { FireRange, PendingCommand, ScheduleRecord } from '../src/domain/schedule-record.ts'
import type { Stores } from '../src/store/sqlite/index.ts'
import { everyMinute, jobIdOf, minute, noon, specOf } from './fixtures.ts'

export interface StoreBody {
  readonly stores: Stores
  /** Makes the record of a job unreadable, as no Belfry would. */
  spoil(jobId: string): Promise<void>
  close(): Promise<void>
}

const command: PendingCommand = { fireAt: noon, version: 1, plannedAt: noon - 4600, nextSendAt: noon + 400, tries: 1 }

function recordOf(jobId: string, more: Partial<ScheduleRecord> = {}): ScheduleRecord {
  return {
    jobId,
    ownerId: 'usr-1',
    version: 1,
    state: 'active',
    endedAt: null,
    spec: specOf(everyMinute),
    olderSpecs: [],
    nextFireAt: noon + minute,
    lastFireAt: null,
    fired: 0,
    pending: [],
    undelivered: [],
    aside: null,
    ...more,
  }
}

/** What the scheduler's stores promise, whatever body they have. `open` gives empty ones. */
export function describeStores(body: string, open: () => Promise<StoreBody>) {
  describe(`the stores of scheduler-service on ${body}`, () => {
    let opened: StoreBody
    let stores: Stores
    let made = 0
    beforeAll(async () => {
      opened = await open()
      stores = opened.stores
    })
    afterAll(() => opened.close())

    const read = async (jobId: string): Promise<StoredSchedule> => {
      const [stored] = await stores.schedules.read([jobId], 1e6)
      if (!stored || 'unreadable' in stored) throw new Error(`${jobId} is not there`)
      return stored
    }
    const put = async (more: Partial<ScheduleRecord> = {}, dueAt: number | null = null): Promise<StoredSchedule> => {
      const record = recordOf(jobIdOf(++made), more)
      expect(await stores.schedules.insert([{ record, dueAt }])).toEqual([true])
      return read(record.jobId)
    }

    describe('a schedule', () => {
      it('comes back whole as it was stored', async () => {
        const range: FireRange = { from: 1, to: 2, count: 2, decision: 'missed', reason: 'overdue', version: 1 }
        const older = [{ version: 1, spec: specOf(everyMinute, 'older') }]
        const more = {
          version: 2,
          olderSpecs: older,
          pending: [command],
          undelivered: [range],
          lastFireAt: noon,
          fired: 1,
        }
        const stored = await put({ ...more, aside: { reason: 'unknown-zone', until: noon } }, noon)
        expect(stored).toMatchObject({ dueAt: noon, record: { ...more, aside: { until: noon } } })
        expect(stored.record).toEqual(recordOf(stored.record.jobId, stored.record))
      })

      it('is inserted once', async () => {
        const { record } = await put()
        const other = { record: { ...record, version: 9 }, dueAt: 5 }
        const fresh = { record: recordOf(jobIdOf(++made)), dueAt: null }
        expect(await stores.schedules.insert([other, fresh])).toEqual([false, true])
        expect((await read(record.jobId)).record.version).toBe(1)
      })

      it('is saved by the first of two who read it, each record on its own', async () => {
        const [a, b] = [await put(), await put()]
        const write = (before: StoredSchedule, fired: number) => ({
          before,
          record: { ...before.record, fired },
          dueAt: noon + fired,
        })
        expect(await stores.schedules.save([write(a, 1)])).toEqual([true])
        expect(await stores.schedules.save([write(a, 2), write(b, 3)])).toEqual([false, true])
        expect((await read(a.record.jobId)).record.fired).toBe(1)
        expect(await read(b.record.jobId)).toMatchObject({ dueAt: noon + 3, record: { fired: 3 } })
      })

      it('is saved with another version, other specs and another owner', async () => {
        const [a, b] = [await put(), await put()]
        const olderSpecs = [{ version: 1, spec: a.record.spec }]
        const next = { ...a.record, version: 2, ownerId: 'usr-2', spec: specOf(everyMinute, 'newer'), olderSpecs }
        const other = { before: b, record: { ...b.record, fired: 1 }, dueAt: null }
        expect(await stores.schedules.save([other, { before: a, record: next, dueAt: 7 }])).toEqual([true, true])
        expect((await read(a.record.jobId)).record).toEqual(next)
        expect(await stores.schedules.versions([a.record.jobId, 'job-none', b.record.jobId])).toEqual([2, undefined, 1])
      })

      it('comes back whole with specs that are large, and with small ones after them', async () => {
        const text = 'x'.repeat(10_000)
        const spec = { ...specOf(everyMinute), params: { text } }
        const stored = await put({ spec }, noon)
        expect(stored.record.spec).toEqual(spec)
        const versions = [specOf(everyMinute), { ...spec, params: { text: `${text}y` } }]
        let before = stored
        for (const [index, next] of versions.entries()) {
          const record = { ...before.record, version: index + 2, spec: next }
          expect(await stores.schedules.save([{ before, record, dueAt: noon }])).toEqual([true])
          before = await read(record.jobId)
          expect(before.record).toEqual(record)
        }
        const lost = { ...stored.record, version: 9, spec: { ...spec, params: { text: `${text}z` } } }
        expect(await stores.schedules.save([{ before: stored, record: lost, dueAt: noon }])).toEqual([false])
        expect((await read(stored.record.jobId)).record).toEqual(before.record)
        expect(await stores.schedules.insert([{ record: lost, dueAt: noon }])).toEqual([false])
        expect((await read(stored.record.jobId)).record).toEqual(before.record)
      })

      it('is read within bytes, one record at least', async () => {
        const spec = { ...specOf(everyMinute), params: { text: 'x'.repeat(10_000) } }
        const ids: string[] = []
        for (let n = 0; n < 3; n++) ids.push((await put({ spec, pending: [command] })).record.jobId)
        expect(await stores.schedules.read(ids, 1)).toHaveLength(1)
        expect(await stores.schedules.read(ids, 15_000)).toHaveLength(2)
        expect(await stores.schedules.readWaiting(ids, 15_000)).toHaveLength(2)
      })

      it('is found among others, in the order that was asked for', async () => {
        const [a, b] = [await put(), await put({ pending: [command] })]
        const ids = [b.record.jobId, 'job-none', a.record.jobId]
        expect(await stores.schedules.read(ids, 1e6)).toEqual([b, undefined, a])
        expect(await stores.schedules.readWaiting(ids, 1e6)).toEqual([b, undefined, undefined])
      })
    })

    describe('retention', () => {
      it('shows schedules in pages, with when their job ended', async () => {
        const [a, b] = [await put({ endedAt: noon }), await put({ pending: [command] }, noon)]
        const page = await stores.schedules.glance(a.handle.n - 1, 1)
        expect(page).toEqual([{ ...a.handle, dueAt: null, endedAt: noon }])
        expect(await stores.schedules.glance(a.handle.n, 9)).toEqual([{ ...b.handle, dueAt: noon, endedAt: null }])
        expect((await read(a.record.jobId)).record.endedAt).toBe(noon)
        const ended = { ...b.record, version: 2, endedAt: noon + 1 }
        await stores.schedules.save([{ before: b, record: ended, dueAt: null }])
        expect(await stores.schedules.glance(a.handle.n, 9)).toMatchObject([{ endedAt: noon + 1 }])
      })

      it('removes schedules that nobody has changed meanwhile', async () => {
        const [a, b, c] = [await put(), await put(), await put()]
        await stores.schedules.save([{ before: b, record: { ...b.record, fired: 1 }, dueAt: null }])
        expect(await stores.schedules.purge([a.handle, b.handle])).toBe(1)
        const ids = [a, b, c].map((one) => one.record.jobId)
        expect(await stores.schedules.versions(ids)).toEqual([undefined, 1, 1])
      })

      it('removes old ranges of the fire log, those that were stored first at first', async () => {
        const jobId = jobIdOf(++made)
        const about = { count: 1, decision: 'missed', reason: 'overdue', version: 1 } as const
        const ranges = [1, 2, 3, 900, 4].map((from) => ({ from, to: from, ...about }))
        await stores.fireLog.upsert(ranges.map((range) => ({ jobId, range })))
        const left = async () => (await stores.fireLog.read(jobId, 10)).map(({ from }) => from)
        expect(await stores.fireLog.purge(3, 2)).toBe(true)
        expect(await left()).toEqual([900, 4, 3])
        expect(await stores.fireLog.purge(3, 2)).toBe(false)
        expect(await stores.fireLog.purge(100, 2)).toBe(false)
        expect(await left()).toEqual([900, 4])
        await stores.fireLog.purge(Number.MAX_SAFE_INTEGER, 9)
      })
    })

    describe('what is due', () => {
      const early = -1_000_000

      it('comes earliest first, page by page, without what is not due yet', async () => {
        const dues = [early + 2, early + 1, early + 2, null, early + 50]
        const ids: string[] = []
        for (const dueAt of dues) ids.push((await put({}, dueAt)).record.jobId)
        expect(await stores.schedules.nextDueAt()).toBe(early + 1)
        const first = await stores.schedules.readDue(early + 2, null, { rows: 2, bytes: 1e6 })
        const second = await stores.schedules.readDue(early + 2, first.next, { rows: 2, bytes: 1e6 })
        const jobIds = [...first.rows, ...second.rows].map((row) => ('record' in row ? row.record.jobId : row.jobId))
        expect(jobIds).toEqual([ids[1], ids[0], ids[2]])
        expect(second.next).toBeNull()
      })

      it('is found by the commands that wait, whatever its time says, a span of records at a time', async () => {
        const command = { fireAt: noon, version: 1, plannedAt: noon, nextSendAt: noon, tries: 1 }
        const waits = [true, false, true, false, false, true]
        const all: StoredSchedule[] = []
        for (const one of waits) all.push(await put(one ? { pending: [command] } : {}, Number.MAX_SAFE_INTEGER))
        const first = (all[0]?.handle.n ?? 0) - 1
        const found = async (page: PageBounds) => {
          const ids: string[] = []
          let pages = 0
          for (let after: number | null = first; after !== null; pages++) {
            const { rows, next } = await stores.schedules.waitingAfter(after, page)
            ids.push(...rows.map((row) => ('record' in row ? row.record.jobId : row.jobId)))
            after = next
          }
          return { ids, pages }
        }
        const ids = [all[0], all[2], all[5]].map((one) => one?.record.jobId)
        expect(await found({ rows: 4, bytes: 1e6 })).toEqual({ ids, pages: 2 })
        expect(await found({ rows: 100, bytes: 1 })).toEqual({ ids, pages: 3 })
      })

      it('comes in pages within bytes, one record at least', async () => {
        const spec = { ...specOf(everyMinute), params: { text: 'x'.repeat(10_000) } }
        const ids: string[] = []
        for (let n = 0; n < 3; n++) ids.push((await put({ spec }, early - 100)).record.jobId)
        const seen: string[] = []
        for (let next: DuePage['next'] = null; ; ) {
          const page = await stores.schedules.readDue(early - 100, next, { rows: 10, bytes: 1 })
          expect(page.rows.length).toBeLessThanOrEqual(1)
          seen.push(...page.rows.map((row) => ('record' in row ? row.record.jobId : row.jobId)))
          next = page.next
          if (!next) break
        }
        expect(seen).toEqual(ids)
        for (const jobId of ids) await stores.schedules.postpone((await read(jobId)).handle.n, noon)
      })

      it('still comes when one of the records cannot be read', async () => {
        const [spoilt, whole] = [await put({}, early - 10), await put({}, early - 9)]
        await opened.spoil(spoilt.record.jobId)
        const { rows } = await stores.schedules.readDue(early - 9, null, { rows: 10, bytes: 1e6 })
        expect(rows).toMatchObject([{ jobId: spoilt.record.jobId, n: spoilt.handle.n }, { record: whole.record }])
        await stores.schedules.postpone(spoilt.handle.n, noon)
        const later = await stores.schedules.readDue(early - 9, null, { rows: 10, bytes: 1e6 })
        expect(later.rows).toHaveLength(1)
      })
    })

    describe('the fire log', () => {
      const range = (more: Partial<FireRange> = {}): FireRange => {
        return { from: noon, to: noon + minute, count: 2, decision: 'missed', reason: 'overdue', version: 2, ...more }
      }
      const log = (jobId: string, ...ranges: FireRange[]) =>
        stores.fireLog.upsert(ranges.map((one) => ({ jobId, range: one })))

      it('keeps the ranges of a job in order, the newest first, page by page', async () => {
        const jobId = jobIdOf(++made)
        const ranges = [range({ from: noon + 9, decision: 'paused' }), range({ decision: 'skipped' }), range()]
        await log(jobId, ...ranges)
        expect(new Set(await stores.fireLog.read(jobId, 10))).toEqual(new Set(ranges))
        expect((await stores.fireLog.read(jobId, 10)).map(({ from }) => from)).toEqual([noon + 9, noon, noon])
        const pages: FireRange[] = []
        for (let last: FireRange | null = null; pages.length < ranges.length; last = pages.at(-1) ?? null) {
          const page = await stores.fireLog.read(jobId, 1, last)
          expect(page).toHaveLength(1)
          pages.push(...page)
        }
        expect(pages).toEqual(await stores.fireLog.read(jobId, 10))
        expect(await stores.fireLog.read(jobId, 1, pages.at(-1))).toEqual([])
      })

      it('takes a range twice, and keeps the one of the higher version', async () => {
        const jobId = jobIdOf(++made)
        await log(jobId, range(), range())
        await log(jobId, range({ version: 1, count: 9 }))
        expect(await stores.fireLog.read(jobId, 10)).toEqual([range()])
        await log(jobId, range({ version: 3, count: 5, to: noon + 5 * minute }))
        expect(await stores.fireLog.read(jobId, 10)).toMatchObject([{ version: 3, count: 5, to: noon + 5 * minute }])
      })
    })

    it('remember how far reconcile has come', async () => {
      expect(await stores.cursors.read('somewhere')).toBe(0)
      await stores.cursors.write('somewhere', noon)
      await stores.cursors.write('somewhere', noon - 1)
      expect(await stores.cursors.read('somewhere')).toBe(noon - 1)
    })
  })
}
