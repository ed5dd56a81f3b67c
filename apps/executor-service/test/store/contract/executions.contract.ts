import { soleShare } from '@belfry/storage'
import { beforeEach, describe, expect, it } from 'vitest'
import { type Execution, unreadParams } from '../../../src/executions/execution.ts'
import { failed, readResult } from '../../../src/executions/outcome.ts'
import {
  close,
  handBack,
  lose,
  start as recordStart,
  requestCancel,
  takeBack,
} from '../../../src/executions/transitions.ts'
import { admit } from '../../../src/intake/command.ts'
import type { Stored, Stores } from '../../../src/store/ports.ts'
import { command, delivery, execution, executionId, jobId, start } from '../../samples.ts'
import { all, at, claimed, finished, idsOf, inOrderOf, page, type StoreKit, taken } from './kit.ts'

/** The records of executions: what goes in comes back, and changes count once. */
export function describeExecutions({ stores: open, put, swap, reread }: StoreKit): void {
  let stores: Stores

  beforeEach(() => {
    stores = open()
  })

  describe('executions', () => {
    it('come back as they were put in', async () => {
      const [stored] = await put(execution({ params: { deep: [{ text: '€ "quoted"' }] }, expiresAt: at, priority: 1 }))
      expect(await reread(stored!)).toEqual(stored?.execution)
      expect(await stores.executions.find([executionId(9), stored!.execution.id])).toEqual([undefined, stored])
    })

    it('may be put in as running', async () => {
      const [stored] = await put(claimed(execution()))
      expect(await reread(stored!)).toEqual(stored?.execution)
    })

    it.each([{}, { params: { text: 'x'.repeat(5000) } }])('may be put in as ended, by name or not', async (change) => {
      const ended = execution({ state: 'cancelled', cancelRequested: true, endedAt: at, ...change })
      const [stored] = await put(ended)
      expect(await reread(stored!)).toEqual({ ...ended, ...(change.params && { params: unreadParams }) })
      expect(await stores.executions.readParams([stored!.rowId], 1e6)).toEqual([ended.params])
      expect(await stores.executions.insertMany([execution({ state: 'expired', endedAt: start })], at)).toEqual([
        undefined,
      ])
      expect(await reread(stored!)).toMatchObject({ state: 'cancelled', endedAt: at })
      expect(await stores.executions.hasReady()).toBe(false)
    })

    it('are put in once', async () => {
      const [first] = await put(execution())
      const [again, other] = await stores.executions.insertMany(
        [execution({ ownerId: 'usr-2' }), execution({ id: executionId(2) })],
        start,
      )
      expect(again).toBe(undefined)
      expect(other?.execution.id).toBe(executionId(2))
      expect(await reread(first!)).toEqual(execution())
    })

    it('come back from every transition as it left them', async () => {
      const steps: ((from: Execution) => Execution)[] = [
        (from) => claimed(from),
        (from) => taken(handBack(from, from, at)),
        (from) => claimed(from, 'two'),
        (from) => finished(from, failed('broken', 'It broke.')),
        (from) => claimed(from),
        (from) => taken(lose(from, { epoch: from.epoch, at, inDoubt: true })),
        (from) => claimed(from),
        (from) => takeBack(from, 3),
        (from) => taken(requestCancel(from, at)),
        (from) => finished(from),
      ]
      let [stored] = await put(execution())
      for (const step of steps) {
        stored = await swap(stored!, step(stored!.execution))
        expect(await reread(stored)).toEqual(stored.execution)
      }
      expect(stored!.execution).toMatchObject({ state: 'succeeded', seq: 11, losses: 1, failures: 1, epoch: 4 })
    })

    it('take the params, policy and priority of a newer version', async () => {
      const [stored] = await put(execution())
      const newer = admit(
        stored!.execution,
        command({ version: 2, params: { newer: 1 }, priority: 1 }),
        delivery({ pool: 'cpu' }),
      )
      await swap(stored!, newer)
      expect(await reread(stored!)).toEqual(newer)
    })

    it('change once from each state', async () => {
      const [stored] = await put(execution())
      const { rowId, execution: from } = stored!
      const [first, second] = await stores.executions.compareAndSetMany(
        'claim',
        [
          { rowId, from, to: claimed(from, 'one') },
          { rowId, from, to: claimed(from, 'two') },
        ],
        at,
      )
      expect([first, second].toSorted()).toEqual([false, true])
      expect(await reread(stored!)).toMatchObject({ owner: first ? 'one' : 'two', seq: 2 })
    })

    it('keep no outcome of a change that did not count', async () => {
      const [stored] = await put(claimed(execution()))
      const cancelled = await swap(stored!, taken(requestCancel(stored!.execution, at)))
      const { rowId, execution: from } = stored!
      expect(await stores.executions.compareAndSetMany('finish', [{ rowId, from, to: finished(from) }], at)).toEqual([
        false,
      ])
      expect(await reread(stored!)).toEqual(cancelled.execution)
    })

    it('are found by their owner while they run', async () => {
      const [a, b, c] = await put(
        claimed(execution(), 'one'),
        claimed(execution({ id: executionId(2) }), 'two'),
        execution({ id: executionId(3) }),
      )
      await swap(a!, taken(requestCancel(a!.execution, at)))
      const runningOf = async (...owners: string[]) => {
        const found = await stores.executions.listRunningOf(owners, page(10))
        expect(found.hasMore).toBe(false)
        return idsOf(found.rows)
      }
      expect(await stores.executions.listHeld('one')).toEqual([{ rowId: a!.rowId, epoch: 1, cancelRequested: true }])
      expect((await stores.executions.listRunningOwners()).toSorted()).toEqual(['one', 'two'])
      expect([await runningOf('two'), await runningOf('three'), await runningOf()]).toEqual([idsOf([b!]), [], []])
      expect(await runningOf('one', 'two')).toEqual(idsOf([a!, b!]))
      const part = await stores.executions.listRunningOf(['one', 'two'], page(1))
      expect([part.rows.length, part.hasMore]).toEqual([1, true])
      expect((await reread(c!)).state).toBe('ready')
    })

    it('are listed by their job and state, in pages, each once', async () => {
      const states = [0, 1, 0, 1, 1, 2].map((state, i) => {
        const one = execution({ id: executionId(i + 1) })
        return state === 1 ? claimed(one) : one
      })
      const stored = await put(...states, claimed(execution({ id: executionId(9), jobId: jobId(2) })))
      await swap(stored[5]!, taken(close(stored[5]!.execution, 'superseded', at)))
      const pages = async (state: 'ready' | 'running' | null, limit: number) => {
        const sizes: number[] = []
        const rows = await all(async (after) => {
          const found = await stores.executions.listOpen(jobId(), state, after, limit)
          sizes.push(found.rows.length)
          return found
        })
        expect(sizes.slice(0, -1).every((size) => size === limit)).toBe(true)
        return idsOf(rows)
      }
      const [one, two, three, four, five] = stored.map((one) => one.execution.id)
      expect(await pages('ready', 10)).toEqual([one, three])
      expect(await pages('ready', 1)).toEqual([one, three])
      expect(await pages('running', 2)).toEqual([two, four, five])
      expect(await pages(null, 2)).toEqual([one, two, three, four, five])
      expect(await pages(null, 5)).toEqual([one, two, three, four, five])
    })

    it('say whether a job has one that is open', async () => {
      const [stored] = await put(execution(), claimed(execution({ id: executionId(2), jobId: jobId(2) })))
      expect(await stores.executions.hasOpen([jobId(3), jobId(2), jobId()])).toEqual([false, true, true])
      await swap(stored!, taken(close(stored!.execution, 'superseded', at)))
      expect(await stores.executions.hasOpen([jobId()])).toEqual([false])
      expect(await stores.executions.hasOpen([])).toEqual([])
    })

    it('come without large params, which are read apart, and with small ones', async () => {
      const large = { text: 'x'.repeat(10_000) }
      const small = { text: 'y' }
      const stored = await put(execution({ params: large }))
      stored.push(
        ...(await put(
          execution({ id: executionId(2), params: small }),
          execution({ id: executionId(3), params: large }),
        )),
      )
      const rowIds = stored.map(({ rowId }) => rowId)
      const open = await stores.executions.listOpen(jobId(), 'ready', null, 10)
      const listed = inOrderOf(stored, open.rows)
      expect(listed.map(({ execution: { params } }) => params)).toEqual([unreadParams, small, unreadParams])
      expect(listed.map(({ size }) => size > 10_000)).toEqual([true, false, true])
      expect(inOrderOf(stored, (await stores.executions.listUnpublished(page(10), soleShare)).rows)).toEqual(listed)
      expect(await stores.executions.find([stored[0]!.execution.id])).toEqual([listed[0]])
      expect(await stores.executions.readParams(rowIds, 1e6)).toEqual([large, small, large])
      expect(await stores.executions.readParams(rowIds, 10_000)).toEqual([large])
    })

    it('have the params of the version that replaced another one, large or small', async () => {
      const [stored] = await put(execution({ params: { text: 'x'.repeat(10_000) } }))
      const newer = async (before: Stored, version: number, params: Record<string, unknown>) => {
        const to = admit(before.execution, command({ version, params }), delivery())
        await stores.executions.compareAndSetMany('replace', [{ rowId: before.rowId, from: before.execution, to }], at)
        return { ...before, execution: to }
      }
      const second = await newer(stored!, 2, { text: 'small' })
      expect(await stores.executions.readParams([stored!.rowId], 1e6)).toEqual([{ text: 'small' }])
      const large = { text: 'z'.repeat(10_000) }
      await newer(second, 3, large)
      expect(await stores.executions.readParams([stored!.rowId], 1e6)).toEqual([large])
      // A lost race leaves the params of the version that won.
      await newer(second, 4, { text: 'w'.repeat(10_000) })
      expect(await stores.executions.readParams([stored!.rowId], 1e6)).toEqual([large])
    })

    it('are read within bytes, a row at least', async () => {
      const result = 'r'.repeat(4000)
      const stored = await put(...[1, 2, 3].map((n) => execution({ id: executionId(n) })))
      const rowIds = stored.map(({ rowId }) => rowId)
      for (const one of stored) {
        const running = await swap(one, claimed(one.execution))
        await swap(running, finished(running.execution, readResult(result)), 'finish')
      }
      expect(await stores.executions.read(rowIds, 1)).toHaveLength(1)
      expect(await stores.executions.read(rowIds, 8000)).toHaveLength(2)
      const ids = stored.map(({ execution: { id } }) => id)
      expect(await stores.executions.find(ids, 8000)).toHaveLength(2)
      const cut = await stores.executions.listUnpublished(page(10, 8000), soleShare)
      expect([cut.rows.length, cut.hasMore]).toEqual([2, true])
      const whole = await stores.executions.listUnpublished(page(10), soleShare)
      expect([whole.rows.length, whole.hasMore]).toEqual([3, false])
    })

    it('are listed by job id also when two ids end alike', async () => {
      const twin = `job-11111111${jobId().slice(12)}`
      await put(execution(), execution({ id: executionId(2), jobId: twin }))
      expect(idsOf((await stores.executions.listOpen(twin, 'ready', null, 10)).rows)).toEqual([executionId(2)])
      expect(await stores.executions.hasOpen([`job-22222222${jobId().slice(12)}`])).toEqual([false])
    })

    it('are listed by their job when an epoch of theirs is in doubt, also once they have ended', async () => {
      const [stored] = await put(claimed(execution()))
      const lost = await swap(stored!, taken(lose(stored!.execution, { epoch: 1, at, inDoubt: true })))
      const ended = await swap(lost, taken(requestCancel(lost.execution, at)))
      const found = await stores.executions.listInDoubt(jobId(), at)
      expect(found.map((one) => one.execution)).toEqual([ended.execution])
      expect(await stores.executions.listInDoubt(jobId(), at + 1)).toEqual([])
      expect(await stores.executions.listInDoubt(jobId(2), at)).toEqual([])
    })

    it('are listed by their latest epoch in doubt, whichever clock has recorded the last one', async () => {
      const loseAt = (from: Execution, when: number) =>
        taken(lose(from, { epoch: from.epoch, at: when, inDoubt: true }))
      const [stored] = await put(claimed(execution()))
      const lost = await swap(stored!, loseAt(stored!.execution, at))
      const started = recordStart(claimed(lost.execution), { epoch: 2, startedAt: at, hasHappened: true })
      const again = await swap(lost, taken(started))
      // By an executor whose clock is behind.
      const last = await swap(again, loseAt(again.execution, at - 10_000))
      const found = await stores.executions.listInDoubt(jobId(), at)
      expect(found.map((one) => one.execution)).toEqual([last.execution])
    })
  })
}
