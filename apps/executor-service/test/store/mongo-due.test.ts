import { StorageError, shardOf, soleShare } from '@belfry/storage'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Execution, Pool } from '../../src/executions/execution.ts'
import { close } from '../../src/executions/transitions.ts'
import { createDueStore } from '../../src/store/mongo/due.ts'
import { newRecord } from '../../src/store/mongo/execution-record.ts'
import { readReadyKey, readyBound, readyKey } from '../../src/store/mongo/keys.ts'
import type { CursorPage, DueCursor, DueExecution, RowId, Stored, Stores } from '../../src/store/ports.ts'
import { execution, executionId, ownerId, start } from '../samples.ts'
import { claimed, taken } from './contract/kit.ts'
import { createRandom } from './mongo-executors.ts'
import { createMongoStores, mongoUrl, openRecords } from './mongo-stores.ts'

describe('the key of what is ready', () => {
  it('sorts by pool, priority and time, and says them', () => {
    const times = [0, 1, 35, 36, start, start + 1, 7_258_118_400_000]
    for (const [index, at] of times.entries()) {
      const key = readyKey('io', 5, at, 65_535, 'exe-1')
      const read = readReadyKey(key)
      expect([read.priority, Math.floor(read.position)]).toEqual([5, at])
      expect(key > readyBound('io', 5, at) && key < readyBound('io', 5, at + 1)).toBe(true)
      const next = times[index + 1]
      if (next !== undefined) expect(key < readyKey('io', 5, next, 0, 'exe-0')).toBe(true)
      expect(readyKey('io', 4, 7_258_118_400_000, 0, 'x') < key && readyKey('cpu', 9, at, 0, 'x') < key).toBe(true)
    }
  })
})

describe.skipIf(mongoUrl === undefined)('much that is due, in MongoDB', () => {
  /** Executions of which most are due in a few milliseconds, and some at any time before. */
  function some(count: number, random: () => number, from = 1): Execution[] {
    return Array.from({ length: count }, (_, index) =>
      execution({
        id: executionId(from + index),
        priority: random() < 0.8 ? 5 : 1 + Math.floor(random() * 9),
        ownerId: ownerId(random() < 0.9 ? 1 : 2),
        runAt: start + (random() < 0.6 ? Math.floor(random() * 3) : Math.floor(random() * 100_000) - 100_000),
      }),
    )
  }

  async function open(): Promise<Stores> {
    const stores = await createMongoStores()
    onTestFinished(() => stores.close())
    return stores
  }
  const placeOf = ({ priority, runAt }: Execution) => `${priority} ${runAt}`
  const byPlace = (a: Execution, b: Execution) => a.priority - b.priority || a.runAt - b.runAt
  const now = start + 10

  it.each([1, 2, 3])(
    'comes page by page in its order, while some of it is claimed and more comes (%i)',
    async (seed) => {
      const { executions } = await open()
      const random = createRandom(seed)
      const ready = new Map<string, Stored>()
      let nextId = 1
      const put = async (count: number) => {
        const stored = await executions.insertMany(some(count, random, nextId), start)
        nextId += count
        for (const one of stored) if (one) ready.set(one.execution.id, one)
      }
      await put(500)
      for (let round = 0; ready.size > 0; round += 1) {
        const limit = 1 + Math.floor(random() * 60)
        const due = { io: limit, cpu: 0 }
        const share = { ...soleShare, overdueAt: 0 }
        const found = await executions.listDue({ now, until: now, due, coming: 0, saturated: [], scan: 100, share })
        const listed = found.map(({ rowId }) => ready.get(String(rowId))?.execution)
        const expected = [...ready.values()].map((one) => one.execution).sort(byPlace)
        expect(listed.map((one) => one && placeOf(one))).toEqual(expected.slice(0, limit).map(placeOf))
        const wanted = listed.flatMap((one) => (one && random() < 0.9 ? (ready.get(one.id) ?? []) : []))
        const updates = wanted.map(({ rowId, execution: from }) => ({ rowId, from, to: claimed(from) }))
        expect(await executions.compareAndSetMany('claim', updates, now)).toEqual(updates.map(() => true))
        for (const { from } of updates) ready.delete(from.id)
        if (round < 8 && random() < 0.5) await put(Math.floor(random() * 30))
      }
      expect(await executions.hasReady()).toBe(false)
    },
    60_000,
  )

  /** Asks again as a poll does; what fails is the database that runs out of time. */
  async function persistently<T>(call: () => Promise<T>): Promise<T> {
    for (let left = 12; ; left -= 1) {
      try {
        return await call()
      } catch (error) {
        if (left === 0) throw error
      }
    }
  }

  it('is found by halves when there is too much of it to be sorted in time', async () => {
    const { records } = await openRecords()
    const made = some(300, createRandom(5)).map((one, index) =>
      newRecord(one, { paramsId: null, paramsSize: null }, start, index + 1),
    )
    await records.insertManyIfAbsent('test', made)
    const tooMuch = made.length / 3
    // As a database that sorts all that match, and runs out of time.
    const find: typeof records.find = async (step, filter, options) => {
      const found = await records.find(step, filter, { ...options, limit: made.length })
      if (options?.sort && found.length > tooMuch) throw new StorageError('unavailable', 'the test lets it time out')
      return found.slice(0, options?.limit)
    }
    const due = createDueStore({ ...records, find })
    const share = { ...soleShare, overdueAt: 0 }
    const query = { now, until: now, due: { io: 20, cpu: 20 }, coming: 0, saturated: [], scan: 100, share }
    const expected = made.toSorted((a, b) => (a.phase < b.phase ? -1 : 1)).map(({ _id }) => _id)
    for (const _ of [1, 2])
      expect((await persistently(() => due.listDue(query))).map(({ rowId }) => rowId)).toEqual(expected.slice(0, 20))
    const walked: RowId[] = []
    let after: DueCursor | null = null
    do {
      const others = { pool: 'io', now, passOver: [], after, scan: 50, limit: 50, share } as const
      const page: CursorPage<DueExecution, DueCursor> = await persistently(() => due.listDueOfOthers(others))
      walked.push(...page.rows.map(({ rowId }) => rowId))
      after = page.next
    } while (after !== null)
    expect(walked).toEqual(expected)
  }, 30_000)

  it('is left to the executor of its share for the most part, however long it is overdue', async () => {
    const { executions } = await open()
    await executions.insertMany(some(400, createRandom(4)), start)
    const ask = async (index: number) => {
      const share = { index, instances: 3, overdueAt: now }
      const query = { now, until: now, due: { io: 60, cpu: 60 }, coming: 0, saturated: [], scan: 100, share }
      return (await executions.listDue(query)).map(({ rowId }) => String(rowId))
    }
    const pages = [await ask(0), await ask(1), await ask(2)]
    for (const [index, page] of pages.entries()) {
      expect(page).toHaveLength(60)
      expect(page.filter((id) => shardOf(id) % 3 === index)).toHaveLength(45)
    }
  }, 30_000)

  it('is walked through for other owners, each entry once', async () => {
    const { executions } = await open()
    const stored = await executions.insertMany(some(400, createRandom(9)), start)
    const walk = async (pool: Pool) => {
      const found: string[] = []
      let after: DueCursor | null = null
      do {
        const share = { ...soleShare, overdueAt: 0 }
        const query = { pool, now, passOver: [ownerId(1)], after, scan: 37, limit: 5, share }
        const page = await executions.listDueOfOthers(query)
        found.push(...page.rows.map(({ rowId }) => String(rowId)))
        after = page.next
      } while (after !== null)
      return found
    }
    const others = stored.flatMap((one) => (one?.execution.ownerId === ownerId(2) ? [one.execution] : []))
    expect((await walk('io')).sort()).toEqual(others.map(({ id }) => id).sort())
    expect(await walk('cpu')).toEqual([])
    const [first] = stored
    const ended = taken(close(first!.execution, 'superseded', now))
    await executions.compareAndSetMany('close', [{ rowId: first!.rowId, from: first!.execution, to: ended }], now)
    expect(await walk('io')).not.toContain(first!.execution.id)
  }, 30_000)
})
