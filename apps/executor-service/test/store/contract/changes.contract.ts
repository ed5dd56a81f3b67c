import { isRefusal } from '@belfry/contracts'
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
      (await stores.executions.listUnpublished(page(100))).rows
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
      expect((await stores.executions.listUnpublished(page(0))).rows).toEqual([])
    })

    it('is not what an insert or a change left as it was', async () => {
      const [stored] = await put(execution())
      await stores.executions.markPublished([{ rowId: stored!.rowId, seq: 1 }])
      await stores.executions.insertMany([execution()], at)
      const old = { ...stored!.execution, seq: 7 }
      await stores.executions.compareAndSetMany('claim', [{ rowId: stored!.rowId, from: old, to: claimed(old) }], at)
      expect(await unpublished()).toEqual([])
    })
  })

  describe('what has changed', () => {
    it('comes in order of change, open or ended, in pages', async () => {
      const [a, b] = await put(execution(), execution({ id: executionId(2) }), execution({ id: executionId(3) }))
      await swap(a!, claimed(a!.execution), 'claim', start + 30)
      await swap(b!, taken(close(b!.execution, 'cancelled', at)), 'claim', start + 20)
      const list = async (query: { since: number; cursor?: string }, limit: number) =>
        taken(await stores.executions.listChanges({ ...query, limit }))
      const { rows: all } = await list({ since: 0 }, 10)
      expect(all.map((one) => [one.id, one.seq, one.changedAt])).toEqual([
        [executionId(3), 1, start],
        [executionId(2), 2, start + 20],
        [executionId(1), 2, start + 30],
      ])
      const page = await list({ since: start + 20 }, 1)
      expect(page.rows).toEqual([all[1]])
      expect(await list({ since: 0, cursor: page.next ?? '' }, 10)).toEqual({ rows: [all[2]], next: null })
      const bad = await stores.executions.listChanges({ since: 0, cursor: 'no cursor', limit: 10 })
      expect(isRefusal(bad) && bad.code).toBe('malformed-request')
    })
  })
}
