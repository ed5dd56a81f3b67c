import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { createManualClock } from '@belfry/service'
import { describe, expect, it } from 'vitest'
import { handlersDefaults } from '../../src/job-types/job-types.ts'
import { call, json, target } from './calls.ts'
import { createTestContext } from './run-context.ts'

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
    const closed = Promise.withResolvers<void>()
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
