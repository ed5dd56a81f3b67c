import type { IncomingMessage, ServerResponse } from 'node:http'
import { type JobVersionsPage, jobVersionsPage } from '@belfry/contracts'
import { describe, expect, it } from 'vitest'
import { createRecordsClient, createRestClient } from '../../src/index.ts'
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

const names = (count: number) => Array.from({ length: count }, (_, n) => `job-${n + 1}`)

/** job-service with these records, and a client of it. */
async function openRecords() {
  const records = new Map<string, unknown>()
  const unreadable = new Set<string>()
  const fetches: string[][] = []
  const lists: string[] = []
  const state = { status: 200, page: { data: [] as Row[], head: 0, hasMore: false } as object }

  function fetchReply(ids: readonly string[]): string {
    if (ids.some((id) => records.get(id) === 'no JSON')) return '{"data":'
    const data = ids.flatMap((id) => (unreadable.has(id) || !records.has(id) ? [] : [records.get(id)]))
    return JSON.stringify({ data, left: [], unreadable: ids.filter((id) => unreadable.has(id)) })
  }

  async function onRequest(request: IncomingMessage, reply: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://job-service')
    const asked = Buffer.concat(await request.toArray()).toString()
    if (state.status !== 200) return void reply.writeHead(state.status, { 'retry-after': '1' }).end()
    const ids: string[] | null = url.pathname.endsWith('/fetch') ? JSON.parse(asked).ids : null
    if (ids) fetches.push(ids)
    else lists.push(`${url.pathname}${url.search}`)
    reply.writeHead(200, { 'content-type': 'application/json' })
    reply.end(ids ? fetchReply(ids) : JSON.stringify(state.page))
  }

  const { port } = await listen(onRequest)
  const { balancer, clock } = await balancerTo([port])
  const client = createRecordsClient<Row, Kept>({
    rest: createRestClient({ balancer, clock, maxResponseBytes: 10_000 }),
    service: 'job-service',
    path: '/internal/jobs',
    page: jobVersionsPage,
    record,
    idName: 'jobId',
    deadlineMs: 3000,
  })
  const put = (id: string, kept: unknown = { jobId: id, version: 1, text: '' }) => void records.set(id, kept)
  const fetch = async (ids: readonly string[]) => {
    const parts = await Array.fromAsync(client.fetch(ids))
    return {
      ids: parts.flatMap((part) => part.records.map(client.idOf)),
      failed: Object.fromEntries(parts.flatMap((part) => part.failed.map(({ id, reason }) => [id, reason]))),
    }
  }
  return { client, put, records, unreadable, fetches, lists, state, fetch }
}

describe('a client of records', () => {
  it('lists what comes after a change number', async () => {
    const { client, lists, state } = await openRecords()
    const rows = [{ id: 'job-1', version: 2, changeNo: 7 }]
    state.page = { data: rows, head: 9, hasMore: true }
    expect(await client.list(5, 10)).toEqual({ rows, head: 9, hasMore: true })
    expect(lists).toEqual(['/internal/jobs/changes?after=5&limit=10'])
  })

  it('rejects a list that is refused or cannot be read', async () => {
    const { client, state } = await openRecords()
    state.page = { data: [{ id: 'job-1' }], head: 0, hasMore: false }
    await expect(client.list(0, 10)).rejects.toThrow('a list that cannot be read')
    state.status = 503
    await expect(client.list(0, 10)).rejects.toThrow('503')
    await expect(client.fetch(['job-1']).next()).rejects.toThrow('503')
  })

  it('fetches 200 records at a time, and names no id that has no record', async () => {
    const { put, fetches, fetch } = await openRecords()
    for (const id of names(3)) put(id)
    expect(await fetch(['job-1', 'job-9', 'job-3'])).toEqual({ ids: ['job-1', 'job-3'], failed: {} })
    await fetch(names(450))
    expect(fetches.slice(1).map((ids) => ids.length)).toEqual([200, 200, 50])
  })

  it('halves an answer that is too large, down to the one record that makes it so', async () => {
    const { put, fetch } = await openRecords()
    for (const id of names(160)) put(id, { jobId: id, version: 1, text: 'x'.repeat(1000) })
    put('job-70', { jobId: 'job-70', version: 1, text: 'x'.repeat(20_000) })
    const { ids, failed } = await fetch(names(160))
    expect(ids).toHaveLength(159)
    expect(Object.keys(failed)).toEqual(['job-70'])
  })

  it('passes over records that do not fit, that cannot be read, and that make an answer no JSON', async () => {
    const { put, unreadable, fetch } = await openRecords()
    for (const id of names(8)) put(id)
    put('job-2', { jobId: 'job-2', version: 'one', text: '' })
    put('job-4', 'no JSON')
    unreadable.add('job-6')
    const { ids, failed } = await fetch(names(8))
    expect(ids.sort()).toEqual(['job-1', 'job-3', 'job-5', 'job-7', 'job-8'])
    expect(Object.keys(failed).sort()).toEqual(['job-2', 'job-4', 'job-6'])
    expect(failed['job-2']).toContain('its version is no number')
  })

  it('fails every unnamed id of an answer in which a record has no id', async () => {
    const { put, fetch } = await openRecords()
    for (const id of names(2)) put(id)
    put('job-2', { version: 'one' })
    const { ids, failed } = await fetch([...names(2), 'job-9'])
    expect([ids, Object.keys(failed)]).toEqual([['job-1'], ['job-2', 'job-9']])
  })
})
