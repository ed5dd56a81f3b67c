import { createReconciler } from '@belfry/bus'
import { createHealth, createLog, createManualClock, createMetrics } from '@belfry/service'
import { shardOf, soleShare } from '@belfry/storage'
import { beforeEach, describe, expect, it } from 'vitest'
import { close } from '../../../src/executions/transitions.ts'
import type { Stores } from '../../../src/store/ports.ts'
import { execution, executionId, start } from '../../samples.ts'
import { at, claimed, page, type StoreKit, taken } from './kit.ts'

/** What is not yet published, and what has changed. */
export function describeChanges({ stores: open, put, swap }: StoreKit): void {
  let stores: Stores

  beforeEach(() => {
    stores = open()
  })

  describe('what is not yet published', () => {
    const unpublished = async () =>
      (await stores.executions.listUnpublished(page(100), soleShare)).rows
        .toSorted((one, other) => (one.execution.id < other.execution.id ? -1 : 1))
        .map((one) => [one.rowId, one.execution.seq])

    it('is every new state, until that very state was sent', async () => {
      const [a, b] = await put(execution(), execution({ id: executionId(2) }))
      expect(await unpublished()).toEqual([
        [a!.rowId, 1],
        [b!.rowId, 1],
      ])
      await swap(a!, claimed(a!.execution))
      await stores.executions.markPublished([
        { rowId: a!.rowId, seq: 1 },
        { rowId: b!.rowId, seq: 1 },
      ])
      expect(await unpublished()).toEqual([[a!.rowId, 2]])
      await stores.executions.markPublished([{ rowId: a!.rowId, seq: 2 }])
      expect(await unpublished()).toEqual([])
    })

    it('is also what is asked for again', async () => {
      const [stored] = await put(execution())
      await stores.executions.markPublished([{ rowId: stored!.rowId, seq: 1 }])
      await stores.executions.markUnpublished([stored!, stored!])
      expect(await unpublished()).toEqual([[stored!.rowId, 1]])
      expect((await stores.executions.listUnpublished(page(0), soleShare)).rows).toEqual([])
    })

    it('is not what an insert or a change left as it was', async () => {
      const [stored] = await put(execution())
      await stores.executions.markPublished([{ rowId: stored!.rowId, seq: 1 }])
      await stores.executions.insertMany([execution()], at)
      const old = { ...stored!.execution, seq: 7 }
      await stores.executions.compareAndSetMany('claim', [{ rowId: stored!.rowId, from: old, to: claimed(old) }], at)
      expect(await unpublished()).toEqual([])
    })

    it('is shared among several instances, but for what is overdue', async () => {
      const ids = Array.from({ length: 20 }, (_, n) => executionId(n + 1))
      await put(...ids.map((id) => execution({ id })))
      const listed = async (index: number, overdueAt: number) => {
        const { rows } = await stores.executions.listUnpublished(page(100), { index, instances: 3, overdueAt })
        return rows.map(({ execution: { id } }) => id).sort()
      }
      const shareOf = (index: number) => ids.filter((id) => shardOf(id) % 3 === index).sort()
      for (const index of [0, 1, 2]) {
        expect(await listed(index, start - 1)).toEqual(shareOf(index))
        expect(await listed(index, start)).toEqual([...ids].sort())
      }
    })
  })

  describe('what has changed', () => {
    /** All changes after a number, read in pages of two. */
    const changesAfter = async (from: number) => {
      const rows: { id: string; seq: number; changeNo: number }[] = []
      for (let after = from; ; after = rows.at(-1)?.changeNo ?? after) {
        const page = await stores.executions.listChanges({ after, limit: 2 })
        expect(page.rows.length).toBeLessThanOrEqual(2)
        rows.push(...page.rows)
        if (!page.hasMore) return rows
      }
    }
    const head = async () => (await stores.executions.listChanges({ after: 0, limit: 1 })).head

    it('comes in order of its change numbers, open or ended, each record once', async () => {
      expect(await stores.executions.listChanges({ after: 0, limit: 10 })).toEqual({
        rows: [],
        head: 0,
        hasMore: false,
      })
      const [a, b] = await put(execution(), execution({ id: executionId(2) }), execution({ id: executionId(3) }))
      await swap(a!, claimed(a!.execution))
      await swap(b!, taken(close(b!.execution, 'cancelled', at)))
      const all = await changesAfter(0)
      expect(all.map((one) => [one.id, one.seq])).toEqual([
        [executionId(3), 1],
        [executionId(1), 2],
        [executionId(2), 2],
      ])
      const numbers = all.map((one) => one.changeNo)
      expect(numbers).toEqual([...new Set(numbers)].sort((one, other) => one - other))
      expect(await changesAfter(numbers[0]!)).toEqual(all.slice(1))
      expect(await head()).toBeGreaterThanOrEqual(numbers.at(-1)!)
      expect(await changesAfter(await head())).toEqual([])
    })

    it('is in that order whatever the clocks of the writers show', async () => {
      const hour = 3_600_000
      const [a, b] = await put(execution(), execution({ id: executionId(2) }))
      await swap(a!, claimed(a!.execution), 'claim', start + hour)
      const before = await head()
      await swap(b!, claimed(b!.execution), 'claim', start - hour)
      await stores.executions.insertMany([execution({ id: executionId(3) })], start + 2 * hour)
      await stores.executions.insertMany([execution({ id: executionId(4) })], start)
      expect((await changesAfter(before)).map(({ id }) => id)).toEqual([2, 3, 4].map(executionId))
    })

    it('is not what an insert or a change left as it was, nor a mark', async () => {
      const [stored] = await put(execution())
      const before = await head()
      await stores.executions.insertMany([execution()], at)
      const old = { ...stored!.execution, seq: 7 }
      await stores.executions.compareAndSetMany('claim', [{ rowId: stored!.rowId, from: old, to: claimed(old) }], at)
      await stores.executions.markPublished([{ rowId: stored!.rowId, seq: 1 }])
      await stores.executions.markUnpublished([stored!])
      expect(await changesAfter(before)).toEqual([])
    })

    it('is complete once all writes have been answered', async () => {
      const ids = Array.from({ length: 40 }, (_, n) => executionId(n + 1))
      const made = await Promise.all(ids.map((id) => put(execution({ id }))))
      await Promise.all(made.map(([one]) => swap(one!, claimed(one!.execution))))
      const all = await changesAfter(0)
      expect(all.map(({ id, seq }) => `${id} ${seq}`).sort()).toEqual(ids.map((id) => `${id} 2`).sort())
    })

    it('is found by a reconcile, whatever the clocks of the writers show and however their writes overlap with its rounds', async () => {
      const hour = 3_600_000
      const copies = new Map<string, number>()
      const clock = createManualClock()
      const metrics = createMetrics().forService('job-service')
      const log = createLog({ level: 'silent' })
      const reconciler = createReconciler<{ id: string; seq: number; changeNo: number }, { id: string; seq: number }>({
        name: 'executions',
        list: (after, limit) => stores.executions.listChanges({ after, limit }),
        compare: async (rows) => rows.filter(({ id, seq }) => (copies.get(id) ?? 0) < seq).map(({ id }) => id),
        async *fetch(ids) {
          const found = await stores.executions.find(ids)
          yield { records: found.flatMap((one) => (one ? [one.execution] : [])), failed: [] }
        },
        async apply(records) {
          for (const { id, seq } of records) copies.set(id, seq)
          return []
        },
        idOf: ({ id }) => id,
        cursor: { read: async () => 0, write: async () => undefined },
        ...{ clock, log, metrics, health: createHealth({ clock, log }) },
        ...{ rows: 7, skippedLimit: 10, settleMs: 60_000, everyMs: 30_000, mayLose: true },
      })
      const expected = new Map<string, number>()
      for (let round = 0; round < 8; round++) {
        const writes = [-hour, 0, hour].map(async (ahead, writer) => {
          for (let n = 0; n < 4; n++) {
            const [stored] = await put(execution({ id: executionId(100 * round + 10 * writer + n + 1) }))
            await swap(stored!, claimed(stored!.execution), 'claim', start + ahead)
            expected.set(stored!.execution.id, 2)
          }
        })
        await Promise.all([...writes, reconciler.runOnce()])
        await clock.advance(30_000)
      }
      await reconciler.runOnce()
      expect(copies).toEqual(expected)
    })
  })
}
