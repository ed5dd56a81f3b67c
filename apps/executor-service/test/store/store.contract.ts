import { isRefusal, type Refusal } from '@belfry/contracts'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openAdmission } from '../../src/admission/admission.ts'
import { type Execution, unreadParams } from '../../src/executions/execution.ts'
import { failed, readResult } from '../../src/executions/outcome.ts'
import { claim, close, finish, handBack, lose, requestCancel, takeBack } from '../../src/executions/transitions.ts'
import { admit } from '../../src/intake/command.ts'
import type {
  AdmissionSummary,
  DueCursor,
  DueOfOthersQuery,
  DueQuery,
  EndedCursor,
  EndedExecution,
  RowId,
  Stored,
  Stores,
} from '../../src/store/ports.ts'
import { command, delivery, execution, executionId, executions, jobId, ownerId, start } from '../samples.ts'

const at = start + 2000

function taken<T extends object>(answer: T | Refusal): T {
  if (isRefusal(answer)) throw new Error(answer.detail)
  return answer
}
const page = (rows: number, bytes = 1e6) => ({ rows, bytes })
const idsOf = (stored: readonly Stored[]) => stored.map((one) => one.execution.id).toSorted()
const byJob = <T extends { readonly jobId: string }>(some: readonly T[]) =>
  some.toSorted((one, other) => (one.jobId < other.jobId ? -1 : 1))
const inOrderOf = (stored: readonly Stored[], some: readonly Stored[]) =>
  stored.map(({ rowId }) => some.find((one) => one.rowId === rowId)!)

/** The rows of all pages. */
async function all<Row, Cursor = RowId>(
  read: (after: Cursor | null) => Promise<{ rows: readonly Row[]; next: Cursor | null }>,
): Promise<Row[]> {
  const rows: Row[] = []
  let after: Cursor | null = null
  do {
    const found: { rows: readonly Row[]; next: Cursor | null } = await read(after)
    rows.push(...found.rows)
    after = found.next
  } while (after !== null)
  return rows
}
const claimed = (from: Execution, owner = 'one') => taken(claim(from, { owner }))
const finished = (from: Execution, outcome = readResult('done')) =>
  taken(finish(from, { epoch: from.epoch, at, startedAt: at - 5, outcome, artifacts: [], random: 0 }))

/** What every body of the executor's stores must do. `open` gives fresh stores, and how to close them. */
export function describeStores(
  name: string,
  open: () => Promise<{ stores: Stores; close: () => Promise<void> }>,
): void {
  describe(`the executor's stores on ${name}`, () => {
    let stores: Stores
    let closeStores: () => Promise<void>

    beforeEach(async () => {
      const opened = await open()
      stores = opened.stores
      closeStores = opened.close
    })
    afterEach(() => closeStores())

    async function put(...executions: Execution[]): Promise<Stored[]> {
      const stored = await stores.executions.insertMany(executions, start)
      return stored.map((one) => {
        if (one === undefined) throw new Error('it was there already')
        return one
      })
    }
    async function swap(stored: Stored, to: Execution, step: 'claim' | 'finish' = 'claim', when = at): Promise<Stored> {
      const [isChanged] = await stores.executions.compareAndSetMany(
        step,
        [{ rowId: stored.rowId, from: stored.execution, to }],
        when,
      )
      expect(isChanged).toBe(true)
      return { ...stored, execution: to }
    }
    async function reread(stored: Stored): Promise<Execution> {
      const [found] = await stores.executions.read([stored.rowId])
      if (found === undefined) throw new Error('it is gone')
      return found.execution
    }

    describe('executions', () => {
      it('come back as they were put in', async () => {
        const [stored] = await put(
          execution({ params: { deep: [{ text: '€ "quoted"' }] }, expiresAt: at, priority: 1 }),
        )
        expect(await reread(stored!)).toEqual(stored?.execution)
        expect(await stores.executions.find([executionId(9), stored!.execution.id])).toEqual([undefined, stored])
      })

      it('may be put in as running', async () => {
        const [stored] = await put(claimed(execution()))
        expect(await reread(stored!)).toEqual(stored?.execution)
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
        expect(inOrderOf(stored, (await stores.executions.listUnpublished(page(10))).rows)).toEqual(listed)
        expect(await stores.executions.find([stored[0]!.execution.id])).toEqual([listed[0]])
        expect(await stores.executions.readParams(rowIds, 1e6)).toEqual([large, small, large])
        expect(await stores.executions.readParams(rowIds, 10_000)).toEqual([large])
      })

      it('have the params of the version that replaced another one, large or small', async () => {
        const [stored] = await put(execution({ params: { text: 'x'.repeat(10_000) } }))
        const newer = async (before: Stored, version: number, params: Record<string, unknown>) => {
          const to = admit(before.execution, command({ version, params }), delivery())
          await stores.executions.compareAndSetMany(
            'replace',
            [{ rowId: before.rowId, from: before.execution, to }],
            at,
          )
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
        const cut = await stores.executions.listUnpublished(page(10, 8000))
        expect([cut.rows.length, cut.hasMore]).toEqual([2, true])
        const whole = await stores.executions.listUnpublished(page(10))
        expect([whole.rows.length, whole.hasMore]).toEqual([3, false])
      })

      it('are told apart when two jobs share a number', async () => {
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
    })

    describe('what is due', () => {
      const query = (change: Partial<DueQuery> = {}): DueQuery => ({
        now: at,
        until: at + 500,
        due: { io: 10, cpu: 10 },
        coming: 10,
        saturated: [],
        scan: 100,
        share: { index: 0, executors: 1, overdueAt: at - 500 },
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
        const stored = await put(
          ready(1, at - 3),
          ready(2, at - 2),
          ready(3, at - 1, { pool: 'cpu' }),
          ready(4, at + 5),
        )
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
        const share = (place: number) =>
          query({ due: { io: 100, cpu: 0 }, share: { index: place, executors: 2, overdueAt: at - 500 } })
        const [even, odd] = [await dueIds(stored, share(0)), await dueIds(stored, share(1))]
        expect(even.filter((number) => odd.includes(number))).toEqual([11])
        expect(new Set([...even, ...odd]).size).toBe(11)
      })
    })

    describe('what is due beside the executions of some owners', () => {
      const [a, b, c] = [ownerId(1), ownerId(2), ownerId(3)] as const
      const ask = (change: Partial<DueOfOthersQuery> = {}): DueOfOthersQuery => ({
        pool: 'io',
        now: at,
        passOver: [a],
        after: null,
        scan: 100,
        limit: 10,
        share: { index: 0, executors: 1, overdueAt: at - 500 },
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
        const mine = async (place: number) => {
          const share = { index: place, executors: 2, overdueAt: at - 500 }
          return numbersOf(stored, (await stores.executions.listDueOfOthers(ask({ share, limit: 100 }))).rows)
        }
        const [even, odd] = [await mine(0), await mine(1)]
        expect(even.filter((number) => odd.includes(number))).toEqual([11])
        expect(new Set([...even, ...odd]).size).toBe(11)
      })
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

    describe('admissions', () => {
      const open = openAdmission(jobId())
      const fenced = {
        ...open,
        minVersion: 3,
        floors: [{ version: 4, fromAt: at }],
        places: ['exe-1'],
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

    describe('retention', () => {
      /** Ended ones, each a moment after the one before it. */
      const settled = async (...numbers: number[]) => {
        const stored = await put(...numbers.map((number) => execution({ id: executionId(number) })))
        return Promise.all(
          stored.map((one, index) => swap(one, taken(close(one.execution, 'cancelled', at)), 'claim', at + index)),
        )
      }
      const publish = (...stored: Stored[]) =>
        stores.executions.markPublished(stored.map((one) => ({ rowId: one.rowId, seq: one.execution.seq })))

      it('finds what has ended, in order and in pages, and says what is not published', async () => {
        const [a, b, c] = await settled(1, 2, 3)
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
        const [a, b, c] = await settled(1, 2, 3)
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
        const [a] = await settled(1)
        await publish(a!)
        await stores.executions.purgeMany((await stores.executions.listEnded(at + 9, null, 9)).rows)
        const [b] = await put(execution({ id: executionId(2) }))
        expect(b!.rowId).not.toBe(a!.rowId)
      })

      it('finds what outlived its execution', async () => {
        const [gone, kept] = await settled(1, 2)
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
        const [ended] = await settled(1)
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

    describe('logs', () => {
      const line = (seq: number) => ({ seq, at: start + seq, level: 'info' as const, text: `line ${seq}` })
      const opened = async () => {
        const [one, two] = await put(execution(), execution({ id: executionId(2) }))
        const read = async (epoch: number | null, after: [number, number], limit = 10) => {
          const query = { after: { epoch: after[0], seq: after[1] }, epoch, limit }
          const lines = await stores.logs.list(one!.rowId, query)
          return lines.map((line) => `${line.epoch}.${line.seq}`)
        }
        return { rowId: one!.rowId, other: two!.rowId, read }
      }

      it('take the same lines again, and more with them, without a line twice', async () => {
        const { rowId, read } = await opened()
        const chunk = (...seqs: number[]) => ({ rowId, epoch: 1, lines: seqs.map(line) })
        await stores.logs.append([chunk(1, 2)])
        for (const again of [chunk(1, 2), chunk(1), chunk(1, 2, 3), chunk(1, 2)]) await stores.logs.append([again])
        await stores.logs.append([chunk(4), chunk(5, 6)])
        await stores.logs.append([chunk(4)])
        expect(await read(null, [0, 0])).toEqual([1, 2, 3, 4, 5, 6].map((seq) => `1.${seq}`))
        for (let seq = 0; seq < 6; seq++) expect(await read(null, [1, seq], 1)).toEqual([`1.${seq + 1}`])
        expect(await read(null, [1, 2], 3)).toEqual(['1.3', '1.4', '1.5'])
      })

      it('come back line by line, in order of attempt and line, in pages and by attempt', async () => {
        const { rowId, other, read } = await opened()
        await stores.logs.append([
          { rowId, epoch: 1, lines: [line(1), line(2)] },
          { rowId, epoch: 2, lines: [line(1), line(2), line(3)] },
          { rowId: other, epoch: 1, lines: [line(1)] },
        ])
        await stores.logs.append([{ rowId, epoch: 1, lines: [line(3)] }])
        expect(await read(null, [0, 0])).toEqual(['1.1', '1.2', '1.3', '2.1', '2.2', '2.3'])
        expect(await read(null, [1, 1], 3)).toEqual(['1.2', '1.3', '2.1'])
        expect(await read(null, [2, 2])).toEqual(['2.3'])
        expect(await read(2, [0, 0], 2)).toEqual(['2.1', '2.2'])
        expect(await read(1, [1, 2])).toEqual(['1.3'])
        expect(await read(3, [0, 0])).toEqual([])
        const [first] = await stores.logs.list(rowId, { after: { epoch: 0, seq: 0 }, epoch: null, limit: 1 })
        expect(first).toEqual({ ...line(1), epoch: 1 })
      })
    })

    describe('artifacts', () => {
      it('come back by attempt and name; the last one of a name stays', async () => {
        const [stored] = await put(execution())
        const { rowId } = stored!
        const file = (epoch: number, name: string, text: string) => ({
          rowId,
          epoch,
          name,
          body: Buffer.from(text),
        })
        await stores.artifacts.put([file(1, 'a', 'old'), file(1, 'b', ''), file(2, 'a', 'other')])
        await stores.artifacts.put([file(1, 'a', 'new')])
        const read = async (epoch: number, name: string) => {
          const body = await stores.artifacts.read(rowId, epoch, name)
          return body && Buffer.from(body).toString()
        }
        expect([await read(1, 'a'), await read(1, 'b'), await read(2, 'a'), await read(2, 'b')]).toEqual([
          'new',
          '',
          'other',
          undefined,
        ])
      })
    })
  })
}
