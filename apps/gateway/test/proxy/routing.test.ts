import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { makeWorld, sendRaw } from '../world.ts'

describe('the way through the gateway', () => {
  it('leads every address to the service that owns it', async () => {
    const { app, bearer, seen } = await makeWorld()
    const owners: Record<string, string[]> = {
      'auth-service': ['/auth/me', '/auth/users/usr-1'],
      'job-service': [
        '/jobs',
        '/jobs/job-100/status',
        '/executions',
        '/executions/exe-1',
        '/executions/exe-1/x',
        '/dead-letters',
      ],
      'scheduler-service': ['/scheduler/scan', '/schedules/preview', '/jobs/job-100/fire-log'],
      'executor-service': [
        '/executions/exe-1/logs',
        '/executions/exe-1/artifacts/a.csv',
        '/job-types',
        '/job-types/DUMMY',
      ],
    }
    for (const [service, paths] of Object.entries(owners)) {
      for (const path of paths) {
        const url = `${path}?limit=2&q=a%20b&q=c`
        const answer = await app.inject({ url, headers: bearer })
        expect([answer.statusCode, answer.json()]).toEqual([200, { service }])
        expect(seen.at(-1)).toMatchObject({ service, method: 'GET', url })
      }
    }
  })

  it('opens only what is public without a token', async () => {
    const { app, seen } = await makeWorld()
    for (const url of ['/auth/signup', '/auth/login']) {
      expect((await app.inject({ method: 'POST', url, payload: { username: 'ada' } })).statusCode).toBe(200)
    }
    expect((await app.inject('/auth/.well-known/jwks.json')).statusCode).toBe(200)
    const before = seen.length
    for (const url of [
      '/auth/me',
      '/jobs',
      '/executions/x/logs',
      '/scheduler/scan',
      '/jobs/x/fire-log',
      '/job-types',
      '/system/services',
    ]) {
      const answer = await app.inject(url)
      expect(answer.statusCode).toBe(401)
      expect(answer.headers['content-type']).toContain('application/problem+json')
      expect(answer.headers['www-authenticate']).toBe('Bearer realm="belfry"')
    }
    expect(seen.length).toBe(before)
  })

  it('never leads to what is between services', async () => {
    const { gateway, bearer, seen } = await makeWorld()
    const address = await gateway.start()
    const paths = [
      '/internal/jobs/changes',
      '/jobs/../internal/jobs/changes',
      '/jobs/%2e%2e/internal/jobs/changes',
      '/jobs/..%2finternal/jobs/changes',
      '/jobs/..\\internal\\jobs',
      '/jobs/%2e%2e%5cinternal',
      '//internal/jobs/changes',
      '/jobs//../../internal',
      '/executions/../internal/logs',
      '/job-types/../internal/job-types',
      'http://job-service/internal/jobs/changes',
    ]
    for (const path of paths) {
      const text = await sendRaw(
        address,
        `GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: ${bearer.authorization}\r\nconnection: close\r\n\r\n`,
      )
      expect(text, path).toMatch(/^HTTP\/1\.1 40[04] /)
      expect(text, path).toContain('application/problem+json')
    }
    expect(seen).toEqual([])
  })

  it('hands bodies on byte by byte, whatever they are', async () => {
    const { app, bearer, seen } = await makeWorld()
    const bodies = [
      ['POST', 'application/json', '{"jobType" : "DUMMY","jobType":"twice"}'],
      ['POST', 'application/json', '{not json'],
      ['PATCH', 'application/merge-patch+json', '{"name":null}'],
      ['PUT', 'text/plain', 'grüße'],
      ['DELETE', 'application/json', '{}'],
    ] as const
    for (const [method, type, payload] of bodies) {
      const answer = await app.inject({
        method,
        url: '/jobs/job-1',
        headers: { ...bearer, 'content-type': type },
        payload,
      })
      expect(answer.statusCode).toBe(200)
      expect(seen.at(-1)).toMatchObject({ method, body: payload })
      expect(seen.at(-1)?.headers['content-type']).toBe(type)
    }
  })

  it('passes requests without a body, also those that announce one', async () => {
    const { gateway, bearer, seen } = await makeWorld()
    const address = await gateway.start()
    const requests = [
      'POST /jobs/1/trigger HTTP/1.1\r\ncontent-length: 0\r\ncontent-type: application/json\r\n',
      'POST /jobs/1/trigger HTTP/1.1\r\ntransfer-encoding: chunked\r\n',
      'POST /jobs/1/trigger HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 0\r\n',
      'DELETE /jobs/1 HTTP/1.1\r\n',
      'GET /jobs HTTP/1.1\r\ncontent-length: 0\r\ncontent-type: application/json\r\n',
      'GET /jobs HTTP/1.1\r\nkeep-alive: timeout=5\r\nte: trailers\r\nproxy-connection: keep-alive\r\n',
    ]
    for (const request of requests) {
      const end = request.includes('chunked') ? '0\r\n\r\n' : ''
      const text = await sendRaw(
        address,
        `${request}host: 127.0.0.1\r\nauthorization: ${bearer.authorization}\r\nconnection: close\r\n\r\n${end}`,
      )
      expect(text, request).toMatch(/HTTP\/1\.1 200 /)
    }
    expect(seen.map((one) => one.body)).toEqual(requests.map(() => ''))
  })

  it('streams a body of many megabytes both ways', async () => {
    const { gateway, bearer } = await makeWorld({
      services: { 'job-service': (request, reply) => request.pipe(reply.writeHead(200)) },
    })
    const address = await gateway.start()
    const body = Buffer.alloc(24 * 1024 * 1024, 'belfry ')
    const answer = await fetch(`${address}/jobs/batch`, { method: 'POST', body, headers: bearer })
    expect(Buffer.from(await answer.arrayBuffer()).equals(body)).toBe(true)
  })

  it('brings back an answer that comes before the body has ended', async () => {
    const { gateway, bearer } = await makeWorld({
      services: {
        'job-service': (_request, reply) => {
          reply.writeHead(413, { 'content-type': 'application/problem+json' }).end('{"code":"too-large"}')
        },
      },
    })
    const address = await gateway.start()
    const head = `POST /jobs HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: ${bearer.authorization}\r\ncontent-length: 90000000\r\n\r\n`
    const text = await sendRaw(address, `${head}{"name":"`, 'too-large')
    expect(text).toMatch(/^HTTP\/1\.1 413 /)
  })

  it('brings every status back as it is, with its headers', async () => {
    const { gateway, bearer } = await makeWorld({
      services: {
        'job-service': (request, reply) => {
          const status = Number(new URL(request.url ?? '', 'http://x').searchParams.get('status'))
          reply.writeHead(status, {
            location: '/jobs/job-1',
            'retry-after': '7',
            'keep-alive': 'timeout=9',
            connection: 'close',
          })
          reply.end()
        },
      },
    })
    const address = await gateway.start()
    for (const status of [201, 202, 204, 301, 304, 404, 405, 409, 422, 500, 503]) {
      const answer = await fetch(`${address}/jobs/x?status=${status}`, { headers: bearer, redirect: 'manual' })
      expect(answer.status).toBe(status)
      expect(answer.headers.get('location')).toBe('/jobs/job-1')
      expect(answer.headers.get('retry-after')).toBe('7')
      expect(answer.headers.get('keep-alive')).not.toBe('timeout=9')
      expect(answer.headers.get('connection')).not.toBe('close')
    }
  })

  it('answers HEAD without a body', async () => {
    const { gateway, bearer } = await makeWorld()
    const address = await gateway.start()
    const answer = await fetch(`${address}/jobs`, { method: 'HEAD', headers: bearer })
    expect([answer.status, await answer.text()]).toEqual([200, ''])
  })

  it('survives clients that leave in the middle of an answer', async () => {
    const closed: Promise<unknown>[] = []
    const { gateway, bearer } = await makeWorld({
      services: {
        'job-service': (_request, reply) => {
          closed.push(new Promise((resolve) => reply.once('close', resolve)))
          reply.writeHead(200, { 'content-length': '100000000' })
          reply.write('first part'.padEnd(100_000))
        },
      },
    })
    const address = await gateway.start()
    const request = `GET /jobs HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: ${bearer.authorization}\r\n\r\n`
    await Promise.all(Array.from({ length: 20 }, () => sendRaw(address, request, 'first part')))
    await Promise.all(closed)
    expect(closed).toHaveLength(20)
    expect((await fetch(`${address}/livez`)).status).toBe(200)
  })

  it('survives clients that leave before the answer', async () => {
    const { gateway, bearer, balancer } = await makeWorld({
      services: { 'job-service': (_request, reply) => void setImmediate(() => reply.end('late'.repeat(100_000))) },
    })
    const address = new URL(await gateway.start())
    const { connect } = await import('node:net')
    for (let i = 0; i < 20; i++) {
      const socket = connect(Number(address.port), address.hostname)
      socket.on('error', () => undefined)
      socket.write(`GET /jobs HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: ${bearer.authorization}\r\n\r\n`, () =>
        socket.resetAndDestroy(),
      )
      await new Promise((done) => socket.once('close', done))
    }
    await expect.poll(() => balancer.breakers().every((one) => one.inFlight === 0)).toBe(true)
    expect((await fetch(new URL('/livez', address))).status).toBe(200)
  })
})

describe('a service in trouble', () => {
  it('is 503 with Retry-After when no instance is registered', async () => {
    const { app, bearer } = await makeWorld({ services: { 'job-service': null } })
    const answer = await app.inject({ url: '/jobs', headers: bearer })
    expect(answer.statusCode).toBe(503)
    expect(answer.headers['retry-after']).toBe('1')
    expect(answer.json()).toMatchObject({ code: 'unavailable', retryable: true, type: '/problems/unavailable' })
  })

  it('is 502 when it refuses, for reads and for writes', async () => {
    const { app, bearer, registry } = await makeWorld({ services: { 'job-service': null } })
    const server = createServer()
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
    const { port } = server.address() as AddressInfo
    await new Promise((closed) => server.close(closed))
    await registry.register({ service: 'job-service', id: 'gone', host: '127.0.0.1', port })
    for (const method of ['GET', 'POST'] as const) {
      const payload = method === 'POST' ? { payload: { jobType: 'DUMMY' } } : {}
      const answer = await app.inject({ method, url: '/jobs', headers: bearer, ...payload })
      expect(answer.statusCode).toBe(502)
      expect(answer.json().code).toBe('bad-gateway')
      expect(answer.body).not.toContain(String(port))
      expect(answer.body).not.toContain('ECONNREFUSED')
    }
  })

  it('is 502 when it hangs up on a request, also while a real client sends its body', async () => {
    const { gateway, bearer } = await makeWorld({
      services: { 'job-service': (request) => void request.once('data', () => request.socket.destroy()) },
    })
    const address = await gateway.start()
    const head = `POST /jobs HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: ${bearer.authorization}\r\ncontent-length: 1000\r\n\r\n`
    const text = await sendRaw(address, `${head}{"name":"`, 'bad-gateway')
    expect(text).toMatch(/^HTTP\/1\.1 502 /)
  })

  it('is 502 when its status is none of HTTP', async () => {
    const { app, bearer } = await makeWorld({
      services: { 'job-service': (_request, reply) => void reply.writeHead(777).end('lucky') },
    })
    const answer = await app.inject({ url: '/jobs', headers: bearer })
    expect([answer.statusCode, answer.json().code]).toEqual([502, 'bad-gateway'])
  })

  it('is 504 when the first byte takes too long', async () => {
    let requested = () => {}
    const asked = new Promise<void>((resolve) => {
      requested = resolve
    })
    const { app, bearer, clock } = await makeWorld({ services: { 'job-service': () => requested() } })
    const answer = app.inject({ url: '/jobs', headers: bearer })
    await asked
    await clock.advance(3_000)
    expect((await answer).statusCode).toBe(504)
    expect((await answer).json()).toMatchObject({ code: 'gateway-timeout', retryable: true })
  })

  it('is left alone for a while when it keeps failing, then tried again', async () => {
    // The breaker waits by a timer of the process.
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] })
    onTestFinished(() => void vi.useRealTimers())
    const service = { status: 500, calls: 0 }
    const { app, bearer, clock } = await makeWorld({
      services: {
        'job-service': (_request, reply) => {
          service.calls += 1
          reply.writeHead(service.status).end()
        },
      },
    })
    const status = async () => (await app.inject({ url: '/jobs', headers: bearer })).statusCode
    for (let i = 0; i < 5; i++) expect(await status()).toBe(500)
    const answer = await app.inject({ url: '/jobs', headers: bearer })
    expect([answer.statusCode, answer.headers['retry-after']]).toEqual([503, '10'])
    expect(service.calls).toBe(5)
    vi.advanceTimersByTime(10_000)
    await clock.advance(10_000)
    service.status = 200
    expect(await status()).toBe(200)
    expect(await status()).toBe(200)
    expect((await app.inject('/livez')).statusCode).toBe(200)
  })

  it('does not repeat a 503 by itself', async () => {
    let calls = 0
    const { app, bearer } = await makeWorld({
      services: {
        'job-service': (_request, reply) => {
          calls += 1
          reply.writeHead(503, { 'retry-after': '1' }).end()
        },
      },
    })
    expect((await app.inject({ url: '/jobs', headers: bearer })).statusCode).toBe(503)
    expect(calls).toBe(1)
  })
})

describe('what is at no address', () => {
  it('is 404, and 405 where another method would do', async () => {
    const { app } = await makeWorld()
    const missing = await app.inject('/no/such/place')
    expect([missing.statusCode, missing.json().code]).toEqual([404, 'not-found'])
    expect(missing.headers['content-type']).toContain('application/problem+json')
    const wrong = await app.inject({ method: 'DELETE', url: '/livez' })
    expect([wrong.statusCode, wrong.json().code]).toEqual([405, 'method-not-allowed'])
    expect(wrong.headers.allow).toContain('GET')
  })
})
