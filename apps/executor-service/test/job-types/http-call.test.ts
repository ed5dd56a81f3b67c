import type { ServerResponse } from 'node:http'
import { createServer } from 'node:net'
import { type Clock, createManualClock } from '@belfry/service'
import { describe, expect, it } from 'vitest'
import { call, closeLater, httpCall, json, target } from './calls.ts'
import { createTestContext, fireAt } from './run-context.ts'
import { startTarget } from './target.ts'

/** A promise and the function that keeps it. */
const signal = <T = void>() => Promise.withResolvers<T>()

describe('an HTTP_CALL', () => {
  it('sends what the job says, and for which execution, attempt and fire time', async () => {
    const { url, seen } = await target((_, response) => response.end())
    const headers = { Accept: 'application/json', Authorization: 'Bearer theirs' }
    await call(
      { url: `${url}/orders?day=today`, method: 'PUT', headers, body: { a: [1] } },
      createTestContext({ epoch: 3 }),
    )
    expect(seen).toHaveLength(1)
    expect(seen[0]).toMatchObject({ method: 'PUT', url: '/orders?day=today', body: '{"a":[1]}' })
    expect(seen[0]?.headers).toMatchObject({
      accept: 'application/json',
      authorization: 'Bearer theirs',
      'content-type': 'application/json',
      'idempotency-key': 'exe-1-00000000-0000-7000-8000-000000000001',
      'x-job-id': 'job-00000000-0000-7000-8000-000000000001',
      'x-job-attempt': '3',
      'x-job-fire-at': new Date(fireAt).toISOString(),
    })
  })

  it('adds no credential of its own', async () => {
    const { url, seen } = await target((_, response) => response.end())
    await call({ url })
    expect(Object.keys(seen[0]?.headers ?? {}).sort()).toEqual([
      'connection',
      'host',
      'idempotency-key',
      'user-agent',
      'x-job-attempt',
      'x-job-fire-at',
      'x-job-id',
    ])
  })

  it('sends text as it is', async () => {
    const { url, seen } = await target((_, response) => response.end())
    await call({
      url,
      method: 'POST',
      body: 'a=1&b=2',
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    })
    expect(seen[0]?.body).toBe('a=1&b=2')
    expect(seen[0]?.headers['content-type']).toBe('application/x-www-form-urlencoded')
  })

  it('resolves to status, harmless headers, JSON and duration, and logs what it called and what came back, without the query', async () => {
    const { url } = await target((_, response) => {
      response.setHeader('set-cookie', 'session=secret')
      response.setHeader('etag', '"7"')
      json(response, { ok: true })
    })
    const context = createTestContext()
    const result = (await call({ url: `${url}/path?token=secret` }, context)) as { headers: object; durationMs: number }
    expect(result).toMatchObject({ status: 200, body: { ok: true }, truncated: false })
    expect(result.headers).toMatchObject({ etag: '"7"', 'content-type': 'application/json; charset=utf-8' })
    expect(result.headers).not.toHaveProperty('set-cookie')
    expect(Number.isInteger(result.durationMs)).toBe(true)
    expect(context.logs).toEqual([
      `info calling GET ${url}/path`,
      expect.stringMatching(/^info GET http:\/\/127\.0\.0\.1:\d+\/path answered 200 with 11 bytes in \d+ ms$/),
    ])
  })

  it('has a result of the shape it describes', async () => {
    const { url } = await target((_, response) => json(response, { ok: true }))
    const handler = httpCall()
    const result = await call({ url }, createTestContext(), handler)
    expect(handler.result.safeParse(result).error).toBeUndefined()
  })

  it('uses connections again', async () => {
    const started = await target((_, response) => response.end('ok'))
    const handler = httpCall()
    for (let i = 0; i < 5; i++) await call({ url: started.url }, createTestContext(), handler)
    expect(started.seen).toHaveLength(5)
    // The second may come before the first connection knows that its answer was read to the end.
    expect(started.connections()).toBeLessThanOrEqual(2)
  })

  it('runs 200 at a time, none behind another', async () => {
    const all = signal()
    const waiting: ServerResponse[] = []
    const { url, seen } = await target((_, response) => {
      if (waiting.push(response) === 200) all.resolve()
    })
    const handler = httpCall()
    const runs = Array.from({ length: 200 }, () => call({ url }, createTestContext(), handler))
    await all.promise
    for (const response of waiting) response.end()
    await Promise.all(runs)
    expect(seen).toHaveLength(200)
  })
})

describe('an HTTP_CALL that gets no answer', () => {
  /** A call that hangs in the target, with the moment at which the target has it. */
  async function hanging(params: Record<string, unknown> = {}, clock: Clock = createManualClock()) {
    const reached = signal<ServerResponse>()
    const { url } = await target((_, response) => reached.resolve(response))
    const context = createTestContext({ clock })
    const run = call({ url, ...params }, context)
    run.catch(() => {})
    return { run, context, response: await reached.promise }
  }

  it('fails after half a minute, and a retry may follow', async () => {
    const clock = createManualClock()
    const { run, response } = await hanging({}, clock)
    const closed = new Promise((resolve) => response.on('close', resolve))
    await clock.advance(29_999)
    expect(clock.pending()).toBe(1)
    await clock.advance(1)
    await expect(run).rejects.toMatchObject({ code: 'request-timeout', retry: 'policy' })
    await closed
    expect(clock.pending()).toBe(0)
  })

  it('fails after the time of the job, even in the middle of a body', async () => {
    const clock = createManualClock()
    const { run, response } = await hanging({ timeoutMs: 100 }, clock)
    await new Promise((resolve) => response.write('the beginning', resolve))
    await clock.advance(100)
    await expect(run).rejects.toMatchObject({ code: 'request-timeout' })
  })

  it('ends at once on cancel, with the connection', async () => {
    const clock = createManualClock()
    const { run, context, response } = await hanging({}, clock)
    const closed = new Promise((resolve) => response.on('close', resolve))
    const reason = new Error('cancelled')
    context.abort(reason)
    await expect(run).rejects.toBe(reason)
    await closed
    expect(clock.pending()).toBe(0)
  })

  it('ends at once on cancel while it still connects, and sends nothing later', async () => {
    const resolved = signal<{ address: string; family: number }[]>()
    const { url, seen } = await target((_, response) => response.end())
    const context = createTestContext()
    const params = { url: url.replace('127.0.0.1', 'slow.example') }
    const handler = httpCall(() => resolved.promise)
    const run = call(params, context, handler)
    const reason = new Error('cancelled')
    context.abort(reason)
    await expect(run).rejects.toBe(reason)
    resolved.resolve([{ address: '127.0.0.1', family: 4 }])
    await call({ url: `${params.url}/next` }, createTestContext(), handler)
    expect(seen.map((one) => one.url)).toEqual(['/next'])
  })

  it('sends nothing when it was cancelled before', async () => {
    const started = await target((_, response) => response.end())
    const context = createTestContext()
    const reason = new Error('cancelled')
    context.abort(reason)
    await expect(call({ url: started.url }, context)).rejects.toBe(reason)
    expect(started.connections()).toBe(0)
  })

  it('says that the connection is refused', async () => {
    const gone = await startTarget((_, response) => response.end())
    await gone.close()
    const context = createTestContext()
    await expect(call({ url: `${gone.url}/x?token=secret`, method: 'POST' }, context)).rejects.toMatchObject({
      code: 'connection-refused',
      retry: 'policy',
    })
    expect(context.logs).toEqual([
      `info calling POST ${gone.url}/x`,
      expect.stringMatching(/^error POST \S+\/x failed after \d+ ms: connection-refused: .*ECONNREFUSED/),
    ])
  })

  it('says that the name does not exist', async () => {
    const missing = () => Promise.reject(Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' }))
    const run = call({ url: 'http://missing.example/' }, createTestContext(), httpCall(missing))
    await expect(run).rejects.toMatchObject({ code: 'name-not-found', retry: 'policy' })
  })

  it('is sent once, although the connection breaks', async () => {
    const { url, seen } = await target((request) => request.socket.destroy())
    await expect(call({ url })).rejects.toMatchObject({ code: 'connection-lost', retry: 'policy' })
    expect(seen).toHaveLength(1)
  })

  it('says what is known of an answer that is no HTTP, and no more', async () => {
    const { url } = await target((request) => request.socket.end('HTTP/1.1 200 OK\r\nx-evil: \x1b[31m\r\n\r\n'))
    await expect(call({ url })).rejects.toMatchObject({
      code: 'network-error',
      message: expect.not.stringContaining('undefined'),
    })
  })

  it('says that the body broke off', async () => {
    const { url } = await target((_, response) => {
      response.writeHead(200, { 'content-length': '100' })
      response.write('half', () => response.destroy())
    })
    await expect(call({ url })).rejects.toMatchObject({ code: 'connection-lost', retry: 'policy' })
  })

  it.each([
    'nonsense\r\n\r\n',
    'HTTP/1.1 banana\r\n\r\n',
    'SSH-2.0-OpenSSH_9.9\r\n',
    `HTTP/1.1 200 OK\r\na: ${'b'.repeat(99_999)}\r\n\r\n`,
  ])('says that %j is no answer', async (text) => {
    const server = createServer((socket) => {
      socket.on('error', () => {})
      socket.once('data', () => socket.end(text))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    closeLater(() => new Promise((resolve) => server.close(resolve)))
    const { port } = server.address() as { port: number }
    await expect(call({ url: `http://127.0.0.1:${port}/` })).rejects.toMatchObject({
      name: 'JobFailure',
      retry: 'policy',
    })
  })

  it('says that TLS failed where none is spoken', async () => {
    const { url } = await target((_, response) => response.end())
    await expect(call({ url: url.replace('http:', 'https:') })).rejects.toMatchObject({ code: 'tls-failed' })
  })
})
