import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { runJob } from '@belfry/worker/testing'
import { describe, expect, it, onTestFinished } from 'vitest'
import csvReport from '../examples/csv-report.ts'
import sendBatch from '../examples/send-batch.ts'
import watchPage from '../examples/watch-page.ts'

interface Asked {
  readonly method: string
  readonly key: string | undefined
  readonly etag: string | undefined
  readonly body: string
}

/** A target on loopback; `answer` is given each request and its number, from 1. */
async function openTarget(answer: (asked: Asked, number: number) => { status?: number; etag?: string; body?: string }) {
  const asked: Asked[] = []
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const { headers, method = '' } = request
    const one = {
      method,
      key: headers['idempotency-key'] as string | undefined,
      etag: headers['if-none-match'],
      body: Buffer.concat(chunks).toString(),
    }
    asked.push(one)
    const { status = 200, etag, body = '' } = answer(one, asked.length)
    response.writeHead(status, etag === undefined ? {} : { etag }).end(body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, asked }
}

describe('the example watch-page', () => {
  it('looks until the page changes, and goes on after a restart with what it knew', async () => {
    const target = await openTarget(({ etag }, number) => {
      if (number >= 5) return { etag: '"new"' }
      return etag === '"old"' ? { status: 304, etag: '"old"' } : { etag: '"old"' }
    })
    const report = await runJob(watchPage, { url: target.url, everySeconds: 600 }, { killAfter: 3 })
    expect(report).toMatchObject({ status: 'SUCCESS', result: { hasChanged: true, looks: 5, etag: '"new"' } })
    expect(report.attempts.map(({ outcome }) => outcome)).toEqual(['killed', 'succeeded'])
    expect(target.asked.map(({ etag }) => etag)).toEqual([undefined, ...Array(4).fill('"old"')])
  })

  it('gives up after as many looks as it may have, and waits when it is asked to', async () => {
    const target = await openTarget((_, number) => (number === 1 ? { status: 503 } : { etag: '"old"' }))
    const report = await runJob(watchPage, { url: target.url, mostLooks: 2 }, { attempts: 2 })
    expect(report.attempts.map(({ error }) => error?.code ?? null)).toEqual(['busy', null])
    expect(report.result).toEqual({ hasChanged: false, looks: 2, etag: '"old"' })
  })
})

describe('the example csv-report', () => {
  it('stores a file of the day', async () => {
    const rows = [
      { id: 1, name: 'a "b", c', total: 2.5 },
      { id: 2, total: null },
    ]
    const target = await openTarget(() => ({ body: JSON.stringify(rows) }))
    const params = { url: target.url, columns: ['id', 'name', 'total'] }
    const report = await runJob(csvReport, params, { fireAt: Date.UTC(2026, 10, 21) })
    expect(report.result).toEqual({ rows: 2, file: 'report-2026-11-21.csv' })
    const file = report.artifacts.get('report-2026-11-21.csv')
    expect(Buffer.from(file?.body ?? []).toString()).toBe('id,name,total\r\n1,"a ""b"", c",2.5\r\n2,,\r\n')
  })

  it('fails for good on an answer that is no list', async () => {
    const target = await openTarget(() => ({ body: '{"rows": 0}' }))
    const report = await runJob(csvReport, { url: target.url, columns: ['id'] }, { attempts: 3 })
    expect(report.attempts.map(({ error }) => error?.code)).toEqual(['no-rows'])
  })
})

describe('the example send-batch', () => {
  it('sends each item under one key, through failures and the loss of its executor', async () => {
    const target = await openTarget((_, number) => ({ status: number === 2 ? 500 : 201 }))
    const items = ['a', 'b', 'c', 'd']
    const report = await runJob(sendBatch, { target: target.url, items }, { attempts: 2, killAfter: [0, 1] })
    expect(report).toMatchObject({ status: 'SUCCESS', result: { sent: 4 } })
    expect(report.attempts.map(({ outcome }) => outcome)).toEqual(['failed', 'killed', 'succeeded'])
    const byKey = new Map(target.asked.map(({ key, body }) => [key, JSON.parse(body)]))
    expect([...byKey]).toEqual(items.map((item, index) => [`exe-test:${index}`, item]))
    expect(target.asked).toHaveLength(5)
  })
})
