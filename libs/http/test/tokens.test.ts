import { afterEach, describe, expect, it } from 'vitest'
import { forgeries } from './forged-tokens.ts'
import { claimsOf, makeKey, makeWorld, signToken } from './world.ts'

const worlds: { app: { close(): Promise<void> } }[] = []
afterEach(async () => {
  for (const world of worlds.splice(0)) await world.app.close()
})

function open() {
  const world = makeWorld()
  worlds.push(world)
  world.app.get('/me', { schema: {}, config: { access: 'viewer' } }, (request) => request.caller)
  const call = async (authorization?: string) => {
    const headers = authorization === undefined ? {} : { authorization }
    return (await world.app.inject({ url: '/me', headers })).statusCode
  }
  return { ...world, call }
}

describe('an access token', () => {
  it('of ours gets in, within the skew of the clocks', async () => {
    const { call, tokenFor, clock } = open()
    const token = tokenFor('user')
    expect(await call(`Bearer ${token}`)).toBe(200)
    expect(await call(`bearer ${token}`)).toBe(200)
    clock.step(-25_000)
    expect(await call(`Bearer ${tokenFor('viewer')}`)).toBe(200)
    clock.step(25_000 + 925_000)
    expect(await call(`Bearer ${token}`)).toBe(200)
  })

  it('is forgotten when it is over, although it was verified before', async () => {
    const { call, tokenFor, clock, tokens } = open()
    const token = tokenFor('user')
    expect(await call(`Bearer ${token}`)).toBe(200)
    expect(tokens.recall(token)).toMatchObject({ userId: 'usr-1' })
    clock.step(931_000)
    expect(tokens.recall(token)).toBeUndefined()
    expect(await call(`Bearer ${token}`)).toBe(401)
  })

  it('that has expired says since when, and what to do', async () => {
    const { app, tokenFor, clock, key } = open()
    const detailOf = async (token: string) => {
      const answer = await app.inject({ url: '/me', headers: { authorization: `Bearer ${token}` } })
      expect(answer.statusCode).toBe(401)
      return answer.json().detail
    }
    const token = tokenFor('user')
    const expiredAt = new Date((Math.floor(clock.now() / 1000) + 900) * 1000).toISOString()
    clock.step(931_000)
    expect(await detailOf(token)).toBe(
      `The access token expired at ${expiredAt}. Get the next one: POST /auth/refresh; or log in again: POST /auth/login.`,
    )
    // A token that is not ours gives the usual answer.
    const forged = signToken({ alg: 'EdDSA', typ: 'JWT', kid: key.kid }, claimsOf(clock), makeKey('k1').privateKey)
    expect(await detailOf(forged)).toBe('Send a valid access token as "Authorization: Bearer …".')
  })

  it('that is forged does not get in, whatever is tried', async () => {
    const { call, key, clock, lines } = open()
    const tried = forgeries(key, claimsOf(clock, ['admin']))
    expect(tried.length).toBeGreaterThanOrEqual(60)
    const notRefused: [string, number][] = []
    for (const [name, token] of tried) {
      const status = await call(`Bearer ${token}`)
      if (status !== 401) notRefused.push([name, status])
    }
    expect(notRefused).toEqual([])
    expect(lines).toEqual([])
  })

  it.each([undefined, '', 'Bearer', 'Bearer ', 'Basic YTpi', 'Bearer a b', 'Token x.y.z'])(
    'is not %j',
    async (header) => {
      const { call } = open()
      expect(await call(header)).toBe(401)
    },
  )

  it('by an old key is out once the keys have changed', async () => {
    const { call, tokenFor, clock, published } = open()
    const old = tokenFor('user')
    expect(await call(`Bearer ${old}`)).toBe(200)
    const next = makeKey('k2')
    published.keys = [next.jwk]
    await clock.advance(10_000)
    const fresh = signToken({ alg: 'EdDSA', kid: 'k2' }, claimsOf(clock), next.privateKey)
    expect(await call(`Bearer ${fresh}`)).toBe(200)
    expect(await call(`Bearer ${old}`)).toBe(401)
  })
})

describe('the keys', () => {
  it('are fetched once, and again at most every 10 s for unknown key ids', async () => {
    const { call, tokenFor, clock, key, published } = open()
    await call(`Bearer ${tokenFor('user')}`)
    for (let i = 0; i < 20; i++) {
      await call(`Bearer ${signToken({ alg: 'EdDSA', kid: `made-up-${i}` }, claimsOf(clock), key.privateKey)}`)
    }
    expect(published.fetches).toBe(1)
    await clock.advance(10_000)
    await call(`Bearer ${signToken({ alg: 'EdDSA', kid: 'made-up' }, claimsOf(clock), key.privateKey)}`)
    expect(published.fetches).toBe(2)
  })

  it('are kept while auth-service is away', async () => {
    const { call, tokenFor, clock, published, key } = open()
    expect(await call(`Bearer ${tokenFor('user')}`)).toBe(200)
    published.fails = true
    await clock.advance(20_000)
    expect(await call(`Bearer ${signToken({ alg: 'EdDSA', kid: 'other' }, claimsOf(clock), key.privateKey)}`)).toBe(503)
    expect(await call(`Bearer ${tokenFor('operator')}`)).toBe(200)
  })

  it('make the service not ready, and its routes 503, until they are known', async () => {
    const { app, call, tokenFor, clock, published, deps } = open()
    deps.health.setReady(true)
    published.fails = true
    expect((await app.inject('/readyz')).statusCode).toBe(503)
    expect(await call(`Bearer ${tokenFor('user')}`)).toBe(503)
    published.fails = false
    await clock.advance(1_000)
    expect((await app.inject('/readyz')).statusCode).toBe(200)
    expect(await call(`Bearer ${tokenFor('user')}`)).toBe(200)
  })

  it('that are not ours to use are passed over', async () => {
    const { call, tokenFor, published, key } = open()
    published.keys = [{ ...key.jwk, kty: 'oct', kid: 'x' }, { ...key.jwk, alg: 'HS256', kid: 'y' }, key.jwk]
    expect(await call(`Bearer ${tokenFor('user')}`)).toBe(200)
  })
})
