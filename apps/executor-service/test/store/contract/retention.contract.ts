import { beforeEach, describe, expect, it } from 'vitest'
import { openAdmission } from '../../../src/admission/admission.ts'
import { close } from '../../../src/executions/transitions.ts'
import type { AdmissionSummary, EndedCursor, EndedExecution, RowId, Stored, Stores } from '../../../src/store/ports.ts'
import { execution, executionId, executions, jobId, start } from '../../samples.ts'
import { all, at, byJob, type StoreKit, taken } from './kit.ts'

/** What the retention lists and removes. */
export function describeRetention({ stores: open, put, swap }: StoreKit): void {
  let stores: Stores

  beforeEach(() => {
    stores = open()
  })

  describe('retention', () => {
    /** Ended ones, each a moment after the one before it. */
    const endedOnes = async (...numbers: number[]) => {
      const stored = await put(...numbers.map((number) => execution({ id: executionId(number) })))
      return Promise.all(
        stored.map((one, index) => swap(one, taken(close(one.execution, 'cancelled', at)), 'claim', at + index)),
      )
    }
    const publish = (...stored: Stored[]) =>
      stores.executions.markPublished(stored.map((one) => ({ rowId: one.rowId, seq: one.execution.seq })))

    it('finds what has ended, in order and in pages, and says what is not published', async () => {
      const [a, b, c] = await endedOnes(1, 2, 3)
      await put(execution({ id: executionId(4) }))
      await publish(a!, c!)
      const found = await stores.executions.listEnded(at + 9, null, 2)
      expect(found.rows.map((one) => [one.rowId, one.isPublished])).toEqual([
        [a!.rowId, true],
        [b!.rowId, false],
      ])
      expect(found.rows[0]).toMatchObject({ seq: 2, state: 'cancelled', changedAt: at })
      const rest = await stores.executions.listEnded(at + 9, found.next, 9)
      expect([rest.rows.map((one) => one.rowId), rest.next]).toEqual([[c!.rowId], null])
      expect((await stores.executions.listEnded(at, null, 9)).rows).toEqual([])
    })

    it('finds what has ended at one moment in pages, each once', async () => {
      const stored = await put(...executions(5, () => ({ state: 'expired', endedAt: start })))
      const found = await all<EndedExecution, EndedCursor>((after) => stores.executions.listEnded(at, after, 2))
      expect(found.map((one) => String(one.rowId)).toSorted()).toEqual(
        stored.map((one) => String(one.rowId)).toSorted(),
      )
    })

    it('removes an execution with all that belongs to it, unless it has changed or must be published', async () => {
      const [a, b, c] = await endedOnes(1, 2, 3)
      const [d] = await put(execution({ id: executionId(4) }))
      await publish(a!, c!, d!)
      for (const { rowId } of [a!, c!]) {
        const line = { seq: 1, at, level: 'info' as const, text: 'a line' }
        await stores.logs.append([{ rowId, epoch: 1, lines: [line] }])
        await stores.artifacts.put([{ rowId, epoch: 1, name: 'a', body: Buffer.from('text') }])
      }
      const asSeen = [a!, b!, d!].map(({ rowId, execution: { seq } }) => ({ rowId, seq }))
      expect(await stores.executions.purgeMany([...asSeen, { rowId: c!.rowId, seq: 1 }])).toBe(1)
      const left = await stores.executions.read([a!, b!, c!, d!].map((one) => one.rowId))
      expect(left.map((one) => one !== undefined)).toEqual([false, true, true, true])
      const query = { after: { epoch: 0, seq: 0 }, epoch: null, limit: 9 }
      const logsOf = (stored: Stored) => stores.logs.list(stored.rowId, query)
      expect([(await logsOf(a!)).length, (await logsOf(c!)).length]).toEqual([0, 1])
      const artifactOf = (stored: Stored) => stores.artifacts.read(stored.rowId, 1, 'a')
      expect([await artifactOf(a!), await artifactOf(c!)]).toEqual([undefined, expect.anything()])
    })

    it('gives no row id of an execution that is purged to another one', async () => {
      const [a] = await endedOnes(1)
      await publish(a!)
      await stores.executions.purgeMany((await stores.executions.listEnded(at + 9, null, 9)).rows)
      const [b] = await put(execution({ id: executionId(2) }))
      expect(b!.rowId).not.toBe(a!.rowId)
    })

    it('finds what outlived its execution', async () => {
      const [gone, kept] = await endedOnes(1, 2)
      await publish(gone!)
      expect(await stores.executions.purgeMany([{ rowId: gone!.rowId, seq: 2 }])).toBe(1)
      // As an attempt does that was given up and still stores what it has.
      for (const { rowId } of [gone!, kept!]) {
        await stores.logs.append([{ rowId, epoch: 1, lines: [{ seq: 1, at, level: 'info', text: 'late' }] }])
        await stores.artifacts.put([{ rowId, epoch: 1, name: 'a', body: Buffer.from('late') }])
      }
      const chunks = (await stores.logs.listOldest(null, 9)).rows
      expect(chunks.map((one) => one.execution?.state)).toEqual(expect.arrayContaining([undefined, 'cancelled']))
      const first = await stores.artifacts.purgeOrphans(null, 1)
      const second = await stores.artifacts.purgeOrphans(first.next, 9)
      expect([first.purged + second.purged, second.next]).toEqual([1, null])
      expect(await stores.artifacts.read(gone!.rowId, 1, 'a')).toBe(undefined)
      expect(await stores.artifacts.read(kept!.rowId, 1, 'a')).not.toBe(undefined)
      expect(await stores.executions.purgeOrphans(at, null, 9)).toEqual({ purged: 0, next: null })
    })

    it('keeps params that belong to a record, whatever else there is', async () => {
      const large = { text: 'x'.repeat(10_000) }
      const [stored] = await put(execution({ params: large }))
      await stores.executions.insertMany([execution({ params: { text: 'y'.repeat(10_000) } })], at)
      await all((after) => stores.executions.purgeOrphans(at + 1, after, 1).then(({ next }) => ({ rows: [], next })))
      expect(await stores.executions.readParams([stored!.rowId], 1e6)).toEqual([large])
    })

    it('finds logs from the oldest on, with what became of their execution', async () => {
      const [ended] = await endedOnes(1)
      const [open] = await put(execution({ id: executionId(2) }))
      const line = (when: number) => ({ seq: 1, at: when, level: 'info' as const, text: 'a line' })
      await stores.logs.append([{ rowId: open!.rowId, epoch: 1, lines: [line(start)] }])
      await stores.logs.append([{ rowId: ended!.rowId, epoch: 1, lines: [line(at)] }])
      const both = await stores.logs.listOldest(null, 9)
      const [one, two] = both.rows
      expect(both).toMatchObject({
        rows: [
          { at: start, execution: { state: 'ready' } },
          { at, execution: { state: 'cancelled', changedAt: at } },
        ],
        next: null,
      })
      const first = await stores.logs.listOldest(null, 1)
      expect([first.rows, (await stores.logs.listOldest(first.next, 9)).rows]).toEqual([[one], [two]])
      expect(await stores.logs.purgeMany([two!.rowId])).toBe(1)
      expect(await stores.logs.purgeMany([two!.rowId])).toBe(0)
      expect((await stores.logs.listOldest(null, 9)).rows).toEqual([one])
    })

    it('removes admissions as they were seen', async () => {
      const { admissions } = stores
      const changes = [1, 2, 3].map((number) => {
        const from = openAdmission(jobId(number))
        return { from, to: { ...from, minVersion: 2, rev: 1 } }
      })
      await admissions.compareAndSetMany('fence', changes, start)
      const seen = await all<AdmissionSummary, RowId>((after) => admissions.list(after, 2))
      expect(byJob(seen)).toMatchObject([1, 2, 3].map((n) => ({ jobId: jobId(n), rev: 1, neededAt: start })))
      const from = changes[1]!.to
      await admissions.compareAndSetMany('place', [{ from, to: { ...from, places: ['exe-1'], rev: 2 } }], start)
      await admissions.touch([jobId(3), jobId(9)], at)
      await admissions.touch([jobId(3)], start)
      expect(await admissions.purgeMany(seen)).toBe(1)
      const left = (await admissions.list(null, 9)).rows
      expect(byJob(left)).toMatchObject([
        { jobId: jobId(2), rev: 2 },
        { jobId: jobId(3), neededAt: at },
      ])
    })
  })
}
