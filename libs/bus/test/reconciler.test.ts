import { createHealth, createLog, createManualClock, createMetrics } from '@belfry/service'
import { describe, expect, it } from 'vitest'
import { createReconciler, type FetchedRecords, type NotApplied, type ReconcilerOptions } from '../src/index.ts'

interface Row {
  readonly id: string
  readonly changedAt: number
}
interface Kept {
  readonly jobId: string
}

/** The other service: rows and records, and answers that it cannot give. */
function createOther(now: () => number) {
  const rows: (Row & { readonly n: number })[] = []
  const unreadable = new Set<string>()
  const fetches: string[][] = []
  const lists: object[] = []
  const state = { answers: true }
  return {
    unreadable,
    fetches,
    lists,
    state,
    put: (id: string, changedAt: number) => void rows.push({ id, changedAt, n: rows.length + 1 }),
    async list(position: { since: number } | { cursor: string }, limit: number) {
      lists.push(position)
      if (!state.answers) throw new Error('no answer')
      const [since = 0, after = 0] = 'cursor' in position ? position.cursor.split('.').map(Number) : [position.since]
      const page = rows
        .filter((one) => one.changedAt > since || (one.changedAt === since && one.n > after))
        .sort((a, b) => a.changedAt - b.changedAt || a.n - b.n)
        .slice(0, limit)
      const last = page.length === limit ? page.at(-1) : undefined
      return { rows: page, next: last ? `${last.changedAt}.${last.n}` : null, answeredAt: now() }
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
  const other = createOther(clock.now)
  const metricsRegistry = createMetrics()
  const lines: string[] = []
  const log = createLog({ level: 'error', destination: { write: (line: string) => void lines.push(line) } })
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
        write: async (at) => {
          storedCursor = at
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
    for (const [n, id] of names(5).entries()) other.put(id, 500 + n)
    applied.add('job-3')
    await create().runOnce()
    expect(applied.size).toBe(5)
    expect(other.fetches).toEqual([['job-1', 'job-2'], ['job-4'], ['job-5']])
    expect(other.lists).toEqual([{ since: 0 }, { cursor: '501.2' }, { cursor: '503.4' }])
  })

  it('lists only what has changed since the last round, and where the bus loses nothing stops at what is recent', async () => {
    const { other, clock, create } = await openRounds({ rows: 1, settleMs: 60_000, mayLose: false })
    const begin = clock.now()
    for (const id of names(3)) other.put(id, begin - 1)
    const round = create()
    await round.runOnce()
    expect(other.lists).toHaveLength(4)
    await clock.advance(30_000)
    await round.runOnce()
    expect(other.lists.slice(4)).toEqual([{ since: begin - 60_000 }])
    await clock.advance(90_000)
    await round.runOnce()
    expect(other.lists.slice(5)).toHaveLength(4)
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
    for (const [n, id] of names(3).entries()) other.put(id, n)
    await create().runOnce()
    expect(took).toEqual(['job-1', 'job-3'])
    expect(lines[0]).toContain('poison')
  })

  it('asks again in each round for what was passed over, reports it once, and forgets it when it is applied', async () => {
    const { other, clock, applied, create, lines, checks, cursor } = await openRounds()
    for (const [n, id] of names(4).entries()) other.put(id, 500 + n)
    other.unreadable.add('job-2')
    const round = create()
    await round.runOnce()
    await clock.advance(30_000)
    await round.runOnce()
    expect([lines.length, await checks(), cursor()]).toEqual([1, [false], 501])
    expect(other.fetches.at(-1)).toEqual(['job-2'])
    other.unreadable.clear()
    await clock.advance(30_000)
    await round.runOnce()
    expect([applied.has('job-2'), await checks(), cursor()]).toEqual([true, [true], 503])
  })

  it('finds what was passed over again after a restart', async () => {
    const { other, applied, create } = await openRounds()
    for (const [n, id] of names(4).entries()) other.put(id, 500 + n)
    other.unreadable.add('job-2')
    await create().runOnce()
    other.unreadable.clear()
    await create().runOnce()
    expect(applied.has('job-2')).toBe(true)
  })

  it('remembers no more of them than its limit, and still finds all', async () => {
    const { other, clock, applied, create } = await openRounds({ skippedLimit: 2, mayLose: false })
    for (const [n, id] of names(6).entries()) {
      other.put(id, 500 + n)
      other.unreadable.add(id)
    }
    const round = create()
    await round.runOnce()
    other.unreadable.clear()
    await clock.advance(30_000)
    await round.runOnce()
    expect(applied.size).toBe(6)
  })

  it('lists a change again for which there was no room', async () => {
    const full: NotApplied[] = [{ id: 'job-1', reason: 'no room', isLater: true }]
    const took: string[][] = []
    const { other, clock, create, cursor, checks } = await openRounds({
      async apply(records) {
        took.push(records.map(({ jobId }) => jobId))
        return full.splice(0)
      },
    })
    other.put('job-1', 500)
    const round = create()
    await round.runOnce()
    expect([cursor(), await checks()]).toEqual([500, [true]])
    await clock.advance(30_000)
    await round.runOnce()
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
    for (const [n, id] of names(3).entries()) other.put(id, n)
    await expect(create().runOnce()).rejects.toThrow('the disk is full')
    expect(lines).toEqual([])
  })
})
