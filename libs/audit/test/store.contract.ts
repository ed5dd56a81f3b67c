import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { AuditStore, Seal } from '../src/index.ts'
import { sealOf } from '../src/seal.ts'
import { monday, newRow } from './rows.ts'

export interface OpenedStore {
  readonly store: AuditStore
  close(): Promise<unknown>
}

/** What the port promises, whatever the database. `open` gives an empty store. */
export function describeAuditStore(database: string, open: () => Promise<OpenedStore>): void {
  describe(`the audit log on ${database}`, () => {
    let opened: OpenedStore
    let store: AuditStore
    let made = 0
    beforeAll(async () => {
      opened = await open()
      store = opened.store
    })
    afterAll(() => opened.close())
    const name = (kind: string) => `${kind}-${(made++).toString().padStart(4, '0')}`

    it('hands out growing numbers, and its head is the newest one', async () => {
      const first = await store.append(newRow())
      const second = await store.append(newRow())
      expect(second).toBeGreaterThan(first)
      expect(await store.head()).toBeGreaterThanOrEqual(second)
    })

    it('stores every field, and the outcome once', async () => {
      const [actorId, target] = [name('usr'), name('job')]
      const row = newRow({ actorId, target: 'my-key', via: 'api-key', address: null, actorName: null })
      const n = await store.append(row)
      expect(await store.list({ actorId }, null, 10)).toEqual([{ ...row, n, also: [], version: null, status: null }])
      const outcome = { n, status: 202, target, also: ['my-key'], version: 3 }
      await store.complete([outcome])
      await store.complete([{ ...outcome, status: 500, version: 9 }])
      expect(await store.list({ actorId }, null, 10)).toEqual([{ ...row, ...outcome }])
    })

    it('lists the rows of a user, of a target and of both, newest first, page by page', async () => {
      const [ada, bob] = [name('usr'), name('usr')]
      const [job, other] = [name('job'), name('job')]
      const numbers: number[] = []
      for (const [actorId, target] of [
        [ada, job],
        [bob, job],
        [ada, other],
        [ada, null],
      ] as const) {
        numbers.push(await store.append(newRow({ actorId, target })))
        if (numbers.length === 2) await store.freeze(0, await store.head())
      }
      const [first, second, third, fourth] = numbers as [number, number, number, number]
      const listed = async (...asked: Parameters<AuditStore['list']>) => (await store.list(...asked)).map(({ n }) => n)
      expect(await listed({ actorId: ada }, null, 10)).toEqual([fourth, third, first])
      expect(await listed({ target: job }, null, 10)).toEqual([second, first])
      expect(await listed({ actorId: ada, target: job }, null, 10)).toEqual([first])
      expect(await listed({ actorId: ada }, fourth, 1)).toEqual([third])
      expect(await listed({}, null, 2)).toEqual([fourth, third])
    })

    it('stores the user of a request that came without a token', async () => {
      const actor = { id: name('usr'), name: 'zoe' }
      const n = await store.append(newRow({ actorId: null, actorName: null, via: 'none' }))
      await store.complete([{ n, actor, status: 200, target: null, also: [], version: null }])
      expect(await store.list({ actorId: actor.id }, null, 2)).toMatchObject([{ n, actorName: 'zoe', via: 'none' }])
    })

    it('stores no outcome of a frozen row', async () => {
      const actorId = name('usr')
      const n = await store.append(newRow({ actorId }))
      await store.freeze(n - 1, n)
      await store.complete([{ n, status: 200, target: null, also: [], version: null }])
      expect((await store.list({ actorId }, null, 1))[0]?.status).toBeNull()
    })

    it('finds what may be sealed, which ends before a request that may be under way', async () => {
      const before = await store.head()
      const at = monday + 1_000_000
      const numbers: number[] = []
      for (let row = 0; row < 4; row++) numbers.push(await store.append(newRow({ at: at + row })))
      const [first, second, third, fourth] = numbers as [number, number, number, number]
      const done = (n: number) => ({ n, status: 200, target: null, also: [], version: null })
      const peek = (openSince: number, limit = 10) => store.peek(before, fourth, openSince, limit)
      expect(await peek(at - 1)).toBeNull()
      await store.complete([done(first), done(second), done(fourth)])
      expect(await peek(at)).toEqual({ count: 2, last: second, oldestAt: at })
      expect(await peek(at + 2)).toEqual({ count: 4, last: fourth, oldestAt: at })
      expect(await peek(at + 2, 3)).toEqual({ count: 3, last: third, oldestAt: at })
      expect(await store.peek(fourth, fourth, at, 10)).toBeNull()
    })

    it('has a content for its rows that an outcome changes, and stores each seal once', async () => {
      const before = await store.head()
      const at = monday + 2_000_000
      const numbers: number[] = []
      for (let row = 0; row < 4; row++) numbers.push(await store.append(newRow({ at: at + row })))
      const [first, second, third, fourth] = numbers as [number, number, number, number]
      const content = await store.readContent(before, second)
      expect(content).toMatchObject({ count: 2, first, last: second, firstAt: at, lastAt: at + 1 })
      expect(await store.readContent(before, second)).toEqual(content)
      await store.complete([{ n: second, status: 200, target: null, also: [], version: null }])
      expect((await store.readContent(before, second)).text).not.toBe(content.text)
      expect(await store.readContent(fourth, fourth)).toMatchObject({ count: 0, first: 0, text: '' })
      expect(await store.newestSeal()).toBeNull()
      const one = sealOf(null, await store.readContent(before, second))
      const two = sealOf(one, await store.readContent(second, fourth))
      expect(await store.insertSeal(one)).toBe(true)
      expect(await store.insertSeal({ ...one, hash: 'another' } satisfies Seal)).toBe(false)
      expect(await store.insertSeal(two)).toBe(true)
      expect(await store.newestSeal()).toEqual(two)
      expect(await store.listSeals(0, 10)).toEqual([one, two])
      expect(await store.listSeals(1, 10)).toEqual([two])
      expect(two.first).toBe(third)
    })

    it('removes seals from the oldest on, with their rows', async () => {
      const [first, second] = (await store.listSeals(0, 2)) as [Seal, Seal]
      await store.removeThrough(first)
      expect(await store.listSeals(0, 10)).toEqual([second])
      expect((await store.readContent(0, first.last)).count).toBe(0)
      expect((await store.readContent(first.last, second.last)).count).toBe(second.count)
    })
  })
}
