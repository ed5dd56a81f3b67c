import { beforeEach, describe, expect, it } from 'vitest'
import type { Execution } from '../../../src/executions/execution.ts'
import { failed } from '../../../src/executions/outcome.ts'
import { claim, handBack, handOver } from '../../../src/executions/transitions.ts'
import type { DueCursor, DueOfOthersQuery, DueQuery, RowId, Stored, Stores } from '../../../src/store/ports.ts'
import { execution, executionId, ownerId } from '../../samples.ts'
import { at, claimed, finished, type StoreKit, taken } from './kit.ts'

/** What is due, and what is due of others. */
export function describeDue({ stores: open, put, swap, reread }: StoreKit): void {
  let stores: Stores

  beforeEach(() => {
    stores = open()
  })

  describe('what is due', () => {
    const query = (change: Partial<DueQuery> = {}): DueQuery => ({
      now: at,
      until: at + 500,
      due: { io: 10, cpu: 10 },
      coming: 10,
      saturated: [],
      scan: 100,
      share: { index: 0, instances: 1, overdueAt: at - 500 },
      ...change,
    })
    const ready = (number: number, runAt: number, change: Partial<Execution> = {}) =>
      execution({ id: executionId(number), runAt, ...change })
    const dueIds = async (stored: readonly Stored[], asked = query()) => {
      const due = await stores.executions.listDue(asked)
      return due.map((one) => stored.findIndex((other) => other.rowId === one.rowId) + 1)
    }

    it('comes by priority and then by age, and is ready', async () => {
      const stored = await put(
        ready(1, at - 10),
        ready(2, at - 20),
        ready(3, at, { priority: 1 }),
        ready(4, at + 1),
        ready(5, at + 501),
        claimed(ready(6, at - 30)),
      )
      expect(await dueIds(stored)).toEqual([3, 2, 1, 4])
    })

    it('may be nothing, as long as nothing is ready', async () => {
      const [stored] = await put(claimed(ready(1, at)))
      expect(await stores.executions.hasReady()).toBe(false)
      await swap(stored!, taken(handBack(stored!.execution, stored!.execution, at)))
      expect(await stores.executions.hasReady()).toBe(true)
    })

    it('is counted for each kind of slots', async () => {
      const stored = await put(ready(1, at - 3), ready(2, at - 2), ready(3, at - 1, { pool: 'cpu' }), ready(4, at + 5))
      expect(await dueIds(stored, query({ due: { io: 1, cpu: 5 } }))).toEqual([1, 3, 4])
      expect(await dueIds(stored, query({ due: { io: 0, cpu: 0 }, coming: 0 }))).toEqual([])
      const [one] = await stores.executions.listDue(query({ due: { io: 0, cpu: 1 }, coming: 0 }))
      expect(one).toEqual({ rowId: stored[2]?.rowId, runAt: at - 1, pool: 'cpu' })
    })

    it('is taken of other owners when some have all that they may have in memory', async () => {
      const of = (number: number, owner: number) => ready(number, at + number, { ownerId: ownerId(owner) })
      const stored = await put(of(1, 1), of(2, 1), of(3, 2), of(4, 1), of(5, 2))
      expect(await dueIds(stored, query({ saturated: [ownerId(1)] }))).toEqual([3, 5])
      expect(await dueIds(stored, query({ saturated: [ownerId(1)], scan: 3, coming: 1 }))).toEqual([3])
      expect(await dueIds(stored, query({ saturated: [ownerId(1)], scan: 1, coming: 1 }))).toEqual([])
    })

    it('is shared among executors, until it is overdue', async () => {
      const stored = await put(...Array.from({ length: 10 }, (_, i) => ready(i + 1, at - 10)), ready(11, at - 600))
      const share = (index: number) =>
        query({ due: { io: 100, cpu: 0 }, share: { index, instances: 2, overdueAt: at - 500 } })
      const [even, odd] = [await dueIds(stored, share(0)), await dueIds(stored, share(1))]
      expect(even.filter((number) => odd.includes(number))).toEqual([11])
      expect(new Set([...even, ...odd]).size).toBe(11)
    })
  })

  describe('what is due of job types that the executor which stored it does not have', () => {
    const other = (number: number, jobType: string, change: Partial<Execution> = {}) =>
      execution({ id: executionId(number), jobType, pool: 'other', runAt: at - 100 + number, ...change })
    const asked = async (stored: readonly Stored[], types: readonly string[], limit = 10) => {
      const due = await stores.executions.listDueOfTypes({ types, until: at, limit })
      expect(due.every(({ pool }) => pool === 'other')).toBe(true)
      return due.map((one) => stored.findIndex(({ rowId }) => rowId === one.rowId) + 1).toSorted((a, b) => a - b)
    }

    it('is found by its type, whatever else is ready, and by no poll', async () => {
      const many = Array.from({ length: 30 }, (_, n) => other(n + 10, 'GONE', { runAt: at - 9000 }))
      const stored = await put(
        other(1, 'MINE'),
        other(2, 'YOURS'),
        other(3, 'MINE', { runAt: at + 1 }),
        other(4, 'MINE', { priority: 9 }),
        claimed(other(5, 'MINE')),
        execution({ id: executionId(6), jobType: 'MINE', runAt: at - 1 }),
        ...many,
      )
      expect(await asked(stored, ['MINE', 'NONE'])).toEqual([1, 4])
      expect(await asked(stored, ['MINE', 'YOURS'])).toEqual([1, 2, 4])
      expect(await asked(stored, ['YOURS', 'GONE', 'MINE'], 2)).toHaveLength(5)
      expect(await asked(stored, [])).toEqual([])
      const share = { index: 0, instances: 1, overdueAt: 0 }
      const query = { now: at, until: at, due: { io: 99, cpu: 99 }, coming: 0, saturated: [], scan: 100, share }
      expect((await stores.executions.listDue(query)).map(({ rowId }) => rowId)).toEqual([stored[5]?.rowId])
      expect(await stores.executions.hasReady()).toBe(true)
    })

    it('says when it is due', async () => {
      const [stored] = await put(other(1, 'MINE'))
      const due = await stores.executions.listDueOfTypes({ types: ['MINE'], until: at, limit: 1 })
      expect(due).toEqual([{ rowId: stored?.rowId, runAt: at - 99, pool: 'other' }])
    })

    it('comes there and goes from there with the record', async () => {
      const [stored] = await put(execution({ jobType: 'MINE', runAt: at - 1, params: { text: 'x'.repeat(5000) } }))
      const handed = await swap(stored!, taken(handOver(stored!.execution)), 'hand-over')
      expect((await reread(handed)).pool).toBe('other')
      expect(await asked([handed], ['MINE'])).toEqual([1])
      const [failing] = await stores.executions.compareAndSetMany(
        'claim',
        [{ rowId: handed.rowId, from: stored!.execution, to: claimed(stored!.execution) }],
        at,
      )
      expect(failing).toBe(false)
      const won = await swap(handed, taken(claim(handed.execution, { owner: 'one', pool: 'cpu' })))
      expect(await reread(won)).toMatchObject({ state: 'running', pool: 'cpu' })
      expect(await stores.executions.readParams([won.rowId], 1e6)).toEqual([{ text: 'x'.repeat(5000) }])
      expect(await asked([won], ['MINE'])).toEqual([])
      await swap(won, taken(handBack(won.execution, won.execution, at)))
      expect(await asked([won], ['MINE'])).toEqual([])
    })

    it('is left alone for a time when it cannot be read', async () => {
      const [stored] = await put(other(1, 'MINE'))
      await stores.executions.quarantineMany([stored!.rowId], at + 500)
      expect(await asked([stored!], ['MINE'])).toEqual([])
      expect(await stores.executions.listDueOfTypes({ types: ['MINE'], until: at + 500, limit: 1 })).toHaveLength(1)
    })
  })

  describe('what may not start any more', () => {
    const expired = async (stored: readonly Stored[], limit = 10) => {
      const found = await stores.executions.listExpired(at, limit)
      return found.map((rowId) => stored.findIndex((one) => one.rowId === rowId) + 1).toSorted((a, b) => a - b)
    }
    const until = (number: number, expiresAt: number | null, change: Partial<Execution> = {}) =>
      execution({ id: executionId(number), expiresAt, ...change })

    it('is ready and has not started, wherever it waits', async () => {
      const stored = await put(
        until(1, at - 1),
        until(2, at),
        until(3, null),
        until(4, at - 1, { pool: 'other' }),
        until(5, at - 1, { blockedBy: executionId(1), runAt: at + 5000 }),
        until(6, at - 1, { failures: 1 }),
        claimed(until(7, at - 1)),
        until(8, at - 1, { state: 'expired', endedAt: at }),
      )
      expect(await expired(stored)).toEqual([1, 4, 5])
      expect(await expired(stored, 2)).toHaveLength(2)
    })

    it('changes with the record', async () => {
      const [stored] = await put(until(1, at - 1))
      const won = await swap(stored!, claimed(stored!.execution))
      expect(await expired([won])).toEqual([])
      const back = await swap(won, taken(handBack(won.execution, won.execution, at)))
      expect(await expired([back])).toEqual([1])
      const again = await swap(back, claimed(back.execution))
      const failedOne = await swap(again, finished(again.execution, failed('broken', 'It broke.')))
      expect(failedOne.execution.state).toBe('ready')
      expect(await expired([failedOne])).toEqual([])
    })
  })

  describe('what is due of owners that are not saturated', () => {
    const [a, b, c] = [ownerId(1), ownerId(2), ownerId(3)] as const
    const ask = (change: Partial<DueOfOthersQuery> = {}): DueOfOthersQuery => ({
      pool: 'io',
      now: at,
      passOver: [a],
      after: null,
      scan: 100,
      limit: 10,
      share: { index: 0, instances: 1, overdueAt: at - 500 },
      ...change,
    })
    const ready = (number: number, owner: string, change: Partial<Execution> = {}) =>
      execution({ id: executionId(number), ownerId: owner, runAt: at - 100 + number, ...change })
    const numbersOf = (stored: readonly Stored[], found: readonly { rowId: RowId }[]) =>
      found.map((one) => stored.findIndex((other) => other.rowId === one.rowId) + 1)

    it('comes by priority and age, is ready and due, and belongs to others', async () => {
      const stored = await put(
        ready(1, a),
        ready(2, b),
        ready(3, c, { priority: 1 }),
        ready(4, b, { pool: 'cpu' }),
        ready(5, b, { runAt: at + 1 }),
        claimed(ready(6, b)),
        ready(7, b),
      )
      const { rows: found, next } = await stores.executions.listDueOfOthers(ask())
      expect([numbersOf(stored, found), next]).toEqual([[3, 2, 7], null])
      expect(found[0]).toEqual({ rowId: stored[2]?.rowId, runAt: at - 97, pool: 'io' })
      const both = await stores.executions.listDueOfOthers(ask({ passOver: [a, b] }))
      expect(numbersOf(stored, both.rows)).toEqual([3])
    })

    it('is looked for in so many entries at a time, and found behind any number of them', async () => {
      const many = Array.from({ length: 250 }, (_, n) => ready(n + 1, a, { runAt: at - 1000 + n }))
      const stored = await put(
        ...many,
        ready(251, b, { priority: 9, runAt: at - 1 }),
        ready(252, b, { priority: 9, runAt: at }),
      )
      const pages: number[][] = []
      let after: DueCursor | null = null
      do {
        const page = await stores.executions.listDueOfOthers(ask({ after, limit: 1 }))
        pages.push(numbersOf(stored, page.rows))
        after = page.next
      } while (after !== null)
      expect(pages).toEqual([[], [], [251], [252], []])
    })

    it('is shared among executors, until it is overdue', async () => {
      const recent = Array.from({ length: 10 }, (_, n) => ready(n + 1, b, { runAt: at - 10 }))
      const stored = await put(...recent, ready(11, b, { runAt: at - 600 }))
      const mine = async (index: number) => {
        const share = { index, instances: 2, overdueAt: at - 500 }
        return numbersOf(stored, (await stores.executions.listDueOfOthers(ask({ share, limit: 100 }))).rows)
      }
      const [even, odd] = [await mine(0), await mine(1)]
      expect(even.filter((number) => odd.includes(number))).toEqual([11])
      expect(new Set([...even, ...odd]).size).toBe(11)
    })
  })
}
