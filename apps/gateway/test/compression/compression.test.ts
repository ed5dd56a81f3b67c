import { once } from 'node:events'
import type { RequestListener } from 'node:http'
import { connect } from 'node:net'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { holdPage } from '../../src/compression/held-pages.ts'
import { makeWorld, sendRaw } from '../world.ts'

const text = JSON.stringify({ data: Array.from({ length: 100 }, (_, n) => ({ id: `job-${n}`, name: 'nightly' })) })

function answering(body: string, headers: object = {}, status = 200): RequestListener {
  return (_request, reply) => {
    const about = { 'content-type': 'application/json; charset=utf-8', 'content-length': Buffer.byteLength(body) }
    reply.writeHead(status, { ...about, ...headers }).end(body)
  }
}

async function open(service: RequestListener, config = {}) {
  const world = await makeWorld({ services: { 'job-service': service }, config })
  const get = (accept?: string, method: 'GET' | 'HEAD' = 'GET') =>
    world.app.inject({
      method,
      url: '/jobs',
      headers: { ...world.bearer, ...(accept && { 'accept-encoding': accept }) },
    })
  return { ...world, get }
}

describe('answers of services', () => {
  it.each([
    ['br', brotliDecompressSync],
    ['gzip', gunzipSync],
  ])('come in %s where the client takes it', async (encoding, decode) => {
    const { get } = await open(answering(text, { etag: '"7"' }))
    const answer = await get(encoding)
    expect(answer.headers).toMatchObject({ 'content-encoding': encoding, vary: 'accept-encoding', etag: 'W/"7"' })
    expect(answer.headers).not.toHaveProperty('content-length')
    expect(answer.rawPayload.length).toBeLessThan(text.length / 4)
    expect(decode(answer.rawPayload).toString()).toBe(text)
  })

  it('of the gateway itself are compressed as their dialect shows them', async () => {
    const { app, bearer } = await open(answering('{}'), { gatewayCompressMinBytes: 10 })
    const headers = { ...bearer, 'accept-encoding': 'gzip' }
    const answer = await app.inject({ url: '/api/v1/system/services', headers })
    expect(answer.headers['content-encoding']).toBe('gzip')
    expect(JSON.parse(gunzipSync(answer.rawPayload).toString())).toMatchObject({ success: true, data: {} })
  })

  it('come as they are, and vary, without Accept-Encoding', async () => {
    const { get } = await open(answering(text, { etag: '"7"' }))
    const answer = await get()
    expect(answer.headers).toMatchObject({ vary: 'accept-encoding', etag: '"7"', 'content-length': `${text.length}` })
    expect(answer.headers).not.toHaveProperty('content-encoding')
    expect(answer.body).toBe(text)
  })

  it.each([
    ['short', answering('{}')],
    ['an image', answering(text, { 'content-type': 'image/png' })],
    ['encoded already', answering(text, { 'content-encoding': 'gzip' })],
    ['not to be changed', answering(text, { 'cache-control': 'no-cache, no-transform' })],
    ['a stream of events', answering(text, { 'content-type': 'text/event-stream' })],
    ['of unknown length', (_request, reply) => reply.writeHead(200, { 'content-type': 'application/json' }).end(text)],
    ['a part', answering(text, {}, 206)],
  ] as [string, RequestListener][])('come as they are when they are %s', async (_what, service) => {
    const { get } = await open(service)
    const [plain, asked] = [await get(), await get('br, gzip')]
    expect(asked.headers['content-encoding']).toBe(plain.headers['content-encoding'])
    expect(asked.rawPayload).toEqual(plain.rawPayload)
  })

  it('have the same headers for HEAD, without a body', async () => {
    const { get } = await open(answering(text))
    const head = await get('br', 'HEAD')
    expect([head.statusCode, head.body, head.headers['content-encoding']]).toEqual([200, '', undefined])
  })

  it('come as they are while as many are compressed as may be', async () => {
    const config = { gatewayCompressionsAtWork: 1 }
    const large = JSON.stringify({ data: Array.from({ length: 50_000 }, () => Math.random()) })
    const { gateway, get, token } = await open(answering(large), config)
    const { hostname, port } = new URL(await gateway.start())
    // A client that does not read: its answer stays at work.
    const slow = connect(Number(port), hostname).pause()
    slow.write(
      `GET /jobs HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${token}\r\naccept-encoding: gzip\r\n\r\n`,
    )
    await once(slow, 'readable')
    expect((await get('gzip')).headers['content-encoding']).toBeUndefined()
    slow.destroy()
    for (let tries = 0; (await get('gzip')).headers['content-encoding'] !== 'gzip'; tries++) {
      expect(tries).toBeLessThan(100)
    }
  })
})

describe('answers of the gateway itself', () => {
  it('are compressed too', async () => {
    const { app } = await makeWorld()
    const plain = await app.inject('/problems')
    const answer = await app.inject({ url: '/problems', headers: { 'accept-encoding': 'br' } })
    expect(answer.headers).toMatchObject({ 'content-encoding': 'br', vary: 'accept, accept-encoding' })
    expect(brotliDecompressSync(answer.rawPayload).toString()).toBe(plain.body)
    const asset = await app.inject({ url: '/docs/swagger-ui.css', headers: { 'accept-encoding': 'gzip' } })
    expect(asset.headers['content-encoding']).toBe('gzip')
    expect(gunzipSync(asset.rawPayload).toString()).toBe((await app.inject('/docs/swagger-ui.css')).body)
  })
})

describe('pages that are the same for each reader', () => {
  it.each([
    ['/openapi.json', 'br', brotliDecompressSync],
    ['/openapi.json', 'gzip', gunzipSync],
    ['/docs', 'br', brotliDecompressSync],
    ['/docs/swagger-ui-bundle.js', 'br', brotliDecompressSync],
  ])('%s is compressed once in %s, and answered with 304 to a client that has it', async (url, encoding, decode) => {
    const { app } = await makeWorld({ config: { gatewayCompressMinBytes: 100 } })
    const get = (headers: object = {}) => app.inject({ url, headers: { 'accept-encoding': encoding, ...headers } })
    const plain = await app.inject(url)
    const [first, second] = [await get(), await get()]
    expect(first.headers).toMatchObject({
      'content-encoding': encoding,
      vary: expect.stringContaining('accept-encoding'),
    })
    expect(decode(first.rawPayload).toString()).toBe(plain.body)
    expect(second.rawPayload).toEqual(first.rawPayload)
    const { etag } = first.headers
    expect([plain.headers.etag, second.headers.etag, String(etag).slice(0, 3)]).toEqual([etag, etag, 'W/"'])
    for (const known of [String(etag), `"x", ${etag}`, String(etag).slice(2), '*']) {
      const answer = await get({ 'if-none-match': known })
      expect([answer.statusCode, answer.body, answer.headers.etag]).toEqual([304, '', etag])
    }
    expect((await get({ 'if-none-match': '"x"' })).statusCode).toBe(200)
  })

  it('are compressed once, however many read them at the same moment', async () => {
    const page = holdPage('a page '.repeat(1000), 'text/html')
    const encoded = await Promise.all(Array.from({ length: 5 }, () => page.in('br')))
    expect(new Set(encoded).size).toBe(1)
    expect(await page.in('br')).toBe(encoded[0])
    expect(holdPage('a page '.repeat(1000), 'text/html').etag).toBe(page.etag)
    expect(holdPage('another page', 'text/html').etag).not.toBe(page.etag)
  })
})

describe('bodies of requests', () => {
  it.each(['gzip', 'br', 'deflate'])('in %s are refused', async (encoding) => {
    const { app, bearer } = await makeWorld()
    const headers = { ...bearer, 'content-encoding': encoding, 'content-type': 'application/json' }
    for (const url of ['/jobs', '/api/v1/jobs', '/auth/login']) {
      const answer = await app.inject({ method: 'POST', url, headers, payload: '{}' })
      expect([answer.statusCode, answer.json().code]).toEqual([415, 'unsupported-media-type'])
    }
  })
})

it('a client that goes away in the middle leaves nothing at work', async () => {
  const { gateway, token } = await makeWorld({ services: { 'job-service': answering(text) } })
  const address = await gateway.start()
  const request = `GET /jobs HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${token}\r\naccept-encoding: br\r\n\r\n`
  expect(await sendRaw(address, request, '\r\n\r\n')).toContain('content-encoding: br')
})
