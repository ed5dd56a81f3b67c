import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { describe, expect, it } from 'vitest'
import { makeWorld, sendRaw } from '../world.ts'

function describing(paths: object, components: object = {}) {
  return { openapi: '3.1.0', info: { title: 'x', version: '1' }, paths, components }
}

type Handler = NonNullable<NonNullable<Parameters<typeof makeWorld>[0]>['services']>['job-service']

function json(answers: Record<string, [number, unknown]>): NonNullable<Handler> {
  return (request, reply) => {
    const [status, body] = answers[request.url ?? ''] ?? [404, {}]
    reply.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  }
}

describe('the landing page', () => {
  it('leads a browser to the docs and a program to its links', async () => {
    const { app } = await makeWorld()
    const browser = await app.inject({ url: '/', headers: { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' } })
    expect([browser.statusCode, browser.headers.location]).toEqual([302, '/docs'])
    const curl = await app.inject({ url: '/', headers: { accept: '*/*' } })
    expect(curl.json()).toMatchObject({ name: 'Belfry', links: { docs: '/docs', openapi: '/openapi.json' } })
  })
})

describe('the docs', () => {
  it('load nothing from elsewhere and run no inline script', async () => {
    const { app } = await makeWorld()
    for (const url of ['/docs', '/docs/']) {
      const page = await app.inject(url)
      expect(page.statusCode).toBe(200)
      expect(page.headers['content-type']).toContain('text/html')
      const policy = String(page.headers['content-security-policy'])
      expect(policy).toContain("script-src 'self';")
      expect(policy).not.toMatch(/script-src[^;]*unsafe/)
      expect(page.body).not.toMatch(/<script>|https?:|onload=/)
      const links = [...page.body.matchAll(/(?:src|href)="([^"]+)"/g)].map((found) => String(found[1]))
      expect(links).toHaveLength(4)
      for (const link of links) expect([link, (await app.inject(link)).statusCode]).toEqual([link, 200])
    }
    expect((await app.inject('/docs/start.js')).body).toContain("url: '/openapi.json'")
  })

  it('serve nothing else of the folder or the machine', async () => {
    const { gateway } = await makeWorld()
    const address = await gateway.start()
    const paths = [
      '/docs/package.json',
      '/docs/index.html',
      '/docs/..%2findex.js',
      '/docs/%2e%2e/index.js',
      '/docs/../package.json',
    ]
    for (const path of paths) {
      const text = await sendRaw(address, `GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n`)
      expect(text, path).toMatch(/^HTTP\/1\.1 4\d\d /)
    }
  })
})

describe('the description of the API', () => {
  it('is one document over all services, without what is between them', async () => {
    const operation = { responses: { 200: { description: 'ok' } } }
    const jobs = describing(
      {
        '/jobs': { get: operation, post: { ...operation, tags: ['mine'] } },
        '/internal/jobs/changes': { get: operation },
      },
      { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
    )
    const executor = describing({ '/executions/{id}/logs': { get: operation }, '/elsewhere': { get: operation } })
    const { app } = await makeWorld({
      services: {
        'auth-service': json({ '/openapi.json': [200, describing({ '/auth/login': { post: operation } })] }),
        'job-service': json({ '/openapi.json': [200, jobs] }),
        'scheduler-service': json({ '/openapi.json': [200, describing({})] }),
        'executor-service': json({ '/openapi.json': [200, executor] }),
      },
    })
    const answer = await app.inject('/openapi.json')
    expect(answer.headers['content-type']).toContain('application/json')
    const document = answer.json()
    expect(document).toMatchObject({ openapi: '3.1.0', info: { title: 'Belfry' }, servers: [{ url: '/' }] })
    expect(Object.keys(document.paths).toSorted()).toEqual([
      '/auth/login',
      '/executions/{id}/logs',
      '/jobs',
      '/system/services',
    ])
    expect(document.paths['/jobs'].get.tags).toEqual(['job-service'])
    expect(document.paths['/jobs'].post.tags).toEqual(['mine'])
    const tags = document.tags.map((tag: { name: string }) => tag.name)
    expect(tags).toEqual(['system', 'auth-service', 'job-service', 'mine', 'executor-service'])
    expect(document.components.securitySchemes.token.scheme).toBe('bearer')
  })

  it('asks each service once for many readers, and again after a while', async () => {
    let asked = 0
    const { app, clock } = await makeWorld({
      services: {
        'job-service': (_request, reply) => {
          asked += 1
          reply.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(describing({})))
        },
      },
    })
    await Promise.all([app.inject('/openapi.json'), app.inject('/openapi.json')])
    await app.inject('/openapi.json')
    expect(asked).toBe(1)
    await clock.advance(60_000)
    await app.inject('/openapi.json')
    expect(asked).toBe(2)
  })

  it('shows what there is while a service is away, and soon asks it again', async () => {
    const { app, clock, lines } = await makeWorld({
      services: {
        'job-service': json({ '/openapi.json': [200, describing({ '/jobs': { get: {} } })] }),
        'auth-service': null,
        'scheduler-service': json({}),
      },
    })
    expect(Object.keys((await app.inject('/openapi.json')).json().paths)).toContain('/jobs')
    const before = lines.length
    expect(before).toBe(2)
    await app.inject('/openapi.json')
    expect(lines.length).toBe(before)
    await clock.advance(2_000)
    await app.inject('/openapi.json')
    expect(lines.length).toBe(2 * before)
  })
})

describe('the description of a service that went away', () => {
  it('stays as it last was', async () => {
    const { app, clock, registry, lines } = await makeWorld({
      services: {
        'job-service': json({ '/openapi.json': [200, describing({ '/jobs': { get: {} } })] }),
        'auth-service': json({ '/openapi.json': [200, describing({ '/auth/login': { post: {} } })] }),
        'scheduler-service': json({ '/openapi.json': [200, describing({})] }),
        'executor-service': json({ '/openapi.json': [200, describing({})] }),
      },
    })
    const paths = async () => Object.keys((await app.inject('/openapi.json')).json().paths)
    const whole = ['/auth/login', '/jobs', '/system/services']
    expect((await paths()).toSorted()).toEqual(whole)
    for (const one of registry.instances('job-service')) await registry.deregister(one)
    await clock.advance(60_000)
    expect((await paths()).toSorted()).toEqual(whole)
    expect(lines).toHaveLength(1)
  })
})

describe('addresses of the systems before Belfry', () => {
  it('lead to the docs', async () => {
    const { app } = await makeWorld()
    for (const url of ['/swagger-ui', '/swagger-ui/', '/swagger-ui.html', '/swagger-ui/index.html']) {
      const answer = await app.inject(url)
      expect([answer.statusCode, answer.headers.location]).toEqual([302, '/docs'])
    }
  })

  it('show health and metrics, these to callers on this machine only', async () => {
    const { app, gateway } = await makeWorld()
    const down = await app.inject('/actuator/health')
    expect([down.statusCode, down.json()]).toEqual([503, { status: 'DOWN' }])
    await gateway.start()
    const up = await app.inject('/actuator/health')
    expect([up.statusCode, up.json()]).toEqual([200, { status: 'UP' }])
    for (const url of ['/actuator/metrics', '/actuator/prometheus']) {
      expect((await app.inject(url)).body).toContain('belfry_http_request_duration_seconds')
      expect((await app.inject({ url, remoteAddress: '10.0.0.7' })).statusCode).toBe(404)
    }
  })
})

describe('the state of the system', () => {
  const checks = [{ name: 'store', ok: false, latencyMs: 3, since: '2026-01-01T00:00:00.000Z' }]
  const services = {
    'job-service': json({
      '/readyz': [503, { status: 'not ready' }],
      '/readyz?verbose': [503, { status: 'not ready', checks, timeZoneData: '2026z' }],
    }),
    'scheduler-service': null,
  }

  it('lists services with their instances, health and breakers', async () => {
    const { app, bearer, ports } = await makeWorld({ services })
    const { data } = (await app.inject({ url: '/system/services', headers: bearer })).json()
    expect(data.map((one: { service: string; ready: boolean }) => [one.service, one.ready])).toEqual([
      ['auth-service', true],
      ['job-service', false],
      ['scheduler-service', false],
      ['executor-service', true],
    ])
    expect(data[1].checks).toEqual([{ name: 'store', ok: false, latencyMs: 3, since: '2026-01-01T00:00:00.000Z' }])
    expect(data[1].instances).toEqual([
      {
        id: `job-service-127.0.0.1-${ports['job-service']}`,
        ready: false,
        checks,
        breaker: 'closed',
        inFlight: 0,
        calls: [],
      },
    ])
    expect(data[2].instances).toEqual([])
    expect(data.slice(1, 3).map((one: { timeZoneData: string | null }) => one.timeZoneData)).toEqual(['2026z', null])
  })

  it('asks each instance for its health and its own breakers', async () => {
    const call = { service: 'executor-service', target: 'executor-1', state: 'open', inFlight: 2 }
    const ready = { status: 'ready', checks: [], timeZoneData: '2026z' }
    const { app, bearer, registry, ports } = await makeWorld({
      services: {
        'job-service': json({ '/readyz?verbose': [200, ready], '/internal/breakers': [200, { data: [call] }] }),
        'scheduler-service': json({
          '/readyz?verbose': [503, { ...ready, checks }],
          '/internal/breakers': [200, { data: 'nonsense' }],
        }),
      },
    })
    // A second instance of job-service, which is the server of the scheduler here, and one that is away.
    const service = 'job-service'
    const second = { service, id: 'job-2', host: '127.0.0.1', port: ports['scheduler-service'] } as const
    await registry.register(second)
    await registry.register({ service, id: 'job-3', host: '127.0.0.1', port: 1 })
    const { data } = (await app.inject({ url: '/system/services', headers: bearer })).json()
    expect(data[1]).toMatchObject({ service, ready: true, checks: [], timeZoneData: '2026z' })
    expect(data[1].instances).toMatchObject([
      { ready: true, checks: [], calls: [call] },
      { id: 'job-2', ready: false, checks, calls: [] },
      { id: 'job-3', ready: false, checks: [], calls: [] },
    ])
  })

  it('asks the services once a second, however many read', async () => {
    let asked = 0
    const { app, bearer, clock } = await makeWorld({
      services: {
        'job-service': (request, reply) => {
          if (request.url === '/readyz?verbose') asked += 1
          reply.writeHead(200).end()
        },
      },
    })
    const read = () => app.inject({ url: '/system/services', headers: bearer })
    await Promise.all([read(), read()])
    await read()
    expect(asked).toBe(1)
    await clock.advance(1_000)
    await read()
    expect(asked).toBe(2)
  })

  it('is ready without the services in a process of its own, and answers for them that they are away', async () => {
    const none = { 'auth-service': null, 'job-service': null, 'scheduler-service': null, 'executor-service': null }
    const { app, gateway, bearer } = await makeWorld({ services: none, config: { mode: 'distributed' } })
    await gateway.start()
    expect((await app.inject('/readyz')).statusCode).toBe(200)
    const { checks } = (await app.inject('/readyz?verbose')).json()
    expect(checks.filter((one: { ok: boolean }) => !one.ok)).toHaveLength(4)
    const answer = await app.inject({ url: '/jobs', headers: bearer })
    expect([answer.statusCode, answer.headers['retry-after']]).toEqual([503, '1'])
  })

  it('shows metrics to the network on a port of their own while it runs', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    server.close()
    await once(server, 'close')
    const { gateway } = await makeWorld({ config: { gatewayMetricsPort: port } })
    const url = `http://127.0.0.1:${port}/metrics`
    await expect(fetch(url)).rejects.toThrow()
    await gateway.start()
    const answer = await fetch(url)
    expect(answer.headers.get('content-type')).toContain('text/plain')
    expect(await answer.text()).toContain('belfry_circuit_breaker_state')
    expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(404)
    expect((await fetch(url, { method: 'POST' })).status).toBe(404)
    await gateway.stop()
    await expect(fetch(url)).rejects.toThrow()
  })

  it('is ready when every service is', async () => {
    const good = await makeWorld()
    expect((await good.app.inject('/readyz')).statusCode).toBe(503)
    await good.gateway.start()
    expect((await good.app.inject('/readyz')).statusCode).toBe(200)
    const bad = await makeWorld({ services })
    await bad.gateway.start()
    const answer = await bad.app.inject('/readyz?verbose')
    expect(answer.statusCode).toBe(503)
    const failing = answer.json().checks.filter((one: { ok: boolean }) => !one.ok)
    expect(failing.map((one: { name: string }) => one.name)).toEqual(['job-service', 'scheduler-service'])
    expect((await bad.app.inject('/livez')).statusCode).toBe(200)
  })

  it('shows metrics to callers on this machine only', async () => {
    const { app } = await makeWorld()
    const here = await app.inject('/metrics')
    expect(here.statusCode).toBe(200)
    expect(here.headers['content-type']).toContain('text/plain')
    expect(here.body).toContain('belfry_http_request_duration_seconds')
    for (const remoteAddress of ['10.0.0.7', '192.168.1.1', '::ffff:10.0.0.7', '2001:db8::1']) {
      const headers = { 'x-forwarded-for': '127.0.0.1' }
      expect((await app.inject({ url: '/metrics', remoteAddress, headers })).statusCode).toBe(404)
    }
    // A reverse proxy on this machine passes requests of others on.
    for (const headers of [{ 'x-forwarded-for': '10.0.0.7' }, { forwarded: 'for=10.0.0.7' }, { via: '1.1 proxy' }]) {
      expect((await app.inject({ url: '/metrics', headers })).statusCode).toBe(404)
    }
  })
})

describe('starting and stopping', () => {
  it('registers itself while it runs, and stops twice', async () => {
    const { gateway, registry } = await makeWorld()
    const address = await gateway.start()
    expect(registry.pick('gateway')?.port).toBe(Number(new URL(address).port))
    await gateway.stop()
    await gateway.stop()
    expect(registry.instances('gateway')).toEqual([])
  })
})
