import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Problem } from '@belfry/contracts'
import { describe, expect, it } from 'vitest'
import { gatewayConfig } from '../../src/index.ts'
import { makeWorld, sendRaw } from '../world.ts'

type Answer = { statusCode: number; headers: Record<string, unknown>; json(): Problem }
const limitsOf = ({ headers }: Answer) => [headers['ratelimit-policy'], headers.ratelimit]

describe('the limit of calls', () => {
  it('says what is left with every answer, and refuses what is beyond', async () => {
    const { app, bearer, seen, clock } = await makeWorld({ config: { gatewayUserCallsPerMinute: 2 } })
    const call = () => app.inject({ url: '/jobs', headers: bearer })
    expect(limitsOf(await call())).toEqual(['"user";q=2;w=60', '"user";r=1;t=30'])
    expect(limitsOf(await app.inject({ url: '/system/services', headers: bearer }))[1]).toBe('"user";r=0;t=60')
    const before = seen.length
    const refused = await call()
    expect([refused.statusCode, refused.headers['retry-after'], limitsOf(refused)[1]]).toEqual([
      429,
      '30',
      '"user";r=0;t=60',
    ])
    expect(refused.headers['content-type']).toContain('application/problem+json')
    expect(refused.json()).toMatchObject({ code: 'too-many-requests', retryable: true })
    expect(seen.length).toBe(before)
    await clock.advance(30_000)
    expect((await call()).statusCode).toBe(200)
  })

  it('of one user never touches another', async () => {
    const { app, bearer, bearerOf } = await makeWorld({ config: { gatewayUserCallsPerMinute: 1 } })
    const statuses = []
    for (const headers of [bearer, bearer, bearerOf('usr-2'), bearerOf('usr-2')]) {
      statuses.push((await app.inject({ url: '/jobs', headers })).statusCode)
    }
    expect(statuses).toEqual([200, 429, 200, 429])
  })

  it('answers before the body is read', async () => {
    const { gateway, app, bearer } = await makeWorld({ config: { gatewayUserCallsPerMinute: 1 } })
    const address = await gateway.start()
    await app.inject({ url: '/jobs', headers: bearer })
    const head = `POST /jobs HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: ${bearer.authorization}\r\ncontent-length: 90000000\r\n\r\n`
    expect(await sendRaw(address, head, 'retryable')).toMatch(/^HTTP\/1\.1 429 /)
  })

  it('counts triggers once more, however their address is written', async () => {
    const { app, bearer } = await makeWorld({ config: { gatewayTriggersPerMinute: 2 } })
    const trigger = (url: string) => app.inject({ method: 'POST', url, headers: bearer })
    expect(limitsOf(await trigger('/jobs/a/trigger'))).toEqual([
      '"user";q=12000;w=60, "trigger";q=2;w=60',
      '"user";r=11999;t=1, "trigger";r=1;t=30',
    ])
    expect((await trigger('/jobs/b/%74rigger')).statusCode).toBe(200)
    expect((await trigger('/jobs/c/trigger')).statusCode).toBe(429)
    expect((await app.inject({ url: '/jobs/c', headers: bearer })).statusCode).toBe(200)
  })

  /** A service whose calls have three items; those with `?runs` ran them. */
  const answer = ({ url }: IncomingMessage, reply: ServerResponse) => {
    const count = url?.includes('runs') ? '3;runs' : '3'
    reply.writeHead(200, { 'content-type': 'application/json', 'x-item-count': count }).end('{}')
  }

  it('counts the items of a batch, which its answer says, and makes later calls wait for them', async () => {
    const config = { gatewayUserCallsPerMinute: 6, gatewayTriggersPerMinute: 2 }
    const { app, bearer, bearerOf, clock } = await makeWorld({ services: { 'job-service': answer }, config })
    const jobs = await app.inject({ method: 'POST', url: '/jobs/batch', headers: bearer, payload: [] })
    expect(limitsOf(jobs)).toEqual(['"user";q=6;w=60', '"user";r=3;t=30'])
    expect(jobs.headers['x-item-count']).toBeUndefined()
    const url = '/triggers/batch?runs'
    const batch = () => app.inject({ method: 'POST', url, headers: bearerOf('usr-2'), payload: [] })
    expect(limitsOf(await batch())[1]).toBe('"user";r=3;t=30, "trigger";r=0;t=90')
    expect((await batch()).statusCode).toBe(429)
    await clock.advance(59_000)
    expect((await batch()).statusCode).toBe(429)
    await clock.advance(1_000)
    expect((await batch()).statusCode).toBe(200)
  })

  it.each(['/jobs/a/backfill', '/api/v1/jobs/a/backfill', '/dead-letters/redrive'])(
    'counts what %s runs as triggers, and a dry run as one',
    async (url) => {
      const config = { gatewayUserCallsPerMinute: 60, gatewayTriggersPerMinute: 6 }
      const { app, bearer } = await makeWorld({ services: { 'job-service': answer }, config })
      const call = (query: string) => app.inject({ method: 'POST', url: `${url}?${query}`, headers: bearer })
      expect(limitsOf(await call('runs'))[1]).toBe('"user";r=57;t=3, "trigger";r=3;t=30')
      expect(limitsOf(await call('items'))[1]).toBe('"user";r=54;t=6, "trigger";r=2;t=40')
      expect(limitsOf(await call('runs'))[1]).toBe('"user";r=51;t=9, "trigger";r=0;t=70')
      expect((await call('runs')).statusCode).toBe(429)
    },
  )

  it('counts a bulk call by its items, and what it runs as triggers of later calls: a bulk cancel always passes', async () => {
    const config = { gatewayUserCallsPerMinute: 60, gatewayTriggersPerMinute: 2 }
    const { app, bearer } = await makeWorld({ services: { 'job-service': answer }, config })
    const call = (url: string) => app.inject({ method: 'POST', url, headers: bearer })
    expect(limitsOf(await call('/executions/bulk'))[1]).toBe('"user";r=57;t=3')
    for (const url of ['/jobs/pause', '/jobs/resume']) expect((await call(url)).statusCode).toBe(200)
    expect(limitsOf(await call('/executions/bulk?runs'))[1]).toBe('"user";r=48;t=12, "trigger";r=0;t=90')
    for (const url of ['/jobs/a/trigger', '/executions/a/retry', '/jobs/a/backfill']) {
      expect((await call(url)).statusCode, url).toBe(429)
    }
    expect((await call('/executions/bulk')).statusCode).toBe(200)
  })

  it('is the one of docs/limits.md', () => {
    expect(gatewayConfig.parse({})).toMatchObject({
      gatewayUserCallsPerMinute: 12_000,
      gatewayTriggersPerMinute: 6_000,
      gatewayLoginsPerMinute: 60,
    })
  })

  it('does not count what needs no token', async () => {
    const { app, bearer } = await makeWorld({ config: { gatewayUserCallsPerMinute: 1 } })
    for (const url of ['/livez', '/docs', '/problems/internal', '/nothing', '/jobs']) {
      expect((await app.inject(url)).headers.ratelimit, url).toBeUndefined()
    }
    const options = await app.inject({ method: 'OPTIONS', url: '/jobs', headers: bearer })
    expect(options.headers.ratelimit).not.toContain('"user"')
    expect((await app.inject({ url: '/jobs', headers: bearer })).statusCode).toBe(200)
  })
})

describe('the limit of an address', () => {
  const login = { method: 'POST', url: '/auth/login', payload: { username: 'ada', password: 'x' } } as const
  const signup = { ...login, url: '/auth/signup' } as const

  it('holds for logins and sign-ups, each for itself, and is not moved by what a client claims', async () => {
    const { app, seen } = await makeWorld({ config: { gatewayLoginsPerMinute: 2, gatewaySignupsPerMinute: 1 } })
    const send = (request: typeof login | typeof signup, remoteAddress: string, claimed = '9.9.9.9') =>
      app.inject({ ...request, remoteAddress, headers: { 'x-forwarded-for': claimed, 'x-real-ip': claimed } })
    expect(limitsOf(await send(login, '10.0.0.1'))).toEqual(['"login-address";q=2;w=60', '"login-address";r=1;t=30'])
    expect(seen.at(-1)?.headers).toMatchObject({ 'x-forwarded-for': '10.0.0.1' })
    expect(seen.at(-1)?.headers).not.toHaveProperty('x-real-ip')
    expect((await send(login, '10.0.0.1', '8.8.8.8')).statusCode).toBe(200)
    expect((await send(login, '10.0.0.1', '7.7.7.7')).statusCode).toBe(429)
    expect((await send(login, '10.0.0.2')).statusCode).toBe(200)
    expect(limitsOf(await send(signup, '10.0.0.1'))).toEqual([
      '"signup";q=1;w=60, "signup-hour";q=100;w=3600',
      '"signup";r=0;t=60, "signup-hour";r=99;t=36',
    ])
    expect((await send(signup, '10.0.0.1')).statusCode).toBe(429)
    expect((await send(signup, '::ffff:10.0.0.1')).statusCode).toBe(429)
    expect((await send(signup, '10.0.0.2')).statusCode).toBe(200)
  })

  it('holds for calls without a user that a service answers: OPTIONS of each address, and the keys', async () => {
    const { app, seen, bearer } = await makeWorld({ config: { gatewayAnonymousCallsPerMinute: 2 } })
    const options = (url: string, remoteAddress = '10.0.0.1') =>
      app.inject({ method: 'OPTIONS', url, remoteAddress, headers: bearer })
    expect(limitsOf(await options('/jobs'))).toEqual(['"anonymous";q=2;w=60', '"anonymous";r=1;t=30'])
    const keys = await app.inject({ url: '/auth/.well-known/jwks.json', remoteAddress: '10.0.0.1' })
    expect(limitsOf(keys)[1]).toBe('"anonymous";r=0;t=60')
    const before = seen.length
    const refused = await options('/auth/login')
    expect([refused.statusCode, refused.headers['retry-after'], seen.length]).toEqual([429, '30', before])
    expect((await options('/jobs', '10.0.0.2')).statusCode).toBe(200)
    const login = { method: 'POST', url: '/auth/login', remoteAddress: '10.0.0.1', payload: {} } as const
    expect((await app.inject(login)).statusCode).toBe(200)
  })

  it('holds for sign-ups over the hour too', async () => {
    const { app, clock } = await makeWorld({ config: { gatewaySignupsPerMinute: 20, gatewaySignupsPerHour: 2 } })
    const send = () => app.inject(signup)
    expect([(await send()).statusCode, (await send()).statusCode]).toEqual([200, 200])
    await clock.advance(60_000)
    const refused = await send()
    expect([refused.statusCode, refused.headers['retry-after']]).toEqual([429, String(1_800 - 60)])
  })

  it('holds for the /64 network of an IPv6 address', async () => {
    const { app } = await makeWorld({ config: { gatewayLoginsPerMinute: 1 } })
    const send = async (remoteAddress: string) => (await app.inject({ ...login, remoteAddress })).statusCode
    expect(await send('2001:db8:1:2::1')).toBe(200)
    for (const same of ['2001:db8:1:2::2', '2001:DB8:1:2:a:b:c:d', '2001:db8:1:2:ffff::']) {
      expect(await send(same), same).toBe(429)
    }
    for (const other of ['2001:db8:1:3::1', '2001:db8::1:2', '::1', 'fe80::1%eth0']) {
      expect(await send(other), other).toBe(200)
    }
    expect(await send('fe80::2%eth1')).toBe(429)
    expect(await send('::2')).toBe(429)
  })

  it('is taken from the last entry of X-Forwarded-For where a proxy is trusted', async () => {
    const { app, seen } = await makeWorld({ config: { gatewayLoginsPerMinute: 1, gatewayTrustProxy: true } })
    const send = async (forwardedFor?: string) =>
      (await app.inject({ ...login, headers: forwardedFor ? { 'x-forwarded-for': forwardedFor } : {} })).statusCode
    expect(await send('1.1.1.1, 10.0.0.1')).toBe(200)
    expect(seen.at(-1)?.headers['x-forwarded-for']).toBe('10.0.0.1')
    expect(await send('2.2.2.2, 10.0.0.1')).toBe(429)
    expect(await send('1.1.1.1, 10.0.0.2')).toBe(200)
    expect(await send()).toBe(200)
    expect(await send()).toBe(429)
  })

  it('stands before what the service says about its own', async () => {
    const limits = { 'ratelimit-policy': '"login-account";q=10;w=60', ratelimit: '"login-account";r=9;t=6' }
    const { app } = await makeWorld({
      services: { 'auth-service': (_request, reply) => reply.writeHead(401, limits).end() },
    })
    expect(limitsOf(await app.inject(login))).toEqual([
      '"login-address";q=60;w=60, "login-account";q=10;w=60',
      '"login-address";r=59;t=1, "login-account";r=9;t=6',
    ])
  })
})

describe('the public URL', () => {
  it.each([
    ['https://belfry.example', 'https://belfry.example'],
    ['http://Belfry.example:8443/', 'http://belfry.example:8443'],
  ])('%s is taken', (given, url) => {
    expect(gatewayConfig.parse({ publicUrl: given }).publicUrl).toBe(url)
  })
  it.each([
    'belfry.example',
    'ftp://belfry.example',
    'https://a:b@belfry.example',
    'https://belfry.example/x',
    'https://',
  ])('%s is not', (given) => {
    expect(gatewayConfig.safeParse({ publicUrl: given }).success).toBe(false)
  })
})
