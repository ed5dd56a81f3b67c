import type { IncomingMessage, ServerResponse } from 'node:http'
import { type JobVersionsPage, jobVersionsPage } from '@belfry/contracts'
import { createHealth, createLog } from '@belfry/service'
import { describe, expect, it } from 'vitest'
import { createReconcile, createRestClient, type NotTaken, type ReconcileOptions } from '../../src/index.ts'
import { balancerTo, listen } from './loopback.ts'

type Row = JobVersionsPage['data'][number]
interface Kept {
  readonly jobId: string
  readonly version: number
  readonly text: string
}

const record = {
  safeParse(value: unknown) {
    const isOne = typeof (value as Kept | null)?.version === 'number'
    if (isOne) return { success: true, data: value as Kept } as const
    return { success: false, error: new Error('its version is no number') } as const
  },
}

/** The other service: rows and records, and answers that it cannot give. */
function createOther() {
  const rows = new Map<string, Row & { n: number }>()
  const records = new Map<string, unknown>()
  const unreadable = new Set<string>()
  const fetches: string[][] = []
  const state = { answers: true }

  function fetchReply(ids: readonly string[]): string {
    if (ids.some((id) => records.get(id) === 'no JSON')) return '{"data":'
    const data = ids.flatMap((id) => (unreadable.has(id) || !records.has(id) ? [] : [records.get(id)]))
    return JSON.stringify({ data, left: [], unreadable: ids.filter((id) => unreadable.has(id)) })
  }

  function changesReply(url: URL): string {
    const limit = Number(url.searchParams.get('limit'))
    const cursor = url.searchParams.get('cursor')
    const [since = 0, after = 0] = cursor?.split('.').map(Number) ?? [Number(url.searchParams.get('since'))]
    const page = [...rows.values()]
      .filter((one) => one.changedAt > since || (one.changedAt === since && one.n > after))
      .sort((a, b) => a.changedAt - b.changedAt || a.n - b.n)
      .slice(0, limit)
    const last = page.length === limit ? page.at(-1) : undefined
    const data = page.map(({ n, ...row }) => row)
    return JSON.stringify({ data, next: last ? `${last.changedAt}.${last.n}` : null })
  }

  async function onRequest(request: IncomingMessage, reply: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://job-service')
    const asked = Buffer.concat(await request.toArray()).toString()
    if (!state.answers) return void reply.writeHead(503, { 'retry-after': '1' }).end()
    const ids: string[] | null = url.pathname.endsWith('/fetch') ? JSON.parse(asked).ids : null
    if (ids) fetches.push(ids)
    reply.writeHead(200, { 'content-type': 'application/json' })
    reply.end(ids ? fetchReply(ids) : changesReply(url))
  }

  return {
    records,
    unreadable,
    fetches,
    state,
    onRequest,
    put(id: string, changedAt: number, kept: unknown = { jobId: id, version: 1, text: '' }) {
      rows.set(id, { id, version: 1, changedAt, n: rows.size + 1 })
      records.set(id, kept)
    },
  }
}

async function openRounds(options: Partial<ReconcileOptions<Row, Kept>> = {}, maxResponseBytes = 10_000) {
  const other = createOther()
  const { port } = await listen(other.onRequest)
  const { balancer, clock, metricsRegistry } = await balancerTo([port])
  await clock.advance(1_000_000)
  const lines: string[] = []
  const log = createLog({ level: 'error', destination: { write: (line: string) => void lines.push(line) } })
  const health = createHealth({ clock, log: createLog({ level: 'silent' }) })
  const taken = new Map<string, Kept>()
  let storedCursor = 0
  const create = () =>
    createReconcile<Row, Kept>({
      name: 'jobs',
      rest: createRestClient({ balancer, clock, maxResponseBytes }),
      service: 'job-service',
      path: '/internal/jobs',
      page: jobVersionsPage,
      record,
      idName: 'jobId',
      behind: async (rows) => rows.filter(({ id }) => !taken.has(id)).map(({ id }) => id),
      async take(records) {
        for (const one of records) taken.set(one.jobId, one)
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
      deadlineMs: 3000,
      everyMs: 30_000,
      ...options,
    })
  const checks = async () => (await health.report(true)).checks.map(({ ok }) => ok)
  return { other, clock, metricsRegistry, lines, taken, create, checks, cursor: () => storedCursor }
}

const names = (count: number) => Array.from({ length: count }, (_, n) => `job-${n + 1}`)

describe('reconciling', () => {
  it('halves what is too large, down to the one record that nobody can take, and takes all others', async () => {
    const { other, taken, create, lines, checks } = await openRounds()
    for (const [n, id] of names(160).entries()) other.put(id, n, { jobId: id, version: 1, text: 'x'.repeat(1000) })
    other.put('job-70', 69, { jobId: 'job-70', version: 1, text: 'x'.repeat(20_000) })
    await create()()
    expect([taken.size, taken.has('job-70')]).toEqual([159, false])
    expect(Math.max(...other.fetches.map((ids) => ids.length))).toBe(100)
    expect(lines).toHaveLength(1)
    expect(lines[0]).toContain('job-70')
    expect(await checks()).toEqual([false])
  })

  it('goes on past records that do not fit, that cannot be read, and that make an answer no JSON', async () => {
    const { other, taken, create, metricsRegistry } = await openRounds()
    for (const [n, id] of names(8).entries()) other.put(id, n)
    other.records.set('job-2', { jobId: 'job-2', version: 'one', text: '' })
    other.records.set('job-4', 'no JSON')
    other.unreadable.add('job-6')
    await create()()
    expect([...taken.keys()].sort()).toEqual(['job-1', 'job-3', 'job-5', 'job-7', 'job-8'])
    expect(await metricsRegistry.render()).toContain('belfry_reconcile_skipped{service="scheduler-service"} 3')
  })

  it('takes records one by one when they cannot be taken together', async () => {
    const took: string[] = []
    const { other, create, lines } = await openRounds({
      async take(records) {
        if (records.some(({ jobId }) => jobId === 'job-2')) throw new Error('poison')
        took.push(...records.map(({ jobId }) => jobId))
        return []
      },
    })
    for (const [n, id] of names(3).entries()) other.put(id, n)
    await create()()
    expect(took).toEqual(['job-1', 'job-3'])
    expect(lines[0]).toContain('poison')
  })

  it('asks again in each round for what was passed over, says so once, and forgets it once it is taken', async () => {
    const { other, clock, taken, create, lines, checks, cursor } = await openRounds()
    for (const [n, id] of names(4).entries()) other.put(id, 500 + n)
    other.unreadable.add('job-2')
    const round = create()
    await round()
    await clock.advance(30_000)
    await round()
    expect([lines.length, await checks(), cursor()]).toEqual([1, [false], 501])
    expect(other.fetches.at(-1)).toEqual(['job-2'])
    other.unreadable.clear()
    await clock.advance(30_000)
    await round()
    expect([taken.has('job-2'), await checks(), cursor()]).toEqual([true, [true], 503])
  })

  it('finds what was passed over again after a restart', async () => {
    const { other, taken, create } = await openRounds()
    for (const [n, id] of names(4).entries()) other.put(id, 500 + n)
    other.unreadable.add('job-2')
    await create()()
    other.unreadable.clear()
    await create()()
    expect(taken.has('job-2')).toBe(true)
  })

  it('remembers no more of them than it may, and still finds all', async () => {
    const { other, clock, taken, create } = await openRounds({ skippedLimit: 2, mayLose: false })
    for (const [n, id] of names(6).entries()) {
      other.put(id, 500 + n)
      other.unreadable.add(id)
    }
    const round = create()
    await round()
    other.unreadable.clear()
    await clock.advance(30_000)
    await round()
    expect(taken.size).toBe(6)
  })

  it('lists a change again for which there was no room', async () => {
    const full: NotTaken[] = [{ id: 'job-1', reason: 'no room', isLater: true }]
    const took: string[][] = []
    const { other, clock, create, cursor, checks } = await openRounds({
      async take(records) {
        took.push(records.map(({ jobId }) => jobId))
        return full.splice(0)
      },
    })
    other.put('job-1', 500)
    const round = create()
    await round()
    expect([cursor(), await checks()]).toEqual([500, [true]])
    await clock.advance(30_000)
    await round()
    expect(took).toEqual([['job-1'], ['job-1']])
  })

  it('shows that no round has been complete for a while', async () => {
    const { other, clock, create, checks, metricsRegistry } = await openRounds()
    const round = create()
    other.state.answers = false
    await expect(round()).rejects.toThrow('503')
    expect(await checks()).toEqual([true])
    await clock.advance(121_000)
    await expect(round()).rejects.toThrow('503')
    expect(await checks()).toEqual([false])
    expect(await metricsRegistry.render()).toContain('belfry_reconcile_age_seconds{service="scheduler-service"} 121')
    other.state.answers = true
    await round()
    expect(await checks()).toEqual([true])
  })

  it('takes nothing for a bad record while the store takes nothing at all', async () => {
    const { other, create, lines } = await openRounds({
      take: async () => Promise.reject(Object.assign(new Error('the disk is full'), { code: 'disk-full' })),
    })
    for (const [n, id] of names(3).entries()) other.put(id, n)
    await expect(create()()).rejects.toThrow('the disk is full')
    expect(lines).toEqual([])
  })
})
