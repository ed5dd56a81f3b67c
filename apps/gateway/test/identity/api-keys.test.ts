import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Role } from '@belfry/contracts'
import { forgeToken } from '@belfry/testkit'
import { describe, expect, it } from 'vitest'
import type { GatewayConfig } from '../../src/index.ts'
import { makeWorld } from '../world.ts'

const keyOf = (digit: string) => `bfk_${digit.repeat(32)}_${digit.repeat(43)}`

/** A gateway whose auth-service takes some keys, and counts how often it is asked. */
async function open(config: Partial<GatewayConfig> = {}) {
  const taken = new Map<string, { userId: string; role: Role }>([
    [keyOf('a'), { userId: 'usr-a', role: 'user' }],
    [keyOf('b'), { userId: 'usr-b', role: 'viewer' }],
  ])
  const state = { asked: 0, status: 200, tokenOf: (_userId: string, _role: Role) => '' }
  const swap = async (request: IncomingMessage, reply: ServerResponse) => {
    const { key } = JSON.parse(Buffer.concat(await request.toArray()).toString())
    state.asked += 1
    const found = taken.get(key)
    reply.writeHead(state.status, { 'content-type': 'application/json' })
    reply.end(JSON.stringify({ token: found ? state.tokenOf(found.userId, found.role) : null }))
  }
  const world = await makeWorld({ services: { 'auth-service': swap }, config })
  state.tokenOf = (sub, role) => {
    const now = Math.floor(world.clock.now() / 1000)
    const claims = world.claims([role], { sub, key: `key of ${sub}`, iat: now, exp: now + 60 })
    return forgeToken({ alg: 'EdDSA', typ: 'JWT', kid: world.key.kid }, claims, world.key.privateKey)
  }
  const call = (headers: Record<string, string>, remoteAddress = '10.0.0.1') =>
    world.app.inject({ url: '/jobs', headers, remoteAddress })
  const bearer = (key: string) => ({ authorization: `Bearer ${key}` })
  return { ...world, taken, state, call, bearer }
}

const claimsIn = (authorization = '') =>
  JSON.parse(Buffer.from(authorization.split('.')[1] ?? '', 'base64url').toString())

describe('an API key', () => {
  it.each(['authorization', 'x-api-key'])('in %s is replaced by an access token of its user', async (name) => {
    const { call, seen } = await open()
    const text = name === 'authorization' ? `bearer ${keyOf('a')}` : keyOf('a')
    const answer = await call({ [name]: text })
    expect([answer.statusCode, answer.headers.ratelimit]).toEqual([200, expect.stringContaining('"user"')])
    const { headers } = seen.at(-1)!
    expect(claimsIn(headers.authorization)).toMatchObject({ sub: 'usr-a', key: 'key of usr-a' })
    expect(headers).not.toHaveProperty('x-api-key')
    expect(JSON.stringify(headers)).not.toContain('bfk_')
  })

  it('in X-API-Key gives way to a bearer token, and stands beside other schemes', async () => {
    const { call, bearer, token, seen } = await open()
    await call({ ...bearer(token), 'x-api-key': keyOf('a') })
    expect(claimsIn(seen.at(-1)?.headers.authorization).sub).toBe('usr-1')
    await call({ authorization: 'Basic eA==', 'x-api-key': keyOf('a') })
    expect(claimsIn(seen.at(-1)?.headers.authorization).sub).toBe('usr-a')
  })

  it('costs one call of auth-service in 30 s, also when many requests come at once', async () => {
    const { call, bearer, state, clock } = await open()
    const all = await Promise.all(Array.from({ length: 20 }, () => call(bearer(keyOf('a')))))
    expect([all.every((one) => one.statusCode === 200), state.asked]).toEqual([true, 1])
    await clock.advance(29_999)
    await call(bearer(keyOf('a')))
    expect(state.asked).toBe(1)
    await clock.advance(1)
    await call(bearer(keyOf('a')))
    expect(state.asked).toBe(2)
  })

  it('that is deleted is refused within 30 s', async () => {
    const { call, bearer, taken, clock } = await open()
    await call(bearer(keyOf('a')))
    taken.delete(keyOf('a'))
    await clock.advance(30_000)
    const refused = await call(bearer(keyOf('a')))
    expect([refused.statusCode, refused.json().code]).toEqual([401, 'unauthenticated'])
    expect(refused.headers['www-authenticate']).toMatch(
      /^Bearer realm="belfry", error="invalid_token", error_description="The API key is not known[^"]*"$/,
    )
  })

  it('that is not taken is asked for again after 5 s only, and is counted by address', async () => {
    const { call, bearer, state, clock } = await open({ gatewayUnknownApiKeysPerMinute: 3 })
    for (const key of ['c', 'c', 'd', 'c']) expect((await call(bearer(keyOf(key)))).statusCode).toBe(401)
    expect(state.asked).toBe(2)
    await clock.advance(5_000)
    expect((await call(bearer(keyOf('c')))).statusCode).toBe(401)
    expect(state.asked).toBe(3)
    const refused = await call(bearer(keyOf('e')))
    expect([refused.statusCode, refused.headers['retry-after']]).toEqual([429, '15'])
    expect(state.asked).toBe(3)
    expect((await call(bearer(keyOf('a')), '10.0.0.2')).statusCode).toBe(200)
    expect((await call(bearer(keyOf('a')))).statusCode).toBe(200)
    await clock.advance(15_000)
    expect((await call(bearer(keyOf('b')))).statusCode).toBe(200)
  })

  it('of many that are tried at the same moment are asked for up to the limit only', async () => {
    const { call, bearer, state } = await open({ gatewayUnknownApiKeysPerMinute: 3 })
    const tried = await Promise.all('cdef0123456789'.split('').map((digit) => call(bearer(keyOf(digit)))))
    expect(tried.map(({ statusCode }) => statusCode).sort()).toEqual([401, 401, 401, ...Array(11).fill(429)])
    expect(state.asked).toBe(3)
  })

  it('that is taken uses up nothing of the limit, nor does one that could not be checked', async () => {
    const { call, bearer, state, clock } = await open({
      gatewayUnknownApiKeysPerMinute: 1,
      gatewayApiKeyCacheMs: 0,
    })
    for (let n = 0; n < 3; n += 1) expect((await call(bearer(keyOf('a')))).statusCode).toBe(200)
    state.status = 500
    for (let n = 0; n < 3; n += 1) expect((await call(bearer(keyOf('c')))).statusCode).toBe(503)
    state.status = 200
    expect((await call(bearer(keyOf('c')))).statusCode).toBe(401)
    expect((await call(bearer(keyOf('d')))).statusCode).toBe(429)
    await clock.advance(60_000)
    expect((await call(bearer(keyOf('d')))).statusCode).toBe(401)
  })

  it.each([
    'bfk_',
    'bfk_x',
    keyOf('A'),
    `${keyOf('a')}x`,
    keyOf('a').toUpperCase(),
    `bfk_${'a'.repeat(10_000)}`,
    `${keyOf('a')},${keyOf('a')}`,
  ])('of another shape is refused without a call: %j', async (key) => {
    const { call, bearer, state } = await open()
    for (const headers of [bearer(key), { 'x-api-key': key }]) expect((await call(headers)).statusCode).toBe(401)
    expect(state.asked).toBe(0)
  })

  it('cannot be checked while auth-service is away: 503, and the next call asks again', async () => {
    const { call, bearer, state } = await open()
    state.status = 500
    const answer = await call(bearer(keyOf('a')))
    expect([answer.statusCode, answer.json().code]).toEqual([503, 'unavailable'])
    expect(answer.headers['www-authenticate']).toBeUndefined()
    state.status = 200
    expect((await call(bearer(keyOf('a')))).statusCode).toBe(200)
  })

  it('does not leave the gateway on a route that checks no token', async () => {
    const { app, bearer, seen } = await open()
    await app.inject({ method: 'OPTIONS', url: '/jobs', headers: { ...bearer(keyOf('a')), 'x-api-key': keyOf('a') } })
    expect(seen).toHaveLength(1)
    expect(JSON.stringify(seen)).not.toContain('bfk_')
  })

  it('is never logged', async () => {
    const { call, bearer, lines, state } = await open()
    state.status = 500
    for (const key of ['a', 'c']) await call(bearer(keyOf(key)))
    expect(lines.join()).not.toContain('bfk_')
  })
})
