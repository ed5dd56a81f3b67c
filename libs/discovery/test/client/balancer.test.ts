import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { PassThrough, Readable } from 'node:stream'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { ServiceCallError } from '../../src/index.ts'
import { balancerTo, breaker, deadPort, listen } from './loopback.ts'

describe('a balancer', () => {
  it('answers with any status and body of the service', async () => {
    const { port } = await listen((request, reply) => {
      reply.writeHead(request.url === '/missing' ? 404 : 200)
      reply.end(`${request.method} ${request.url} ${request.headers['x-request-id']}`)
    })
    const { call } = await balancerTo([port])
    expect(await call({ path: '/jobs?limit=1', headers: { 'x-request-id': 'r1' } })).toEqual({
      status: 200,
      body: 'GET /jobs?limit=1 r1',
    })
    expect(await call({ path: '/missing' })).toMatchObject({ status: 404 })
  })

  it('fails with no-instance when the registry has none, and when the name is no service', async () => {
    const { codeOf } = await balancerTo([])
    expect(await codeOf()).toBe('no-instance')
    expect(await codeOf({ origin: 'http://169.254.169.254' })).toBe('no-instance')
  })

  it('streams a body of any length through', async () => {
    const { port } = await listen((request, reply) => {
      let bytes = 0
      request.on('data', (chunk) => {
        bytes += chunk.length
      })
      request.on('end', () => reply.end(String(bytes)))
    })
    const { call } = await balancerTo([port])
    const chunk = Buffer.alloc(64 * 1024, 'x')
    const body = Readable.from(Array.from({ length: 160 }, () => chunk))
    expect(await call({ method: 'POST', body })).toEqual({ status: 200, body: String(160 * chunk.length) })
  })

  it('times out when the first byte takes too long, and closes the connection', async () => {
    let closed = 0
    const { port } = await listen((request) => {
      request.socket.once('close', () => {
        closed += 1
      })
    })
    const { clock, codeOf, balancer } = await balancerTo([port])
    const answer = codeOf()
    await clock.advance(2_999)
    expect(balancer.breakers()[0]?.inFlight).toBe(1)
    await clock.advance(1)
    expect(await answer).toBe('timeout')
    await expect.poll(() => closed).toBe(1)
    expect(balancer.breakers()[0]?.inFlight).toBe(0)
    expect(clock.pending()).toBe(0)
  })

  it('has no time-out for streams and long waits', async () => {
    const { server, port } = await listen(() => undefined)
    const { clock, codeOf } = await balancerTo([port])
    const [answer, [, reply]] = await Promise.all([{ settled: codeOf({ headersTimeout: 0 }) }, once(server, 'request')])
    await clock.advance(60_000)
    reply.end('at last')
    expect(await answer.settled).toBe(200)
  })

  it.each([
    ['GET', { prefer: 'wait=5' }, 8_000],
    ['GET', { prefer: 'respond-async, wait=100' }, 23_000],
    ['GET', { prefer: 'waiting=5' }, 3_000],
    ['POST', { prefer: 'wait=5' }, 3_000],
  ] as const)(
    'waits with %s %j for %i ms: as long as a read asks its service to wait, at most 20 s more',
    async (method, headers, ms) => {
      const { port } = await listen(() => undefined)
      const { clock, codeOf, balancer } = await balancerTo([port])
      const answer = codeOf({ method, headers })
      await clock.advance(ms - 1)
      expect(balancer.breakers()[0]?.inFlight).toBe(1)
      await clock.advance(1)
      expect(await answer).toBe('timeout')
    },
  )

  it('counts the time from the end of the upload, so that a slow client does not count against the service', async () => {
    const { server, port } = await listen((request) => request.resume())
    const { clock, codeOf, balancer } = await balancerTo([port])
    const body = new PassThrough()
    const answer = codeOf({ method: 'POST', body })
    body.write('slow')
    await once(server, 'request')
    await clock.advance(14_000)
    expect(balancer.breakers()[0]?.inFlight).toBe(1)
    body.end()
    await once(body, 'end')
    await clock.advance(3_000)
    expect(await answer).toBe('timeout')
  })

  it('survives an answer that is destroyed half way', async () => {
    const { port } = await listen((_request, reply) => {
      reply.writeHead(200, { 'content-length': '1000000' })
      reply.write('half')
    })
    const { balancer, codeOf } = await balancerTo([port])
    const destroyed = new Promise<void>((resolve) => {
      balancer.request({ origin: 'http://job-service', path: '/', method: 'GET' }, (_error, response) => {
        response?.body.once('close', resolve)
        response?.body.destroy()
      })
    })
    await destroyed
    expect(await codeOf({ headersTimeout: 0, origin: 'http://auth-service' })).toBe('no-instance')
  })

  it('distinguishes a request that cannot be sent from a service that is away', async () => {
    const { port } = await listen((_request, reply) => reply.end())
    const { codeOf, balancer } = await balancerTo([port])
    expect(await codeOf({ headers: { upgrade: 'websocket' } })).toBe('malformed')
    expect(await codeOf({ method: 'POST', body: 'long', headers: { 'content-length': '3' } })).toBe('malformed')
    expect(balancer.breakers()[0]?.state).toBe('closed')
  })

  it('treats an answer that is no HTTP as refused', async () => {
    const { server, port } = await listen(() => undefined)
    server.on('connection', (socket) => socket.end('SSH-2.0-OpenSSH\r\n'))
    const { codeOf } = await balancerTo([port])
    expect(await codeOf({ method: 'POST' })).toBe('refused')
  })

  it('asks one instance only when the call names it', async () => {
    const here = await listen((_request, reply) => reply.end('here'))
    const there = await listen((_request, reply) => reply.end('there'))
    const dead = await deadPort()
    const { call, codeOf } = await balancerTo([here.port, dead, there.port])
    const instance = `job-service-127.0.0.1-${there.port}`
    for (let i = 0; i < 4; i++) expect(await call({ instance })).toEqual({ status: 200, body: 'there' })
    expect(await codeOf({ instance: `job-service-127.0.0.1-${dead}` })).toBe('refused')
    expect(await codeOf({ instance: 'job-service-127.0.0.1-1' })).toBe('no-instance')
  })

  it('refuses more calls than may be in flight', async () => {
    const { server, port } = await listen(() => undefined)
    const { codeOf } = await balancerTo([port], { maxInFlight: 1 })
    const first = codeOf({ headersTimeout: 0 })
    const [, reply] = await once(server, 'request')
    expect(await codeOf()).toBe('busy')
    reply.end()
    expect(await first).toBe(200)
  })

  it('forgets an instance that deregisters', async () => {
    const { port } = await listen((_request, reply) => reply.end())
    const { codeOf, registry, balancer, metricsRegistry } = await balancerTo([port])
    expect(await codeOf()).toBe(200)
    expect(await metricsRegistry.render()).toContain(`target="job-service-127.0.0.1-${port}"`)
    await registry.deregister(registry.instances('job-service')[0]!)
    expect(balancer.breakers()).toEqual([])
    expect(await metricsRegistry.render()).not.toContain('target=')
    expect(await codeOf()).toBe('no-instance')
  })
})

describe('a retry', () => {
  const bodyOf = async (request: IncomingMessage) => Buffer.concat(await request.toArray()).toString()

  it.each([
    ['without a body', 'GET', () => null],
    ['with an effect', 'POST', () => '{"a":1}'],
    ['whose body is a stream', 'POST', () => Readable.from(['{"a"', ':1}'])],
  ])('calls another instance when one refuses the connection, for a call %s', async (_what, method, body) => {
    const { port } = await listen(async (request, reply) => reply.end(await bodyOf(request)))
    const { call } = await balancerTo([await deadPort(), await deadPort(), port])
    for (let i = 0; i < 3; i++) {
      expect(await call({ method, body: body() })).toEqual({ status: 200, body: body() === null ? '' : '{"a":1}' })
    }
  })

  it('costs nothing of the budget when no connection came about', async () => {
    const { port } = await listen((_request, reply) => reply.end())
    const { codeOf, balancer } = await balancerTo([await deadPort(), port], {
      breaker: { ...breaker, errorPercent: 100 },
    })
    const codes = await Promise.all(Array.from({ length: 200 }, () => codeOf()))
    expect(new Set(codes)).toEqual(new Set([200]))
    expect(balancer.breakers().map(({ state }) => state)).toEqual(['closed', 'closed'])
  })

  it('tries each instance once when none takes the connection', async () => {
    const { codeOf, balancer } = await balancerTo([await deadPort(), await deadPort()])
    expect(await codeOf({ method: 'POST' })).toBe('refused')
    expect(balancer.breakers()).toHaveLength(2)
  })

  it('calls another instance when a connection breaks before the first byte', async () => {
    const { port } = await listen((_request, reply) => reply.end('here'))
    const broken = await listen((request) => request.socket.resetAndDestroy())
    const { call } = await balancerTo([broken.port, port])
    expect(await call({ method: 'PUT', body: '{}' })).toEqual({ status: 200, body: 'here' })
  })

  it('repeats on the same instance when there is no other: the connection may have been an old one', async () => {
    let calls = 0
    const { port } = await listen((request, reply) => {
      calls += 1
      if (calls === 1) request.socket.destroy()
      else reply.end()
    })
    const { codeOf } = await balancerTo([port])
    expect(await codeOf()).toBe(200)
  })

  it('stays within a tenth of the calls', async () => {
    let calls = 0
    const { server, port } = await listen(() => undefined)
    server.on('connection', (socket) => {
      calls += 1
      socket.destroy()
    })
    const { codeOf } = await balancerTo([port], { breaker: { ...breaker, errorPercent: 100 } })
    for (let i = 0; i < 40; i++) expect(await codeOf()).toBe('refused')
    expect(calls).toBe(40 + 1 + 4)
  })

  it('never repeats a call with an effect, nor one whose body is consumed', async () => {
    let calls = 0
    const { server, port } = await listen(() => undefined)
    server.on('connection', (socket) => {
      calls += 1
      socket.once('data', () => socket.destroy())
    })
    const { codeOf } = await balancerTo([port])
    expect(await codeOf({ method: 'POST', body: '{}' })).toBe('refused')
    expect(await codeOf({ method: 'PUT', body: Readable.from(['{}']) })).toBe('refused')
    expect(calls).toBe(2)
  })

  it('repeats a small upload that has come in whole, since its body is still there', async () => {
    const bodies: string[] = []
    const { port } = await listen(async (request, reply) => {
      bodies.push(Buffer.concat(await request.toArray()).toString())
      if (bodies.length === 1) request.socket.destroy()
      else reply.end()
    })
    const { codeOf } = await balancerTo([port])
    const body = Object.assign(new PassThrough(), { complete: true })
    body.end('{}')
    expect(await codeOf({ method: 'PUT', headers: { 'content-length': '2' }, body })).toBe(200)
    expect(bodies).toEqual(['{}', '{}'])
  })
})

/** Passes time for the breaker, which waits by timers of the process, and for the clock of the balancer. */
function fakeTimers() {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] })
  onTestFinished(() => void vi.useRealTimers())
  return async (clock: { advance(ms: number): Promise<void> }, ms: number) => {
    vi.advanceTimersByTime(ms)
    await clock.advance(ms)
  }
}

describe('a breaker', () => {
  async function failingService() {
    const service = { status: 500, calls: 0 }
    const { port } = await listen((_request, reply) => {
      service.calls += 1
      reply.writeHead(service.status).end('answer')
    })
    return { service, port, ...(await balancerTo([port])) }
  }

  it('opens after failures, allows one call after the reset, and closes when that succeeds', async () => {
    const pass = fakeTimers()
    const { service, balancer, clock, codeOf } = await failingService()
    for (let i = 0; i < 5; i++) expect(await codeOf()).toBe(500)
    expect(balancer.breakers()[0]?.state).toBe('open')
    expect(await codeOf()).toBe('breaker-open')
    await pass(clock, 9_999)
    expect(await codeOf()).toBe('breaker-open')
    expect(service.calls).toBe(5)
    await pass(clock, 1)
    expect(balancer.breakers()[0]?.state).toBe('half-open')
    expect(await codeOf()).toBe(500)
    expect(balancer.breakers()[0]?.state).toBe('open')
    await pass(clock, 10_000)
    service.status = 200
    const both = await Promise.all([codeOf(), codeOf()])
    expect(both).toEqual([200, 'breaker-open'])
    expect(balancer.breakers()[0]?.state).toBe('closed')
    expect(await codeOf()).toBe(200)
    expect(service.calls).toBe(8)
  })

  it('answers when to try again', async () => {
    const { clock, call, codeOf } = await failingService()
    for (let i = 0; i < 5; i++) await codeOf()
    await clock.advance(2_500)
    const refused = await call()
    expect(refused).toBeInstanceOf(ServiceCallError)
    expect((refused as ServiceCallError).retryAfterS).toBe(8)
  })

  it('stays closed on 4xx answers', async () => {
    const { service, balancer, codeOf } = await failingService()
    service.status = 404
    for (let i = 0; i < 50; i++) expect(await codeOf()).toBe(404)
    expect(balancer.breakers()[0]?.state).toBe('closed')
  })

  it('stays closed on a 503 with Retry-After: the service works, and has other answers', async () => {
    const { port } = await listen((_request, reply) => reply.writeHead(503, { 'retry-after': '1' }).end())
    const { codeOf, balancer } = await balancerTo([port])
    for (let i = 0; i < 20; i++) expect(await codeOf()).toBe(503)
    expect(balancer.breakers()[0]?.state).toBe('closed')
  })

  it('forgets the failures that opened it when it closes', async () => {
    const pass = fakeTimers()
    const { service, balancer, clock, codeOf } = await failingService()
    for (let i = 0; i < 5; i++) await codeOf()
    await pass(clock, 10_000)
    service.status = 200
    expect(await codeOf()).toBe(200)
    service.status = 500
    for (let i = 0; i < 4; i++) await codeOf()
    expect(balancer.breakers()[0]?.state).toBe('closed')
    await codeOf()
    expect(balancer.breakers()[0]?.state).toBe('open')
  })

  it('forgets failures of long ago', async () => {
    const pass = fakeTimers()
    const { service, balancer, clock, codeOf } = await failingService()
    for (let i = 0; i < 4; i++) await codeOf()
    await pass(clock, 21_000)
    service.status = 200
    for (let i = 0; i < 4; i++) await codeOf()
    service.status = 500
    for (let i = 0; i < 4; i++) await codeOf()
    expect(balancer.breakers()[0]?.state).toBe('closed')
  })

  it('counts refused connections and timeouts', async () => {
    const refused = await balancerTo([await deadPort()])
    for (let i = 0; i < 5; i++) await refused.codeOf({ method: 'POST' })
    expect(await refused.codeOf()).toBe('breaker-open')

    const { server, port } = await listen(() => undefined)
    const silent = await balancerTo([port])
    for (let i = 0; i < 5; i++) {
      const answer = silent.codeOf()
      await once(server, 'request')
      await silent.clock.advance(3_000)
      expect(await answer).toBe('timeout')
    }
    expect(await silent.codeOf()).toBe('breaker-open')
  })

  /** An instance of job-service that answers lists only when the test lets it, and everything else at once. */
  async function slowLists() {
    const { server, port } = await listen((request, reply) => {
      if (request.url !== '/jobs') reply.end('soon')
    })
    const opened = await balancerTo([port])
    /** One call of a user for each path, at the same time; answers their codes, those of lists after the time-out. */
    const callsOf = async (subject: string | null, paths: readonly string[]) => {
      const claims = Buffer.from(JSON.stringify({ sub: subject })).toString('base64url')
      const headers = subject === null ? {} : { authorization: `Bearer e30.${claims}.c2ln` }
      const answers = Promise.all(paths.map((path) => opened.codeOf({ path, headers })))
      for (const path of paths) if (path === '/jobs') await once(server, 'request')
      if (paths.includes('/jobs')) await opened.clock.advance(3_000)
      return answers
    }
    const state = () => opened.balancer.breakers()[0]?.state
    return { ...opened, callsOf, state }
  }
  const lists = (count: number) => Array.from({ length: count }, () => '/jobs')

  it('stays closed for others when the lists of one user time out', async () => {
    const { callsOf, state } = await slowLists()
    for (let round = 0; round < 3; round++) {
      expect(new Set(await callsOf('usr-greedy', lists(12)))).toEqual(new Set(['timeout']))
      expect(await callsOf('usr-other', ['/jobs/x'])).toEqual([200])
    }
    expect(state()).toBe('closed')
  })

  it('opens when the calls of several users time out, however often those of one did', async () => {
    const { callsOf, state } = await slowLists()
    await callsOf('usr-greedy', lists(30))
    for (const user of ['usr-a', 'usr-b', 'usr-c']) await callsOf(user, lists(1))
    expect(state()).toBe('closed')
    await callsOf('usr-d', lists(1))
    expect(state()).toBe('open')
  })

  it.each([
    ['of a service', 'gateway'],
    ['without a token', null],
  ])('opens when the calls %s time out', async (_whose, subject) => {
    const { callsOf, state } = await slowLists()
    await callsOf('usr-greedy', lists(12))
    await callsOf(subject, lists(4))
    expect(state()).toBe('open')
  })

  it('stays half-open when the call that tried was one that does not count', async () => {
    const pass = fakeTimers()
    const { callsOf, codeOf, state, clock } = await slowLists()
    await callsOf(null, lists(5))
    expect(state()).toBe('open')
    await pass(clock, 10_000)
    expect(await callsOf('usr-greedy', lists(1))).toEqual(['timeout'])
    expect(state()).toBe('open')
    await pass(clock, 10_000)
    expect(await callsOf('usr-greedy', lists(1))).toEqual(['timeout'])
    expect(state()).toBe('half-open')
    expect(await codeOf({ path: '/jobs/x' })).toBe(200)
    expect(state()).toBe('closed')
  })

  it('stays half-open when the client of the call that tried goes away', async () => {
    const pass = fakeTimers()
    const { callsOf, codeOf, state, clock } = await slowLists()
    await callsOf(null, lists(5))
    await pass(clock, 10_000)
    const body = Object.assign(new PassThrough(), { socket: { destroyed: true } })
    body.destroy()
    expect(await codeOf({ method: 'POST', path: '/jobs', body })).toBe('aborted')
    expect(state()).toBe('half-open')
  })

  it('does not count clients that go away while they upload', async () => {
    const upstream = await listen((request) => request.resume())
    const { balancer, call } = await balancerTo([upstream.port])
    for (let i = 0; i < 6; i++) {
      const clientSide = await listen(() => undefined)
      const requested = once(clientSide.server, 'request')
      const client = connect(clientSide.port, '127.0.0.1')
      client.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf')
      const [request] = await requested
      const answer = call({ method: 'POST', body: request })
      await once(upstream.server, 'request')
      client.destroy()
      expect(await answer).toMatchObject({ code: 'aborted' })
    }
    expect(balancer.breakers()[0]?.state).toBe('closed')
  })

  it('does not count bodies that a service refuses before their end, and lets their clients read the answer', async () => {
    const { port } = await listen((_request, reply) => reply.writeHead(413).end('enough'))
    const { balancer, call } = await balancerTo([port])
    const chunk = Buffer.alloc(64 * 1024, 'x')
    for (let i = 0; i < 6; i++) {
      const body = Readable.from(Array.from({ length: 160 }, () => chunk))
      const sent = once(body, 'end')
      expect(await call({ method: 'POST', body })).toEqual({ status: 413, body: 'enough' })
      await sent
    }
    expect(balancer.breakers()[0]?.state).toBe('closed')
  })

  it('guards each instance alone', async () => {
    const good = await listen((_request, reply) => reply.end('good'))
    const bad = await listen((_request, reply) => reply.writeHead(500).end())
    const { balancer, codeOf } = await balancerTo([good.port, bad.port])
    for (let i = 0; i < 10; i++) await codeOf()
    expect(balancer.breakers().map((one) => one.state)).toEqual(['closed', 'open'])
    for (let i = 0; i < 10; i++) expect(await codeOf()).toBe(200)
  })

  it('shows in the metrics', async () => {
    const { metricsRegistry, port, codeOf } = await failingService()
    for (let i = 0; i < 5; i++) await codeOf()
    const series = (state: string) =>
      `belfry_circuit_breaker_state{service="gateway",caller="gateway",target="job-service-127.0.0.1-${port}",state="${state}"}`
    const text = await metricsRegistry.render()
    expect(text).toContain(`${series('open')} 1`)
    expect(text).toContain(`${series('closed')} 0`)
  })
})

describe('the skew of the clocks', () => {
  async function skewOf(date: string | null) {
    const { port } = await listen((_request, reply) => {
      reply.sendDate = false
      reply.writeHead(200, date === null ? {} : { date }).end()
    })
    const { clock, codeOf, metricsRegistry } = await balancerTo([port])
    await codeOf()
    const text = await metricsRegistry.render()
    const shown = /belfry_clock_skew_seconds\{.*target="job-service-[^"]*"\} (\S+)/.exec(text)?.[1]
    return { now: clock.now(), skewS: shown === undefined ? null : Number(shown) }
  }

  it('is 0 while the clocks agree within the whole seconds of Date', async () => {
    const { now } = await skewOf(null)
    expect((await skewOf(new Date(now).toUTCString())).skewS).toBe(0)
    expect((await skewOf(new Date(now - 900).toUTCString())).skewS).toBe(0)
  })

  it('is positive when the clock of the instance is ahead, negative when it is behind', async () => {
    const { now } = await skewOf(null)
    expect((await skewOf(new Date(now + 30_000).toUTCString())).skewS).toBeCloseTo(30, -1)
    expect((await skewOf(new Date(now - 30_000).toUTCString())).skewS).toBeCloseTo(-29, -1)
  })

  it('is not shown for an answer without a time', async () => {
    expect((await skewOf(null)).skewS).toBeNull()
    expect((await skewOf('yesterday')).skewS).toBeNull()
  })
})
