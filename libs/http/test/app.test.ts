import { once } from 'node:events'
import { connect } from 'node:net'
import { createJobBody, isRefusal, jobView, type Problem, pageOf, pageQuery, refusal } from '@belfry/contracts'
import type { LightMyRequestResponse } from 'fastify'
import { afterEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { answerPage, createHttpApp, decodeCursor, encodeCursor, sendPage } from '../src/index.ts'
import { makeWorld } from './world.ts'

const worlds: { app: { close(): Promise<void> } }[] = []
afterEach(async () => {
  for (const world of worlds.splice(0)) await world.app.close()
})

function open(...options: Parameters<typeof makeWorld>) {
  const world = makeWorld(...options)
  worlds.push(world)
  return world
}

const publicRoute = { schema: {}, config: { access: 'public' } } as const

class StorageError extends Error {
  override readonly name = 'StorageError'
  readonly code: string
  constructor(code: string) {
    super('database or disk is full: /var/lib/belfry/jobs.db')
    this.code = code
  }
}

describe('an app', () => {
  it('answers what is not there with 404, a wrong method with 405 and what it takes', async () => {
    const { app } = open()
    app.get('/jobs/:id', publicRoute, () => ({}))
    app.put('/jobs/:id', publicRoute, () => ({}))
    const missing = await app.inject('/nothing')
    expect([missing.statusCode, (missing.json() as Problem).code]).toEqual([404, 'not-found'])
    const wrong = await app.inject({ method: 'DELETE', url: '/jobs/job-1?x=1' })
    expect([wrong.statusCode, wrong.headers.allow]).toEqual([405, 'GET, HEAD, OPTIONS, PUT'])
    expect(wrong.json()).toMatchObject({ code: 'method-not-allowed', allowed: ['GET', 'HEAD', 'OPTIONS', 'PUT'] })
  })

  it('says so whatever body comes along', async () => {
    const { app } = open()
    app.get('/jobs/:id', publicRoute, () => ({}))
    for (const payload of ['{', 'x'.repeat(300_000)]) {
      for (const type of ['application/json', 'text/plain']) {
        const headers = { 'content-type': type }
        const statusAt = async (url: string) => (await app.inject({ method: 'POST', url, payload, headers })).statusCode
        expect([await statusAt('/nothing'), await statusAt('/jobs/job-1')]).toEqual([404, 405])
      }
    }
  })

  it.each(['/jobs/%E0%A4%A', '/jobs/%', '/jobs/%ff'])('answers the broken address %s with 400', async (url) => {
    const { app } = open()
    app.get('/jobs/:id', publicRoute, () => ({}))
    const answer = await app.inject({ url })
    expect([answer.statusCode, (answer.json() as Problem).code]).toEqual([400, 'malformed-request'])
    expect(answer.headers).toMatchObject({
      'content-type': expect.stringContaining('application/problem+json'),
      'x-content-type-options': 'nosniff',
      'x-request-id': (answer.json() as Problem).requestId,
    })
  })

  it('answers an address that no id can have with 404', async () => {
    const { app } = open()
    app.get('/jobs/:id', publicRoute, () => ({}))
    expect((await app.inject(`/jobs/${'x'.repeat(300)}`)).statusCode).toBe(404)
  })

  it('answers a refusal as a problem with its status, its choices and when to come again', async () => {
    const { app } = open()
    app.get('/busy', publicRoute, (_request, reply) =>
      reply.refuse(refusal('unavailable', 'Too busy.', { retryAfterS: 2.2 })),
    )
    app.get('/no', publicRoute, (_request, reply) =>
      reply.refuse(refusal('illegal-transition', 'It has ended.', { allowed: ['PAUSED'] })),
    )
    const busy = await app.inject({ url: '/busy', headers: { 'x-request-id': 'req-7' } })
    expect([busy.statusCode, busy.headers['retry-after']]).toEqual([503, '3'])
    expect(busy.headers['content-type']).toBe('application/problem+json; charset=utf-8')
    expect(busy.json()).toEqual({
      type: '/problems/unavailable',
      title: 'Service unavailable',
      status: 503,
      detail: 'Too busy.',
      code: 'unavailable',
      requestId: 'req-7',
      retryable: true,
    })
    expect((await app.inject('/no')).json()).toMatchObject({ status: 409, allowed: ['PAUSED'] })
  })

  it('logs a surprise once with its context and answers without it', async () => {
    const { app, lines } = open()
    app.get('/jobs/:id', publicRoute, () => {
      throw new Error('the secret plan')
    })
    const answer = await app.inject({ url: '/jobs/job-1', headers: { 'x-request-id': 'req-7' } })
    expect([answer.statusCode, (answer.json() as Problem).code]).toEqual([500, 'internal'])
    expect(answer.body).not.toContain('secret')
    expect(lines).toHaveLength(1)
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      level: 'error',
      requestId: 'req-7',
      method: 'GET',
      route: '/jobs/:id',
      err: { message: 'the secret plan' },
    })
  })

  it.each([
    ['a full disk', 'disk-full', 503, 'storage-full'],
    ['a busy store', 'locked', 503, 'unavailable'],
    ['a store that fails', 'failed', 500, 'internal'],
  ])('tells %s apart from its own errors', async (_what, code, status, problemCode) => {
    const { app } = open()
    app.get('/x', publicRoute, () => Promise.reject(new StorageError(code)))
    const answer = await app.inject('/x')
    expect([answer.statusCode, (answer.json() as Problem).code]).toEqual([status, problemCode])
    expect(answer.body).not.toContain('jobs.db')
    expect(answer.headers['retry-after'] !== undefined).toBe(status === 503)
  })

  it('takes the request id and the trace that came, and makes an id for what has none fit to log', async () => {
    const { app } = open()
    const trace = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`
    app.get('/ids', publicRoute, (request) => ({ id: request.id, trace: request.traceparent }))
    const kept = await app.inject({ url: '/ids', headers: { 'x-request-id': 'my-id.1', traceparent: trace } })
    expect(kept.json()).toEqual({ id: 'my-id.1', trace })
    expect(kept.headers['x-request-id']).toBe('my-id.1')
    const bad = { 'x-request-id': 'a\tb"}', traceparent: '00-zz' }
    const made = await app.inject({ url: '/ids', headers: bad })
    expect(made.json()).toEqual({ id: expect.stringMatching(/^[0-9a-f-]{36}$/), trace: null })
  })

  it('says with every answer that it is not to be sniffed or framed', async () => {
    const { app } = open()
    const answer = await app.inject('/livez')
    expect(answer.headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    })
  })

  it('lives at once and is ready when it is said to be, with what it depends on', async () => {
    const { app, deps } = open()
    deps.health.add('store', () => undefined)
    expect((await app.inject('/livez')).json()).toEqual({ status: 'ok' })
    expect((await app.inject('/readyz')).statusCode).toBe(503)
    deps.health.setReady(true)
    expect((await app.inject('/readyz')).json()).toEqual({ status: 'ready' })
    expect((await app.inject('/readyz?verbose')).json().timeZoneData).toBe(process.versions.tz)
    expect((await app.inject('/readyz?verbose')).json().checks).toMatchObject([
      { name: 'token keys' },
      { name: 'store', since: expect.stringMatching(/^\d{4}-.*Z$/) },
    ])
  })

  it('records the duration of requests by route, not by address', async () => {
    const { app, metricsRegistry } = open()
    app.get('/jobs/:id', publicRoute, () => ({}))
    await app.inject('/jobs/job-1')
    await app.inject('/jobs/job-2')
    await app.inject('/nothing-1')
    await app.inject({ method: 'PURGE' as 'GET', url: '/nothing-2' })
    const text = await metricsRegistry.render()
    expect(text).toMatch(
      /request_duration_seconds_count\{service="test",route="\/jobs\/:id",method="GET",status_class="2xx"\} 2/,
    )
    expect(text).toMatch(
      /request_duration_seconds_count\{service="test",route="none",method="any",status_class="4xx"\} 2/,
    )
    expect(text).not.toContain('nothing')
  })
})

describe('/openapi.json', () => {
  it('describes the public routes from the schemas that validate', async () => {
    const { app } = open()
    const schema = { summary: 'Make a job', body: createJobBody, response: { 201: jobView } }
    app.post('/jobs', { schema, config: { access: 'user' } }, (_request, reply) =>
      reply.refuse(refusal('conflict', '')),
    )
    app.get('/jobs', { schema: { querystring: pageQuery }, config: { access: 'viewer' } }, () => ({}))
    app.post('/login', { schema: {}, config: { access: 'public' } }, () => ({}))
    app.get('/internal/jobs', { schema: {}, config: { access: 'service' } }, () => ({}))
    const { openapi, paths, components } = (await app.inject('/openapi.json')).json()
    expect(openapi).toBe('3.1.0')
    expect(Object.keys(paths).sort()).toEqual(['/jobs', '/login'])
    const { post, get } = paths['/jobs']
    const body = post.requestBody.content['application/json'].schema
    expect(body).toEqual({ $ref: '#/components/schemas/CreateJobBody' })
    const described = components.schemas.CreateJobBody
    expect(described).toMatchObject({ type: 'object', required: ['jobType'], additionalProperties: false })
    expect(post.security).toEqual([{ token: [] }])
    expect(post.responses.default).toEqual({ $ref: '#/components/responses/AnyProblem' })
    expect(components.schemas.Problem.properties.errors.type).toBe('array')
    expect(get.parameters.map((one: { name: string }) => one.name)).toEqual(['limit', 'cursor'])
    expect(paths['/login'].post.security).toEqual([])
    expect(paths['/login'].post.requestBody).toBeUndefined()
    expect(components.securitySchemes.token.scheme).toBe('bearer')
  })

  it('is left out where the gateway serves its own', async () => {
    const { app } = open({ openapi: false })
    expect((await app.inject('/openapi.json')).statusCode).toBe(404)
  })
})

describe('a list', () => {
  const cursorParts = z.tuple([z.number(), z.string()])

  function openList() {
    const { app } = open()
    const rows = Array.from({ length: 5 }, (_, i) => ({ at: i, id: `r${i}` }))
    const schema = {
      querystring: pageQuery.extend({ q: z.string().optional() }),
      response: { 200: pageOf(z.object({ id: z.string() })) },
    }
    app.get('/rows', { schema, config: { access: 'public' } }, async (request, reply) => {
      const { limit, cursor } = request.query
      const after = cursor === undefined ? ([-1, ''] as const) : decodeCursor(cursor, cursorParts)
      if (isRefusal(after)) return reply.refuse(after)
      const found = rows.filter((row) => row.at > after[0]).slice(0, limit + 1)
      return sendPage(
        reply,
        found,
        limit,
        (row) => [row.at, row.id],
        ({ id }) => ({ id }),
      )
    })
    return app
  }

  it('is read page by page to its end, along its links', async () => {
    const app = openList()
    const pages: string[][] = []
    let url: string | undefined = '/rows?limit=2&q=a%20b'
    while (url) {
      const answer: LightMyRequestResponse = await app.inject({ url })
      const { data, page } = answer.json()
      pages.push(data.map((row: { id: string }) => row.id))
      url = /<(.*)>; rel="next"/.exec(String(answer.headers.link))?.[1]
      expect(page.hasMore).toBe(url !== undefined)
      if (url) expect(url).toContain('q=a+b')
    }
    expect(pages).toEqual([['r0', 'r1'], ['r2', 'r3'], ['r4']])
  })

  it.each(['x', '', 'bnVsbA', encodeCursor(['a', 'b']), encodeCursor([1]), 'eyJhIjoxfQ', '%00'])(
    'refuses the cursor %j with 400',
    async (cursor) => {
      const answer = await openList().inject(`/rows?cursor=${cursor}`)
      expect(answer.statusCode).toBe(400)
      expect((answer.json() as Problem).errors?.[0]?.pointer).toBe('?cursor')
    },
  )

  it('may answer a short page although more follow', async () => {
    const { app } = open()
    const view = { cursorOf: (row: number) => [row], view: (row: number) => row, next: 'next' }
    app.get('/rows', publicRoute, (_request, reply) => answerPage(reply, [1], view))
    const answer = await app.inject('/rows')
    expect(answer.json()).toEqual({ data: [1], page: { nextCursor: 'next', hasMore: true } })
    expect(answer.headers.link).toBe('</rows?cursor=next>; rel="next"')
  })
})

describe('a page that would be too long', () => {
  const rowBytes = 300

  /** Ten rows of 300 bytes, the last of them the end of the list. */
  function openList(maxBytes: number) {
    const { app } = open()
    const rows = Array.from({ length: 10 }, (_, n) => ({ n, text: 'é'.repeat(140) }))
    const frame = Buffer.byteLength(JSON.stringify(rows[0])) - 280
    const view = (row: { n: number; text: string }) => ({ ...row, text: row.text + 'x'.repeat(rowBytes - 280 - frame) })
    app.get('/rows', publicRoute, (request, reply) => {
      const after = Number(new URLSearchParams(request.url.split('?')[1]).get('cursor') ?? -1)
      const left = rows.slice(after + 1)
      return answerPage(reply, left, { cursorOf: ({ n }) => [n], view, next: null, maxBytes })
    })
    return app
  }

  it('ends before the row that would make it so, and goes on with that row', async () => {
    const answer = await openList(2000).inject('/rows')
    const { data, page } = answer.json()
    expect(answer.headers['content-type']).toContain('application/json')
    expect(data.map((row: { n: number }) => row.n)).toEqual([0, 1, 2, 3])
    expect(Buffer.byteLength(answer.body)).toBeLessThanOrEqual(2000)
    expect(page).toEqual({ nextCursor: encodeCursor([3]), hasMore: true })
    expect(answer.headers.link).toContain('rel="next"')
  })

  it('shows a row that is too long by itself, so that the list always goes on', async () => {
    const { data, page } = (await openList(100).inject('/rows')).json()
    expect([data.length, page.hasMore]).toEqual([1, true])
  })

  it('stays whole when all fits', async () => {
    const { data, page } = (await openList(4000).inject('/rows')).json()
    expect([data.length, page]).toEqual([10, { nextCursor: null, hasMore: false }])
  })
})

describe('a connection', () => {
  async function talk(bytes: string): Promise<string> {
    const { app } = open()
    app.post('/jobs', publicRoute, () => ({ taken: true }))
    await app.listen({ port: 0, host: '127.0.0.1' })
    const { port } = app.server.address() as { port: number }
    const socket = connect(port, '127.0.0.1')
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk
    })
    socket.write(bytes)
    await once(socket, 'close')
    return text
  }

  it.each([
    ['nonsense', 'nonsense\r\n\r\n', 400],
    ['headers without end', `GET / HTTP/1.1\r\nhost: a\r\nx: ${'x'.repeat(40_000)}\r\n\r\n`, 431],
    ['two lengths', 'POST /jobs HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}', 400],
    [
      'length and chunks',
      'POST /jobs HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}',
      400,
    ],
    ['no Host', 'GET /livez HTTP/1.1\r\nconnection: close\r\n\r\n', 400],
    ['a header with U+0000', 'GET /livez HTTP/1.1\r\nhost: a\r\nx: a\0b\r\n\r\n', 400],
  ])('that sends %s is answered as a problem and closed', async (_what, bytes, status) => {
    const text = await talk(bytes)
    expect(text).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    const body = JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4)) as Problem
    expect(body.status).toBe(status)
  })

  it('that expects what is not known is served as if it expected nothing', async () => {
    const text = await talk('GET /livez HTTP/1.1\r\nhost: localhost\r\nexpect: miracles\r\nconnection: close\r\n\r\n')
    expect(text).toMatch(/^HTTP\/1.1 200 /)
  })

  it('is served to its end while the app closes, and then closed', async () => {
    const { app } = open()
    const held = Promise.withResolvers<void>()
    app.get('/slow', publicRoute, async () => {
      await held.promise
      return { taken: true }
    })
    app.get('/quick', publicRoute, () => ({ taken: true }))
    await app.listen({ port: 0, host: '127.0.0.1' })
    const { port } = app.server.address() as { port: number }
    const socket = connect(port, '127.0.0.1')
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk
    })
    const arrived = once(app.server, 'request')
    socket.write('GET /slow HTTP/1.1\r\nhost: localhost\r\n\r\n')
    await arrived
    const closed = app.close()
    await expect.poll(() => app.server.listening).toBe(false)
    socket.write('GET /quick HTTP/1.1\r\nhost: localhost\r\n\r\n')
    held.resolve()
    await Promise.all([once(socket, 'close'), closed])
    expect(text.match(/HTTP\/1\.1 200/g)).toHaveLength(2)
    expect(text.slice(text.lastIndexOf('HTTP/1.1')).toLowerCase()).toContain('connection: close')
  })

  it('on which nothing has come is closed without an answer, and an unfinished request gets 408', async () => {
    const { deps } = makeWorld()
    const limits = { headersTimeoutMs: 50, requestTimeoutMs: 50, timeoutSweepMs: 10 }
    const app = createHttpApp({ service: 'gateway', deps, tokens: null, ...limits })
    worlds.push({ app })
    await app.listen({ port: 0, host: '127.0.0.1' })
    const { port } = app.server.address() as { port: number }
    const answerTo = async (bytes: string) => {
      const socket = connect(port, '127.0.0.1')
      let text = ''
      socket.on('data', (chunk) => {
        text += chunk
      })
      if (bytes !== '') socket.write(bytes)
      await once(socket, 'close')
      return text
    }
    expect(await answerTo('')).toBe('')
    expect(await answerTo('GET /livez HTTP/1.1\r\nhost: a\r\n')).toMatch(/^HTTP\/1.1 408 /)
  })

  it('gets its timeouts from the options', () => {
    const { deps } = makeWorld()
    const app = createHttpApp({ service: 'gateway', deps, tokens: null })
    worlds.push({ app })
    const { requestTimeout, headersTimeout, timeout } = app.server
    expect([requestTimeout, headersTimeout, timeout]).toEqual([15_000, 10_000, 30_000])
  })
})
