import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { PassThrough, Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { createManualClock, createMetrics } from '@belfry/service'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createBalancer, createStaticRegistry, type UpstreamRequest, type UpstreamResponse } from '../../src/index.ts'
import { breaker } from './loopback.ts'

type Answer = UpstreamResponse & { text(): Promise<string> }

/** A service behind a balancer: over TCP, or in the same process. */
async function open(way: 'tcp' | 'local', handler: RequestListener) {
  const server = createServer(handler)
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const { port } = server.address() as AddressInfo
  const registry = createStaticRegistry()
  const local = way === 'local' ? { handler: handler as never } : {}
  await registry.register({ service: 'job-service', id: 'j', host: '127.0.0.1', port, ...local })
  const [clock, metrics] = [createManualClock(), createMetrics().forService('gateway')]
  const balancer = createBalancer({ registry, clock, metrics, breaker, caller: 'gateway' })
  onTestFinished(async () => {
    balancer.close()
    server.closeAllConnections()
    await new Promise((closed) => server.close(closed))
  })
  const call = (request: Partial<UpstreamRequest> = {}) =>
    new Promise<Answer>((resolve, reject) => {
      const all = { origin: 'http://job-service', path: '/a?b=1', method: 'GET', ...request }
      balancer.request(all, (error, response) => {
        if (error || !response) reject(error)
        else resolve({ ...response, text: () => text(response.body) })
      })
    })
  return { call, clock, balancer }
}

describe.each(['tcp', 'local'] as const)('a call to a service over %s', (way) => {
  it('brings method, address and headers there, and status, headers and body back', async () => {
    const { call } = await open(way, (request, reply) => {
      reply.setHeader('X-Kept', '1')
      reply.writeHead(201, { 'content-type': 'text/plain', 'set-cookie': ['a=1', 'b=2'] })
      const { method, url, headers, httpVersion, socket } = request
      reply.end(JSON.stringify([method, url, headers['x-one'], headers.two, httpVersion, socket.remoteAddress]))
    })
    const answer = await call({ method: 'DELETE', headers: { 'x-one': 'ä', two: undefined } })
    expect(answer.statusCode).toBe(201)
    expect(answer.headers).toMatchObject({ 'x-kept': '1', 'content-type': 'text/plain', 'set-cookie': ['a=1', 'b=2'] })
    expect(JSON.parse(await answer.text()).toSpliced(2, 1)).toEqual(['DELETE', '/a?b=1', null, '1.1', '127.0.0.1'])
  })

  it('sends a text with its length', async () => {
    const { call } = await open(way, async (request, reply) => {
      reply.end(`${request.headers['content-length']} ${request.headers.host?.split(':')[0]} ${await text(request)}`)
    })
    expect(await (await call({ method: 'POST', body: 'grün' })).text()).toBe('5 127.0.0.1 grün')
  })

  it('streams a body there and back, no faster than its reader', async () => {
    const { call } = await open(way, (request, reply) => void request.pipe(reply))
    let produced = 0
    const body = new Readable({
      read() {
        produced += 1
        this.push(produced > 320 ? null : Buffer.alloc(64 * 1024, 'x'))
      },
    })
    const answer = await call({ method: 'POST', body })
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(produced).toBeLessThan(320)
    expect((await answer.text()).length).toBe(320 * 64 * 1024)
  })

  it('has an answer before the end of the body, and throws the rest of that away', async () => {
    const { call } = await open(way, (_request, reply) => void reply.writeHead(413).end('too large'))
    const body = new PassThrough()
    body.write('begin')
    const answer = await call({ method: 'POST', body })
    expect([answer.statusCode, await answer.text()]).toEqual([413, 'too large'])
    body.end(Buffer.alloc(1_000_000))
    await once(body, 'end')
    expect(body.destroyed || body.readableEnded).toBe(true)
  })

  it('has no body after HEAD, 204 and 304', async () => {
    const { call } = await open(way, (request, reply) => {
      const status = Number(request.headers['x-status'])
      reply.writeHead(status, { etag: '"1"', ...(status === 200 && { 'content-length': '4' }) })
      reply.end('body')
    })
    const head = await call({ method: 'HEAD', headers: { 'x-status': '200' } })
    expect([head.statusCode, head.headers['content-length'], await head.text()]).toEqual([200, '4', ''])
    const notModified = await call({ headers: { 'x-status': '304' } })
    expect([notModified.statusCode, notModified.headers.etag, await notModified.text()]).toEqual([304, '"1"', ''])
  })

  it('has the head of an answer before its body, and the body piece by piece', async () => {
    let write = (_piece: string) => {}
    const { call } = await open(way, (_request, reply) => {
      reply.writeHead(200, { 'content-type': 'text/event-stream' })
      reply.flushHeaders()
      write = (piece) => void reply.write(piece)
    })
    const answer = await call({ headersTimeout: 0 })
    expect(answer.headers['content-type']).toBe('text/event-stream')
    for (const piece of ['one', 'two']) {
      const arrived = once(answer.body, 'data')
      write(piece)
      expect(String((await arrived)[0])).toBe(piece)
    }
    answer.body.destroy()
  })

  it('hands an answer of a known small length on in one piece, and waits for none of it', async () => {
    const parts = Promise.withResolvers<(piece: string) => void>()
    const { call } = await open(way, (request, reply) => {
      reply.setHeader('content-length', '6')
      if (request.url === '/whole') return void reply.end('onetwo')
      reply.write('one')
      parts.resolve((piece) => void reply.end(piece))
    })
    const whole = await call({ path: '/whole' })
    expect([String(whole.body.whole), await whole.text()]).toEqual(['onetwo', 'onetwo'])
    const inParts = await call({ path: '/parts' })
    expect(inParts.body.whole).toBeNull()
    ;(await parts.promise)('two')
    expect(await inParts.text()).toBe('onetwo')
  })

  it('passes a small body on that has come in, and one that is still coming in', async () => {
    const { call } = await open(way, async (request, reply) => {
      reply.end(`${request.headers['content-length']} ${await text(request)}`)
    })
    const upload = (isComplete: boolean) => Object.assign(new PassThrough(), { complete: isComplete })
    const [came, coming] = [upload(true), upload(false)]
    const post = { method: 'POST', headers: { 'content-length': '6' } }
    came.end('onetwo')
    coming.write('one')
    const answers = [await call({ ...post, body: came })]
    expect(came.readableLength).toBe(0)
    const later = call({ ...post, body: coming })
    coming.end('two')
    answers.push(await later)
    for (const answer of answers) expect(await answer.text()).toBe('6 onetwo')
  })

  it('lets the service see that the reader of its answer has gone', async () => {
    const gone = Promise.withResolvers<void>()
    const { call } = await open(way, (request, reply) => {
      reply.writeHead(200)
      reply.write('half')
      request.once('close', () => gone.resolve())
    })
    const answer = await call()
    answer.body.destroy()
    await gone.promise
  })

  it('lets the service see that a call was given up', async () => {
    const gone = Promise.withResolvers<void>()
    const begun = Promise.withResolvers<void>()
    const { call, clock } = await open(way, (_request, reply) => {
      reply.once('close', () => gone.resolve())
      begun.resolve()
    })
    const answer = call().catch((error: { code: string }) => error.code)
    await begun.promise
    await clock.advance(breaker.timeoutMs)
    expect(await answer).toBe('timeout')
    await gone.promise
  })

  it('fails when the sender of its body went away before it began', async () => {
    const { call, balancer } = await open(way, async (request, reply) => {
      reply.end(await text(request).catch(() => 'broken'))
    })
    const body = new PassThrough()
    body.destroy()
    await once(body, 'close')
    await expect(call({ method: 'POST', body })).rejects.toMatchObject({ code: 'refused' })
    expect(balancer.breakers()[0]?.inFlight).toBe(0)
  })

  it('fails when the service breaks its answer off, before the head and after it', async () => {
    const { call } = await open(way, (request, reply) => {
      if (request.headers['x-half']) {
        reply.writeHead(200)
        reply.write('half', () => reply.destroy())
      } else reply.destroy()
    })
    await expect(call({ method: 'POST' })).rejects.toMatchObject({ code: 'refused' })
    const half = await call({ method: 'POST', headers: { 'x-half': '1' } })
    await expect(half.text()).rejects.toThrow()
  })

  it('fails as aborted when the client goes away with half of its body', async () => {
    const failed = Promise.withResolvers<void>()
    const { call } = await open(way, (request) => {
      request.on('error', () => failed.resolve())
      request.resume()
    })
    const body = Object.assign(new PassThrough(), { socket: { destroyed: false } })
    body.on('error', () => undefined)
    body.write('half')
    const answer = call({ method: 'POST', body }).catch((error: { code: string }) => error.code)
    await new Promise((resolve) => setTimeout(resolve, 50))
    body.socket.destroyed = true
    body.destroy(new Error('gone'))
    expect(await answer).toBe('aborted')
    await failed.promise
  })
})
