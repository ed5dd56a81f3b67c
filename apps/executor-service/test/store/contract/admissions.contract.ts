import { beforeEach, describe, expect, it } from 'vitest'
import { openAdmission } from '../../../src/admission/admission.ts'
import type { Stores } from '../../../src/store/ports.ts'
import { jobId, start } from '../../samples.ts'
import { at, byJob, type StoreKit } from './kit.ts'

/** Admissions and executors. */
export function describeAdmissions({ stores: open }: StoreKit): void {
  let stores: Stores

  beforeEach(() => {
    stores = open()
  })

  describe('admissions', () => {
    const open = openAdmission(jobId())
    const fenced = {
      ...open,
      minVersion: 3,
      floors: [{ version: 4, fromAt: at }],
      places: ['exe-1'],
      waiting: ['exe-2'],
      unsettled: 1,
      rev: 1,
    }

    it('come back as they were put in; others are open', async () => {
      expect(await stores.admissions.compareAndSetMany('fence', [{ from: open, to: fenced }], start)).toEqual([true])
      expect(await stores.admissions.read([jobId(2), jobId()])).toEqual([undefined, fenced])
    })

    it('are found while they are unsettled, in pages', async () => {
      const marked = [1, 2, 3].map((number) => {
        const from = openAdmission(jobId(number))
        return { from, to: { ...from, minVersion: 2, unsettled: number === 2 ? 0 : 1, rev: 1 } }
      })
      await stores.admissions.compareAndSetMany('fence', marked, start)
      const first = await stores.admissions.listUnsettled(null, 1)
      const second = await stores.admissions.listUnsettled(first.next, 1)
      expect(byJob([...first.rows, ...second.rows])).toEqual([marked[0]?.to, marked[2]?.to])
      const [from] = first.rows
      await stores.admissions.compareAndSetMany(
        'settle',
        [{ from: from!, to: { ...from!, unsettled: 0, rev: 2 } }],
        start,
      )
      const left = await stores.admissions.listUnsettled(null, 9)
      expect(left).toEqual({ rows: second.rows, next: null })
    })

    it('change once from each state', async () => {
      const other = { ...open, minVersion: 9, rev: 1 }
      const first = await stores.admissions.compareAndSetMany(
        'place',
        [
          { from: open, to: fenced },
          { from: open, to: other },
        ],
        start,
      )
      expect(first.toSorted()).toEqual([false, true])
      const [from] = await stores.admissions.read([jobId()])
      expect(from).toEqual(first[0] ? fenced : other)
      const next = { ...from!, places: [], rev: 2 }
      const set = async (before: typeof open, after: typeof open) =>
        (await stores.admissions.compareAndSetMany('place', [{ from: before, to: after }], start))[0]
      expect([await set(open, next), await set(from!, next), await set(from!, next)]).toEqual([false, true, false])
      expect(await stores.admissions.read([jobId()])).toEqual([next])
    })

    it('do not come back by a change of one that has been purged', async () => {
      await stores.admissions.compareAndSetMany('place', [{ from: open, to: fenced }], start)
      await stores.admissions.purgeMany((await stores.admissions.list(null, 9)).rows)
      const change = { from: fenced, to: { ...fenced, places: [], rev: 2 } }
      expect(await stores.admissions.compareAndSetMany('place', [change], start)).toEqual([false])
      expect(await stores.admissions.read([jobId()])).toEqual([undefined])
    })
  })

  describe('executors', () => {
    it('beat until they are gone, and never again', async () => {
      const { executors } = stores
      await executors.enlist('one', '127.0.0.1:1')
      await executors.enlist('one', '127.0.0.1:1')
      expect([await executors.beat('one'), await executors.beat('two')]).toEqual([true, false])
      expect(await executors.list()).toEqual([{ instance: 'one', beat: 1, gone: false }])
      expect(await executors.markGone({ instance: 'one', beat: 0, gone: false })).toBe(false)
      expect(await executors.markGone({ instance: 'one', beat: 1, gone: false })).toBe(true)
      await executors.enlist('one', '127.0.0.1:1')
      expect(await executors.beat('one')).toBe(false)
      expect(await executors.list()).toEqual([{ instance: 'one', beat: 1, gone: true }])
    })

    it('leave, or are removed by the one that holds the store', async () => {
      const { executors } = stores
      for (const instance of ['one', 'two', 'three']) await executors.enlist(instance, null)
      await executors.remove('two')
      expect((await executors.list()).map((one) => one.instance).sort()).toEqual(['one', 'three'])
      await executors.removeOthers('three')
      expect((await executors.list()).map((one) => one.instance)).toEqual(['three'])
    })
  })
}
