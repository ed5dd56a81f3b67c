import { type PageBounds, type RowId, shardOf, soleShare, type WorkShare } from '@belfry/storage'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { FireRange, PendingCommand, ScheduleRecord } from '../../src/domain/schedule-record.ts'
import type { DueCursor, FireLogPage, SchedulesRow, StoredSchedule, Stores } from '../../src/store/ports.ts'
import { everyMinute, hour, jobIdOf, minute, noon, specOf } from '../fixtures.ts'

/** What an adapter promises beyond the port. */
interface StoreCapabilities {
  /** Lists without an order of their own are in the order in which the records were inserted. */
  readonly givesRowsInInsertOrder: boolean
  /** Several instances share the work. Where the database belongs to one process, each share is all of it. */
  readonly sharesWork: boolean
}

export interface StoreAdapter {
  readonly stores: Stores
  /** Makes the record of a job unreadable, which no Belfry does. */
  spoil(jobId: string): Promise<void>
  readonly capabilities: StoreCapabilities
}

const jobIdOfRow = (row: SchedulesRow) => ('record' in row ? row.record.jobId : row.jobId)

/** All rows of a list that is walked page by page, and the length of each page. */
async function walk<Row, C>(read: (after: C | null) => Promise<{ rows: readonly Row[]; next: C | null }>) {
  const rows: Row[] = []
  const pages: number[] = []
  for (let after: C | null = null; ; ) {
    const page = await read(after)
    rows.push(...page.rows)
    pages.push(page.rows.length)
    if (page.next === null) return { rows, pages }
    after = page.next
  }
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
    fireLogOutbox: [],
    lateSegments: [],
    recentRanges: [],
    oneShots: [],
    quarantined: null,
    ...more,
  }
}

/** What every adapter of the scheduler's stores promises. `open` gives empty stores. */
export function describeStores(adapter: string, open: () => Promise<StoreAdapter>) {
  describe(`the stores of scheduler-service on ${adapter}`, () => {
    let opened: StoreAdapter
    let stores: Stores
    let made = 0
    beforeAll(async () => {
      opened = await open()
      stores = opened.stores
    })
    afterAll(() => stores.close())

    const read = async (jobId: string): Promise<StoredSchedule> => {
      const [stored] = await stores.schedules.readMany([jobId], 1e6)
      if (!stored || 'unreadable' in stored) throw new Error(`${jobId} is not there`)
      return stored
    }
    const put = async (more: Partial<ScheduleRecord> = {}, dueAt: number | null = null): Promise<StoredSchedule> => {
      const record = recordOf(jobIdOf(++made), more)
      expect(await stores.schedules.insertManyIfAbsent([{ record, dueAt }])).toEqual([true])
      return read(record.jobId)
    }

    describe('a schedule', () => {
      it('is read as it was stored', async () => {
        const range: FireRange = { from: 1, to: 2, count: 2, decision: 'missed', reason: 'overdue', version: 1 }
        const older = [{ version: 1, spec: specOf(everyMinute, 'older') }]
        const more = {
          version: 2,
          olderSpecs: older,
          pending: [command],
          fireLogOutbox: [range],
          recentRanges: [range],
          lateSegments: [{ from: noon, to: noon, count: 1, outcome: 'run' as const }],
          lastFireAt: noon,
          oneShots: [noon],
          fired: 1,
        }
        const stored = await put({ ...more, quarantined: { reason: 'unknown-zone', until: noon } }, noon)
        expect(stored).toMatchObject({ dueAt: noon, record: { ...more, quarantined: { until: noon } } })
        expect(stored.record).toEqual(recordOf(stored.record.jobId, stored.record))
      })

      it('is inserted once', async () => {
        const { record } = await put()
        const other = { record: { ...record, version: 9 }, dueAt: 5 }
        const fresh = { record: recordOf(jobIdOf(++made)), dueAt: null }
        expect(await stores.schedules.insertManyIfAbsent([other, fresh])).toEqual([false, true])
        expect((await read(record.jobId)).record.version).toBe(1)
      })

      it('is saved by the first of two who read it, each record on its own', async () => {
        const [a, b] = [await put(), await put()]
        const write = (before: StoredSchedule, fired: number) => ({
          before,
          record: { ...before.record, fired },
          dueAt: noon + fired,
        })
        expect(await stores.schedules.compareAndSetMany([write(a, 1)])).toEqual([true])
        expect(await stores.schedules.compareAndSetMany([write(a, 2), write(b, 3)])).toEqual([false, true])
        expect((await read(a.record.jobId)).record.fired).toBe(1)
        expect(await read(b.record.jobId)).toMatchObject({ dueAt: noon + 3, record: { fired: 3 } })
      })

      it('is saved with another version, other specs and another owner', async () => {
        const [a, b] = [await put(), await put()]
        const olderSpecs = [{ version: 1, spec: a.record.spec }]
        const next = { ...a.record, version: 2, ownerId: 'usr-2', spec: specOf(everyMinute, 'newer'), olderSpecs }
        const other = { before: b, record: { ...b.record, fired: 1 }, dueAt: null }
        expect(await stores.schedules.compareAndSetMany([other, { before: a, record: next, dueAt: 7 }])).toEqual([
          true,
          true,
        ])
        expect((await read(a.record.jobId)).record).toEqual(next)
        expect(await stores.schedules.readVersions([a.record.jobId, 'job-none', b.record.jobId])).toEqual([
          2,
          undefined,
          1,
        ])
      })

      it('is read as it was stored with a large spec, and with a small one after it', async () => {
        const text = 'x'.repeat(10_000)
        const spec = { ...specOf(everyMinute), params: { text } }
        const stored = await put({ spec }, noon)
        expect(stored.record.spec).toEqual(spec)
        const versions = [specOf(everyMinute), { ...spec, params: { text: `${text}y` } }]
        let before = stored
        for (const [index, next] of versions.entries()) {
          const record = { ...before.record, version: index + 2, spec: next }
          expect(await stores.schedules.compareAndSetMany([{ before, record, dueAt: noon }])).toEqual([true])
          before = await read(record.jobId)
          expect(before.record).toEqual(record)
        }
        const lost = { ...stored.record, version: 9, spec: { ...spec, params: { text: `${text}z` } } }
        expect(await stores.schedules.compareAndSetMany([{ before: stored, record: lost, dueAt: noon }])).toEqual([
          false,
        ])
        expect((await read(stored.record.jobId)).record).toEqual(before.record)
        expect(await stores.schedules.insertManyIfAbsent([{ record: lost, dueAt: noon }])).toEqual([false])
        expect((await read(stored.record.jobId)).record).toEqual(before.record)
      })

      it('is read within bytes, one record at least', async () => {
        const spec = { ...specOf(everyMinute), params: { text: 'x'.repeat(10_000) } }
        const ids: string[] = []
        for (let n = 0; n < 3; n++) ids.push((await put({ spec, pending: [command] })).record.jobId)
        expect(await stores.schedules.readMany(ids, 1)).toHaveLength(1)
        expect(await stores.schedules.readMany(ids, 15_000)).toHaveLength(2)
        expect(await stores.schedules.readManyIfPending(ids, 15_000)).toHaveLength(2)
      })

      it('is found among others, in the order that was asked for', async () => {
        const [a, b] = [await put(), await put({ pending: [command] })]
        const ids = [b.record.jobId, 'job-none', a.record.jobId]
        expect(await stores.schedules.readMany(ids, 1e6)).toEqual([b, undefined, a])
        expect(await stores.schedules.readManyIfPending(ids, 1e6)).toEqual([b, undefined, undefined])
      })
    })

    describe('retention', () => {
      it('lists summaries of all schedules in pages, with when their job ended', async () => {
        const [a, b] = [await put({ endedAt: noon }), await put({ pending: [command] }, noon)]
        const summaryOf = ({ rowId, rev, record: { endedAt }, dueAt }: StoredSchedule) => ({
          rowId,
          rev,
          dueAt,
          endedAt,
        })
        const listed = async (limit: number) =>
          walk((after: RowId | null) => stores.schedules.listSummaries(after, limit))
        const { rows, pages } = await listed(1)
        expect(rows).toEqual(expect.arrayContaining([summaryOf(a), summaryOf(b)]))
        expect(Math.max(...pages)).toBe(1)
        expect(new Set(rows.map(({ rowId }) => rowId)).size).toBe(rows.length)
        expect((await listed(3)).rows).toEqual(rows)
        if (opened.capabilities.givesRowsInInsertOrder) expect(rows.slice(-2)).toEqual([summaryOf(a), summaryOf(b)])
        const ended = { ...b.record, version: 2, endedAt: noon + 1 }
        await stores.schedules.compareAndSetMany([{ before: b, record: ended, dueAt: null }])
        const [after] = (await listed(1000)).rows.filter(({ rowId }) => rowId === b.rowId)
        expect(after).toEqual({ ...summaryOf(await read(b.record.jobId)), endedAt: noon + 1, dueAt: null })
      })

      it('removes only schedules that have not changed since they were read', async () => {
        const [a, b, c] = [await put(), await put(), await put()]
        const fired = { before: b, record: { ...b.record, fired: 1 }, dueAt: null }
        await stores.schedules.compareAndSetMany([fired])
        expect(await stores.schedules.purgeManyIfUnchanged([a, b])).toBe(1)
        const ids = [a, b, c].map((one) => one.record.jobId)
        expect(await stores.schedules.readVersions(ids)).toEqual([undefined, 1, 1])
        expect(await stores.schedules.purgeManyIfUnchanged([a])).toBe(0)
        expect(await stores.schedules.insertManyIfAbsent([{ record: a.record, dueAt: null }])).toEqual([true])
      })

      it('lists what was missed in the order in which it was logged, a range once, and nothing of other decisions', async () => {
        const [jobId, otherId] = [jobIdOf(++made), jobIdOf(++made)]
        const about = { count: 1, reason: 'overdue', version: 1 }
        const missed = (from: number) => ({ from, to: from, decision: 'missed', ...about }) as const
        const at = 5e15
        await stores.fireLog.upsertMany([{ jobId, range: missed(7) }], at + 1)
        await stores.fireLog.upsertMany([{ jobId: otherId, range: missed(3) }], at)
        await stores.fireLog.upsertMany([{ jobId, range: { ...missed(9), decision: 'paused' } }], at)
        await stores.fireLog.upsertMany([{ jobId, range: missed(7) }], at + 5)
        const seen: unknown[] = []
        for (let after = { at, id: '' }; ; ) {
          const [one] = await stores.fireLog.listMissed(after, 1)
          if (!one) break
          seen.push([one.at, one.jobId, one.range])
          after = { at: one.at, id: one.id }
        }
        expect(seen).toEqual([
          [at, otherId, missed(3)],
          [at + 1, jobId, missed(7)],
        ])
        while (await stores.fireLog.purge(Number.MAX_SAFE_INTEGER, 2));
      })

      it('removes old ranges of the fire log, at most as many as were asked for', async () => {
        const jobId = jobIdOf(++made)
        const about = { count: 1, decision: 'missed', reason: 'overdue', version: 1 } as const
        const ranges = [1, 2, 3, 4, 900].map((from) => ({ from, to: from, ...about }))
        await stores.fireLog.upsertMany(ranges.map((range) => ({ jobId, range })))
        const left = async () => (await stores.fireLog.listOfJob(jobId, { limit: 10 })).map(({ from }) => from)
        expect(await stores.fireLog.purge(3, 1)).toBe(true)
        expect(await left()).toHaveLength(4)
        while (await stores.fireLog.purge(3, 1));
        expect(await left()).toEqual([900, 4, 3])
        while (await stores.fireLog.purge(Number.MAX_SAFE_INTEGER, 2));
        expect(await left()).toEqual([])
      })
    })

    describe('what is due', () => {
      const early = -1_000_000

      it('is listed earliest first, page by page, without what is not due yet', async () => {
        const dues = [early + 2, early + 1, early + 3, null, early + 50]
        const ids: string[] = []
        for (const dueAt of dues) ids.push((await put({}, dueAt)).record.jobId)
        expect(await stores.schedules.nextDueAt(soleShare)).toBe(early + 1)
        const listed = await walk((after: DueCursor | null) =>
          stores.schedules.listDue(early + 3, soleShare, after, { rows: 2, bytes: 1e6 }),
        )
        expect(listed.rows.map(jobIdOfRow)).toEqual([ids[1], ids[0], ids[2]])
        expect(listed.pages.slice(0, 2)).toEqual([2, 1])
      })

      it('is listed once each where several are due at the same moment', async () => {
        const at = early - 500
        const ids = new Set<string>()
        for (let n = 0; n < 5; n++) ids.add((await put({}, at)).record.jobId)
        const { rows } = await walk((after: DueCursor | null) =>
          stores.schedules.listDue(at, soleShare, after, { rows: 2, bytes: 1e6 }),
        )
        expect(rows).toHaveLength(5)
        expect(new Set(rows.map(jobIdOfRow))).toEqual(ids)
        for (const row of rows) await stores.schedules.postponeIfUnchanged(row, noon)
      })

      it('is of one share among several, and of every share once it is overdue', async (test) => {
        if (!opened.capabilities.sharesWork) return test.skip()
        const at = early - 5000
        const all: StoredSchedule[] = []
        for (let n = 0; n < 12; n++) all.push(await put({}, at + n))
        const dueOf = async (share: WorkShare) => {
          const { rows } = await walk((after: DueCursor | null) =>
            stores.schedules.listDue(at + 11, share, after, { rows: 5, bytes: 1e6 }),
          )
          return rows.map(jobIdOfRow)
        }
        const idsOf = (some: readonly StoredSchedule[]) => some.map(({ record }) => record.jobId)
        for (const index of [0, 1, 2]) {
          const isOwn = ({ record }: StoredSchedule) => shardOf(record.jobId) % 3 === index
          const share = { index, instances: 3, overdueAt: at - 1 }
          const own = all.filter(isOwn)
          expect(await dueOf(share)).toEqual(idsOf(own))
          expect(await stores.schedules.nextDueAt(share)).toBe(own[0]?.dueAt)
          const overdue = all.filter((one) => isOwn(one) || (one.dueAt ?? 0) <= at + 5)
          expect(await dueOf({ ...share, overdueAt: at + 5 })).toEqual(idsOf(overdue))
          expect(await stores.schedules.nextDueAt({ ...share, overdueAt: at + 5 })).toBe(at)
        }
        for (const row of all) await stores.schedules.postponeIfUnchanged(row, noon)
      })

      it('is found by the pending commands, whatever its time is', async () => {
        const waits = [true, false, true, false, false, true]
        const all: StoredSchedule[] = []
        for (const one of waits) all.push(await put(one ? { pending: [command] } : {}, Number.MAX_SAFE_INTEGER))
        const found = async (page: PageBounds) => {
          const { rows, pages } = await walk((after: RowId | null) => stores.schedules.listPending(after, page))
          return { ids: rows.map(jobIdOfRow), most: Math.max(...pages) }
        }
        const ids = [all[0], all[2], all[5]].map((one) => one?.record.jobId)
        const whole = await found({ rows: 1000, bytes: 1e9 })
        expect(whole.ids).toEqual(expect.arrayContaining(ids))
        expect(whole.ids).not.toContain(all[1]?.record.jobId)
        expect(new Set(whole.ids).size).toBe(whole.ids.length)
        if (opened.capabilities.givesRowsInInsertOrder) expect(whole.ids.slice(-3)).toEqual(ids)
        expect(await found({ rows: 2, bytes: 1e9 })).toEqual({ ids: whole.ids, most: 2 })
        expect(await found({ rows: 1000, bytes: 1 })).toEqual({ ids: whole.ids, most: 1 })
      })

      it('is listed in pages within bytes, one record at least', async () => {
        const spec = { ...specOf(everyMinute), params: { text: 'x'.repeat(10_000) } }
        const ids: string[] = []
        for (let n = 0; n < 3; n++) ids.push((await put({ spec }, early - 100 + n)).record.jobId)
        const { rows, pages } = await walk((after: DueCursor | null) =>
          stores.schedules.listDue(early - 98, soleShare, after, { rows: 10, bytes: 1 }),
        )
        expect(rows.map(jobIdOfRow)).toEqual(ids)
        expect(Math.max(...pages)).toBe(1)
        for (const row of rows) await stores.schedules.postponeIfUnchanged(row, noon)
      })

      it('is listed also when one of the records is unreadable', async () => {
        const [spoilt, whole] = [await put({}, early - 10), await put({}, early - 9)]
        await opened.spoil(spoilt.record.jobId)
        const due = async () =>
          (await stores.schedules.listDue(early - 9, soleShare, null, { rows: 10, bytes: 1e6 })).rows
        const rows = await due()
        expect(rows).toMatchObject([{ jobId: spoilt.record.jobId, rowId: spoilt.rowId }, { record: whole.record }])
        await stores.schedules.postponeIfUnchanged(rows[0] as SchedulesRow, noon)
        expect(await due()).toHaveLength(1)
      })

      it('is not postponed once it has changed', async () => {
        const before = await put({}, early - 20)
        const record = { ...before.record, fired: 1 }
        await stores.schedules.compareAndSetMany([{ before, record, dueAt: early - 19 }])
        await stores.schedules.postponeIfUnchanged(before, noon)
        expect(await read(record.jobId)).toMatchObject({ dueAt: early - 19, record: { fired: 1 } })
      })
    })

    describe('the fire log', () => {
      const range = (more: Partial<FireRange> = {}): FireRange => {
        return { from: noon, to: noon + minute, count: 2, decision: 'missed', reason: 'overdue', version: 2, ...more }
      }
      const log = (jobId: string, ...ranges: FireRange[]) =>
        stores.fireLog.upsertMany(ranges.map((one) => ({ jobId, range: one })))

      it('lists the ranges of a job in order, the newest first, page by page', async () => {
        const jobId = jobIdOf(++made)
        const ranges = [range({ from: noon + 9, decision: 'paused' }), range({ decision: 'skipped' }), range()]
        await log(jobId, ...ranges)
        expect(new Set(await stores.fireLog.listOfJob(jobId, { limit: 10 }))).toEqual(new Set(ranges))
        expect((await stores.fireLog.listOfJob(jobId, { limit: 10 })).map(({ from }) => from)).toEqual([
          noon + 9,
          noon,
          noon,
        ])
        const pages: FireRange[] = []
        for (let last: FireRange | null = null; pages.length < ranges.length; last = pages.at(-1) ?? null) {
          const page = await stores.fireLog.listOfJob(jobId, { limit: 1, after: last })
          expect(page).toHaveLength(1)
          pages.push(...page)
        }
        expect(pages).toEqual(await stores.fireLog.listOfJob(jobId, { limit: 10 }))
        expect(await stores.fireLog.listOfJob(jobId, { limit: 1, after: pages.at(-1) ?? null })).toEqual([])
      })

      it('lists the ranges of one decision, and those with a part in a span of time', async () => {
        const jobId = jobIdOf(++made)
        const ranges = [1, 3, 5].map((n) => range({ from: noon + n * minute, to: noon + (n + 1) * minute }))
        const paused = range({ from: noon + 7 * minute, to: noon + 8 * minute, decision: 'paused' })
        await log(jobId, ...ranges, paused)
        const found = async (page: Omit<FireLogPage, 'limit'>) =>
          (await stores.fireLog.listOfJob(jobId, { limit: 10, ...page })).map(({ from }) => (from - noon) / minute)
        expect(await found({ decision: 'missed' })).toEqual([5, 3, 1])
        expect(await found({ decision: 'excluded' })).toEqual([])
        expect(await found({ from: noon + 4 * minute })).toEqual([7, 5, 3])
        expect(await found({ to: noon + 5 * minute })).toEqual([5, 3, 1])
        expect(await found({ from: noon + 4 * minute + 1, to: noon + 7 * minute - 1 })).toEqual([5])
        expect(await found({ from: noon, decision: 'missed', after: ranges[2] ?? null })).toEqual([3, 1])
      })

      it('lists no range that was taken back, and goes on with one that was cut', async () => {
        const jobId = jobIdOf(++made)
        await log(jobId, range(), range({ from: noon + hour, to: noon + hour, count: 1 }))
        await log(jobId, range({ to: noon, count: 1 }), range({ from: noon + hour, to: noon + hour, count: 0 }))
        // A scheduler that stood still copies the whole ones once more.
        await log(jobId, range(), range({ from: noon + hour, to: noon + hour, count: 1 }))
        expect(await stores.fireLog.listOfJob(jobId, { limit: 10 })).toEqual([range({ to: noon, count: 1 })])
        await log(jobId, range({ from: noon + hour, to: noon + 2 * hour, version: 3 }))
        expect(await stores.fireLog.listOfJob(jobId, { limit: 10 })).toMatchObject([{ version: 3 }, { version: 2 }])
      })

      it('stores a repeated range once, and the one of the higher version', async () => {
        const jobId = jobIdOf(++made)
        await log(jobId, range(), range())
        await log(jobId, range({ version: 1, count: 9 }))
        expect(await stores.fireLog.listOfJob(jobId, { limit: 10 })).toEqual([range()])
        await log(jobId, range({ version: 3, count: 5, to: noon + 5 * minute }))
        expect(await stores.fireLog.listOfJob(jobId, { limit: 10 })).toMatchObject([
          { version: 3, count: 5, to: noon + 5 * minute },
        ])
      })
    })

    it('store the cursor of reconcile', async () => {
      expect(await stores.cursors.read('somewhere')).toBe(0)
      await stores.cursors.write('somewhere', noon)
      await stores.cursors.write('somewhere', noon - 1)
      expect(await stores.cursors.read('somewhere')).toBe(noon - 1)
    })
  })
}
