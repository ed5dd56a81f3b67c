import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { AuditStore, Seal } from '../src/index.ts'
import { sealOf } from '../src/seal.ts'
import { newRow } from './rows.ts'

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
      expect(await listed({ targets: [job] }, null, 10)).toEqual([second, first])
      expect(await listed({ targets: [job, other] }, null, 10)).toEqual([third, second, first])
      expect(await listed({ actorId: ada, targets: [job, other] }, null, 10)).toEqual([third, first])
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

    it('reads a range oldest first, and stores each seal once', async () => {
      const before = await store.head()
      for (let row = 0; row < 4; row++) await store.append(newRow())
      const rows = await store.readRange(before, await store.head(), 10)
      expect(rows).toHaveLength(4)
      expect(await store.readRange(before, rows[1]!.n, 10)).toEqual(rows.slice(0, 2))
      expect(await store.readRange(before, rows[3]!.n, 3)).toEqual(rows.slice(0, 3))
      expect(await store.newestSeal()).toBeNull()
      const first = sealOf(null, rows.slice(0, 2))
      const second = sealOf(first, rows.slice(2))
      expect(await store.insertSeal(first)).toBe(true)
      expect(await store.insertSeal({ ...first, hash: 'another' } satisfies Seal)).toBe(false)
      expect(await store.insertSeal(second)).toBe(true)
      expect(await store.newestSeal()).toEqual(second)
      expect(await store.listSeals(0, 10)).toEqual([first, second])
      expect(await store.listSeals(1, 10)).toEqual([second])
    })

    it('removes seals from the oldest on, with their rows', async () => {
      const [first, second] = (await store.listSeals(0, 2)) as [Seal, Seal]
      await store.removeThrough(first)
      expect(await store.listSeals(0, 10)).toEqual([second])
      expect(await store.readRange(0, first.last, 10)).toEqual([])
      expect(await store.readRange(first.last, second.last, 10)).toHaveLength(second.count)
    })
  })
}
