import { createHealth, createLog, createManualClock, createMetrics } from '@belfry/service'
import { describe, expect, it } from 'vitest'
import { createReconciler, type FetchedRecords, type NotApplied, type ReconcilerOptions } from '../src/index.ts'

interface Row {
  readonly id: string
  readonly changeNo: number
}
interface Kept {
  readonly jobId: string
}

/** The other service: rows and records, and answers that it cannot give. */
function createOther() {
  let rows: Row[] = []
  const unreadable = new Set<string>()
  const fetches: string[][] = []
  const lists: (readonly [after: number, limit: number])[] = []
  const state = { answers: true, head: 0 }
  const handOut = () => {
    state.head += 1
    return state.head
  }
  return {
    unreadable,
    fetches,
    lists,
    state,
    handOut,
    /** A change of a record; with a number that was handed out before, it is stored late. */
    put(id: string, changeNo = handOut()) {
      rows = [...rows.filter((one) => one.id !== id), { id, changeNo }]
    },
    /** Another store in its place, or an older backup. */
    restore(some: readonly Row[]) {
      rows = [...some]
      state.head = Math.max(0, ...some.map(({ changeNo }) => changeNo))
    },
    async list(after: number, limit: number) {
      lists.push([after, limit])
      if (!state.answers) throw new Error('no answer')
      const { head } = state
      const page = rows
        .filter(({ changeNo }) => changeNo > after)
        .sort((a, b) => a.changeNo - b.changeNo)
        .slice(0, limit)
      return { rows: page, head, hasMore: page.length === limit }
    },
    async *fetch(ids: readonly string[]): AsyncGenerator<FetchedRecords<Kept>> {
      fetches.push([...ids])
      const known = ids.filter((id) => rows.some((row) => row.id === id))
      const failed = known.filter((id) => unreadable.has(id)).map((id) => ({ id, reason: 'unreadable' }))
      yield { records: known.filter((id) => !unreadable.has(id)).map((jobId) => ({ jobId })), failed }
    },
  }
}

async function openRounds(options: Partial<ReconcilerOptions<Row, Kept>> = {}) {
  const clock = createManualClock()
  await clock.advance(1_000_000)
  const other = createOther()
  const metricsRegistry = createMetrics()
  const lines: string[] = []
  const log = createLog({ level: 'warn', destination: { write: (line: string) => void lines.push(line) } })
  const health = createHealth({ clock, log: createLog({ level: 'silent' }) })
  const applied = new Set<string>()
  let storedCursor = 0
  const create = () =>
    createReconciler<Row, Kept>({
      name: 'jobs',
      list: other.list,
      fetch: other.fetch,
      idOf: ({ jobId }) => jobId,
      compare: async (rows) => rows.filter(({ id }) => !applied.has(id)).map(({ id }) => id),
      async apply(records) {
        for (const one of records) applied.add(one.jobId)
        return []
      },
      cursor: {
        read: async () => storedCursor,
        write: async (changeNo) => {
          storedCursor = changeNo
        },
      },
      clock,
      log,
      metrics: metricsRegistry.forService('scheduler-service'),
      health,
      rows: 100,
      skippedLimit: 10,
      settleMs: 0,
      mayLose: true,
      everyMs: 30_000,
      ...options,
    })
  const checks = async () => (await health.report(true)).checks.map(({ ok }) => ok)
  return { other, clock, metricsRegistry, lines, applied, create, checks, cursor: () => storedCursor }
}

const names = (count: number) => Array.from({ length: count }, (_, n) => `job-${n + 1}`)

describe('a reconciler', () => {
  it('compares page by page and applies what is newer', async () => {
    const { other, applied, create } = await openRounds({ rows: 2 })
    for (const id of names(5)) other.put(id)
    applied.add('job-3')
    await create().runOnce()
    expect(applied.size).toBe(5)
    expect(other.fetches).toEqual([['job-1', 'job-2'], ['job-4'], ['job-5']])
    expect(other.lists.map(([after]) => after)).toEqual([0, 2, 4])
  })

  it('lists everything that has not settled, so that it finds a change whose number became visible late', async () => {
    const { other, clock, applied, create, cursor } = await openRounds({ settleMs: 60_000 })
    const late = other.handOut()
    other.put('job-2')
    const rounds = create()
    await rounds.runOnce()
    await clock.advance(30_000)
    await rounds.runOnce()
    expect([...applied]).toEqual(['job-2'])
    other.put('job-1', late)
    await clock.advance(29_000)
    await rounds.runOnce()
    expect(applied).toContain('job-1')
    expect(cursor()).toBe(0)
    await clock.advance(1000)
    await rounds.runOnce()
    expect(cursor()).toBe(2)
  })

  it('moves its position only over two complete rounds, however long they are apart', async () => {
    const { other, clock, create, cursor } = await openRounds({ settleMs: 1000 })
    other.put('job-1')
    const rounds = create()
    const positions: number[] = []
    for (let round = 0; round < 3; round++) {
      await rounds.runOnce()
      positions.push(cursor())
      other.state.answers = false
      await clock.advance(3_600_000)
      await expect(rounds.runOnce()).rejects.toThrow('no answer')
      other.state.answers = true
    }
    expect(positions).toEqual([0, 0, 1])
  })

  it('asks for one small list once everything has settled', async () => {
    const { other, clock, create } = await openRounds()
    for (const id of names(5)) other.put(id)
    const rounds = create()
    for (let round = 0; round < 4; round++) {
      await rounds.runOnce()
      await clock.advance(30_000)
    }
    expect(other.lists).toEqual([
      [0, 100],
      [0, 100],
      [0, 100],
      [5, 100],
    ])
  })

  it('lists each change once where the bus loses nothing, when it has settled', async () => {
    const { other, clock, create } = await openRounds({ settleMs: 60_000, mayLose: false, rows: 10 })
    const rounds = create()
    await rounds.runOnce()
    other.lists.splice(0)
    for (let round = 1; round <= 8; round++) {
      for (let n = 1; n <= 10; n++) other.put(`job-${round}-${n}`)
      await rounds.runOnce()
      await clock.advance(30_000)
    }
    const compared = other.fetches.flat()
    expect(new Set(compared).size).toBe(compared.length)
    expect(compared).toHaveLength(60)
    expect(other.lists.filter(([, limit]) => limit === 10).map(([after]) => after)).toEqual([0, 10, 20, 30, 40, 50])
    expect(other.lists).toHaveLength(8)
  })

  it('begins at its stored position after a restart, and lists all that came after it', async () => {
    const { other, clock, applied, create, cursor } = await openRounds({ mayLose: false })
    for (const id of names(3)) other.put(id)
    const rounds = create()
    for (let round = 0; round < 3; round++) {
      await rounds.runOnce()
      await clock.advance(30_000)
    }
    expect(cursor()).toBe(3)
    other.put('job-4')
    await create().runOnce()
    expect(other.lists.at(-1)).toEqual([3, 100])
    expect(applied).toContain('job-4')
  })

  it('compares everything again when the other store was replaced, also after a restart', async () => {
    for (const isRestarted of [false, true]) {
      const { other, clock, applied, lines, create, cursor } = await openRounds({ mayLose: false })
      for (const id of names(9)) other.put(id)
      const rounds = create()
      for (let round = 0; round < 3; round++) {
        await rounds.runOnce()
        await clock.advance(30_000)
      }
      expect(cursor()).toBe(9)
      other.restore([{ id: 'job-10', changeNo: 2 }])
      await (isRestarted ? create() : rounds).runOnce()
      expect(applied).toContain('job-10')
      expect([lines.length, lines[0], cursor()]).toEqual([
        1,
        expect.stringContaining('everything is compared again'),
        0,
      ])
    }
  })

  it('trusts no number of before that a restored store hands out again', async () => {
    const { other, clock, applied, create, cursor } = await openRounds({ settleMs: 60_000 })
    for (const id of names(9)) other.put(id)
    const rounds = create()
    await rounds.runOnce()
    other.restore([{ id: 'job-1', changeNo: 1 }])
    for (let round = 0; round < 2; round++) {
      await clock.advance(30_000)
      await rounds.runOnce()
    }
    expect(cursor()).toBe(0)
    const late = other.handOut()
    other.put('job-20')
    await clock.advance(30_000)
    await rounds.runOnce()
    other.put('job-21', late)
    await clock.advance(30_000)
    await rounds.runOnce()
    expect(applied).toContain('job-21')
  })

  it('applies records one by one when they cannot be applied together', async () => {
    const took: string[] = []
    const { other, create, lines } = await openRounds({
      async apply(records) {
        if (records.some(({ jobId }) => jobId === 'job-2')) throw new Error('poison')
        took.push(...records.map(({ jobId }) => jobId))
        return []
      },
    })
    for (const id of names(3)) other.put(id)
    await create().runOnce()
    expect(took).toEqual(['job-1', 'job-3'])
    expect(lines[0]).toContain('poison')
  })

  it('asks again in each round for what was passed over, reports it once, and forgets it when it is applied', async () => {
    const { other, clock, applied, create, lines, checks, cursor } = await openRounds()
    for (const id of names(4)) other.put(id)
    other.unreadable.add('job-2')
    const rounds = create()
    for (let round = 0; round < 4; round++) {
      await rounds.runOnce()
      await clock.advance(30_000)
    }
    expect([lines.length, await checks(), cursor()]).toEqual([1, [false], 1])
    expect(other.fetches.at(-1)).toEqual(['job-2'])
    other.unreadable.clear()
    await rounds.runOnce()
    expect([applied.has('job-2'), await checks(), cursor()]).toEqual([true, [true], 4])
  })

  it('finds what was passed over again after a restart', async () => {
    const { other, clock, applied, create } = await openRounds()
    for (const id of names(4)) other.put(id)
    other.unreadable.add('job-2')
    const rounds = create()
    for (let round = 0; round < 4; round++) {
      await rounds.runOnce()
      await clock.advance(30_000)
    }
    other.unreadable.clear()
    await create().runOnce()
    expect(applied.has('job-2')).toBe(true)
  })

  it('remembers no more of them than its limit, and still finds all', async () => {
    const { other, clock, applied, create } = await openRounds({ skippedLimit: 2, mayLose: false })
    for (const id of names(6)) {
      other.put(id)
      other.unreadable.add(id)
    }
    const rounds = create()
    for (let round = 0; round < 4; round++) {
      await rounds.runOnce()
      await clock.advance(30_000)
    }
    other.unreadable.clear()
    await rounds.runOnce()
    expect(applied.size).toBe(6)
  })

  it('lists a change again for which there was no room', async () => {
    const full: NotApplied[] = [{ id: 'job-1', reason: 'no room', isLater: true }]
    const took: string[][] = []
    const { other, clock, create, cursor, checks } = await openRounds({
      mayLose: false,
      async apply(records) {
        took.push(records.map(({ jobId }) => jobId))
        return full.splice(0)
      },
    })
    other.put('job-1')
    const rounds = create()
    await rounds.runOnce()
    expect([cursor(), await checks()]).toEqual([0, [true]])
    await clock.advance(30_000)
    await rounds.runOnce()
    expect(took).toEqual([['job-1'], ['job-1']])
  })

  it('shows that no round has been complete for a while', async () => {
    const { other, clock, create, checks, metricsRegistry } = await openRounds()
    const round = create()
    other.state.answers = false
    await expect(round.runOnce()).rejects.toThrow('no answer')
    expect(await checks()).toEqual([true])
    await clock.advance(121_000)
    await expect(round.runOnce()).rejects.toThrow('no answer')
    expect(await checks()).toEqual([false])
    expect(await metricsRegistry.render()).toContain('belfry_reconcile_age_seconds{service="scheduler-service"} 121')
    other.state.answers = true
    await round.runOnce()
    expect(await checks()).toEqual([true])
  })

  it('passes no record over while the store takes nothing', async () => {
    const { other, create, lines } = await openRounds({
      apply: async () => Promise.reject(Object.assign(new Error('the disk is full'), { code: 'disk-full' })),
    })
    for (const id of names(3)) other.put(id)
    await expect(create().runOnce()).rejects.toThrow('the disk is full')
    expect(lines).toEqual([])
  })
})
