import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { createServer } from 'node:net'
import { type Clock, createManualClock } from '@belfry/service'
import { afterEach, describe, expect, it } from 'vitest'
import type { Handler, Handlers } from '../../src/handlers/handler.ts'
import type { Resolve } from '../../src/handlers/outbound.ts'
import { createHandlers, handlersDefaults } from '../../src/handlers/registry.ts'
import { createTestContext, fireAt, type TestContext } from './run-context.ts'
import { startTarget, type Target } from './target.ts'

const toClose: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of toClose.splice(0).reverse()) await close()
})

async function target(answer: RequestListener): Promise<Target> {
  const started = await startTarget(answer)
  toClose.push(started.close)
  return started
}

function handlers(resolve?: Resolve): Handlers {
  const created = createHandlers({ ...handlersDefaults, allowPrivate: true }, resolve)
  toClose.push(created.close)
  return created
}

function call(params: Record<string, unknown>, context: TestContext = createTestContext(), resolve?: Resolve) {
  const handler = handlers(resolve).types.get('HTTP_CALL') as Handler
  return handler.run(handler.params.parse(params), context)
}

/** A promise and the function that keeps it. */
const signal = <T = void>() => Promise.withResolvers<T>()

const json = (response: ServerResponse, value: unknown, status = 200) =>
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify(value))

describe('an HTTP_CALL', () => {
  it('sends what the job says, and who calls, for which attempt and fire time', async () => {
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

  it('resolves to status, harmless headers, JSON and duration, and logs one line without the query', async () => {
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
    expect(context.logs).toHaveLength(1)
    expect(context.logs[0]).toMatch(/^info GET http:\/\/127\.0\.0\.1:\d+\/path answered 200 in \d+ ms$/)
  })

  it('has a result of the shape it describes', async () => {
    const { url } = await target((_, response) => json(response, { ok: true }))
    const handler = handlers().types.get('HTTP_CALL') as Handler
    const result = await handler.run(handler.params.parse({ url }), createTestContext())
    expect(handler.result.safeParse(result).error).toBeUndefined()
  })

  it('uses connections again', async () => {
    const started = await target((_, response) => response.end('ok'))
    const handler = handlers().types.get('HTTP_CALL') as Handler
    for (let i = 0; i < 5; i++) await handler.run(handler.params.parse({ url: started.url }), createTestContext())
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
    const handler = handlers().types.get('HTTP_CALL') as Handler
    const runs = Array.from({ length: 200 }, () => handler.run(handler.params.parse({ url }), createTestContext()))
    await all.promise
    for (const response of waiting) response.end()
    await Promise.all(runs)
    expect(seen).toHaveLength(200)
  })
})

describe('the answer to an HTTP_CALL', () => {
  const answering = (status: number, headers: Record<string, string> = {}) =>
    target((_, response) => response.writeHead(status, headers).end('because'))

  it.each([200, 201, 202, 204, 206, 299])('%d is a success', async (status) => {
    const { url } = await answering(status)
    expect(await call({ url })).toMatchObject({ status })
  })

  it.each([300, 301, 304, 400, 401, 403, 404, 409, 410, 422, 451])('%d fails for good', async (status) => {
    const { url } = await answering(status, { 'retry-after': '1' })
    await expect(call({ url })).rejects.toMatchObject({ code: `http-${status}`, retry: 'never' })
  })

  it.each([408, 425, 429, 500, 502, 503, 504, 599])('%d is retried by the policy', async (status) => {
    const { url, seen } = await answering(status)
    await expect(call({ url })).rejects.toMatchObject({ code: `http-${status}`, retry: 'policy' })
    expect(seen).toHaveLength(1)
  })

  it.each([408, 425, 429, 500, 503])('%d is retried when it says so', async (status) => {
    const { url } = await answering(status, { 'retry-after': '120' })
    await expect(call({ url })).rejects.toMatchObject({ retry: { afterMs: 120_000 } })
  })

  it('may say when as a date, by the clock of the executor', async () => {
    const clock = createManualClock(Date.UTC(2026, 10, 21, 12))
    const { url } = await answering(503, { 'retry-after': 'Sat, 21 Nov 2026 12:05:00 GMT' })
    await expect(call({ url }, createTestContext({ clock }))).rejects.toMatchObject({ retry: { afterMs: 300_000 } })
  })

  it('may ask for an hour at most', async () => {
    const { url } = await answering(429, { 'retry-after': '86400' })
    await expect(call({ url })).rejects.toMatchObject({ retry: { afterMs: 3_600_000 } })
  })

  it('shows its start in one line in the failure', async () => {
    const { url } = await target((_, response) =>
      response.writeHead(404).end(`no\r\nsuch\u001b[31m ${'x'.repeat(999)}`),
    )
    await expect(call({ url: `${url}/a?b=c` })).rejects.toThrow(
      new RegExp(`^GET ${url}/a answered 404: no such \\[31m x{180,190}$`),
    )
  })
})

describe('what an HTTP_CALL expects', () => {
  const json200 = (value: unknown) => target((_, response) => json(response, value))

  it.each([404, [404], [200, 404]])('status %j makes a 404 a success', async (status) => {
    const { url } = await target((_, response) => response.writeHead(404).end())
    expect(await call({ url, expect: { status } })).toMatchObject({ status: 404 })
  })

  it('a success that is not the expected one is retried', async () => {
    const { url } = await target((_, response) => response.writeHead(202).end())
    await expect(call({ url, expect: { status: 200 } })).rejects.toMatchObject({ code: 'http-202', retry: 'policy' })
  })

  it.each([
    [{ ok: true }, { ok: true, more: 1 }],
    [{ a: { b: [1, 2] } }, { a: { b: [1, 2], c: 3 }, d: 4 }],
    [{ list: [{ id: 1 }] }, { list: [{ id: 1, name: 'one' }] }],
    [[], []],
    [null, null],
    ['ready', 'ready'],
    [0, -0],
    [{}, { anything: 1 }],
  ])('JSON %j is in %j', async (expected, actual) => {
    const { url } = await json200(actual)
    expect(await call({ url, expect: { json: expected } })).toMatchObject({ status: 200 })
  })

  it.each([
    [{ ok: true }, { ok: 'true' }],
    [{ ok: true }, {}],
    [{ ok: true }, null],
    [{ ok: true }, 'ok'],
    [{ toString: {} }, {}],
    [{ length: 1 }, [1]],
    [{}, []],
    [[], {}],
    [[1], [1, 2]],
    [
      [2, 1],
      [1, 2],
    ],
    [{ a: null }, {}],
    [1, '1'],
  ])('JSON %j is not in %j', async (expected, actual) => {
    const { url } = await json200(actual)
    await expect(call({ url, expect: { json: expected } })).rejects.toMatchObject({
      code: 'unexpected-body',
      retry: 'policy',
    })
  })

  it('JSON is not found in text', async () => {
    const { url } = await target((_, response) => response.end('{"ok":true}'))
    await expect(call({ url, expect: { json: { ok: true } } })).rejects.toMatchObject({ code: 'unexpected-body' })
  })
})

describe('the body of an answer', () => {
  const bodyOf = async (answer: RequestListener) => {
    const { url } = await target(answer)
    return (await call({ url })) as { body: unknown; truncated: boolean }
  }
  const jsonText = (text: string) =>
    bodyOf((_, response) => response.setHeader('content-type', 'application/json').end(text))
  const maxBytes = handlersDefaults.httpBodyBytes

  it('is null when there is none', async () => {
    expect(await bodyOf((_, response) => response.end())).toMatchObject({ body: null, truncated: false })
  })

  it('is text where it is not JSON, whatever it claims', async () => {
    expect(await bodyOf((_, response) => response.end('héllo'))).toMatchObject({ body: 'héllo' })
    expect(await jsonText('{"a":')).toMatchObject({ body: '{"a":', truncated: false })
  })

  it('is JSON for types that end in +json too', async () => {
    const problem: RequestListener = (_, response) =>
      response.setHeader('content-type', 'application/problem+json').end('{"title":"no"}')
    expect(await bodyOf(problem)).toMatchObject({ body: { title: 'no' } })
  })

  it('is kept whole up to the cap', async () => {
    const text = 'x'.repeat(maxBytes)
    expect(await bodyOf((_, response) => response.end(text))).toMatchObject({ body: text, truncated: false })
  })

  it('is cut off beyond it, between characters', async () => {
    const { body, truncated } = await bodyOf((_, response) => response.end(`x${'é'.repeat(maxBytes)}`))
    expect(truncated).toBe(true)
    expect(body).toBe(`x${'é'.repeat(maxBytes / 2 - 1)}`)
  })

  it('that never ends is cut off by closing the connection', async () => {
    const closed = signal()
    const endless = (_: IncomingMessage, response: ServerResponse) => {
      response.on('close', closed.resolve)
      const more = () => {
        while (!response.destroyed && response.write('y'.repeat(16_384)));
        response.once('drain', more)
      }
      more()
    }
    expect(await bodyOf(endless)).toMatchObject({ body: 'y'.repeat(maxBytes), truncated: true })
    await closed.promise
  })

  it('does not outgrow a result in its stored form', async () => {
    const big = await bodyOf((_, response) => response.end(Buffer.alloc(maxBytes)))
    expect(big.truncated).toBe(true)
    expect(JSON.stringify(big).length).toBeLessThan(64 * 1024)
    const numbers = await jsonText(`[${'1e20,'.repeat(5000)}1]`)
    expect(typeof numbers.body).toBe('string')
    expect(JSON.stringify(numbers).length).toBeLessThan(64 * 1024)
  })

  it('loses keys that reach for the prototype of every object', async () => {
    const { body } = await jsonText(
      '{"__proto__":{"admin":true},"a":{"constructor":{"prototype":{}},"\\u005f_proto__":1,"b":2}}',
    )
    expect(JSON.stringify(body)).toBe('{"a":{"b":2}}')
  })

  it('nested beyond reason stays text', async () => {
    const text = `${'['.repeat(10_000)}${']'.repeat(10_000)}`
    expect(await jsonText(text)).toMatchObject({ body: text, truncated: false })
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
    const created = handlers(() => resolved.promise)
    const handler = created.types.get('HTTP_CALL') as Handler
    const run = handler.run(handler.params.parse(params), context)
    const reason = new Error('cancelled')
    context.abort(reason)
    await expect(run).rejects.toBe(reason)
    resolved.resolve([{ address: '127.0.0.1', family: 4 }])
    await handler.run(handler.params.parse({ url: `${params.url}/next` }), createTestContext())
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

  it('says that nobody listens', async () => {
    const gone = await startTarget((_, response) => response.end())
    await gone.close()
    await expect(call({ url: gone.url })).rejects.toMatchObject({ code: 'connection-refused', retry: 'policy' })
  })

  it('says that the name does not exist', async () => {
    const missing = () => Promise.reject(Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' }))
    const run = call({ url: 'http://missing.example/' }, createTestContext(), missing)
    await expect(run).rejects.toMatchObject({ code: 'name-not-found', retry: 'policy' })
  })

  it('is sent once, although the connection breaks', async () => {
    const { url, seen } = await target((request) => request.socket.destroy())
    await expect(call({ url })).rejects.toMatchObject({ code: 'connection-lost', retry: 'policy' })
    expect(seen).toHaveLength(1)
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
    toClose.push(() => new Promise((resolve) => server.close(resolve)))
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
