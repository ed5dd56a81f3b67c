import { createHmac, generateKeyPairSync, sign } from 'node:crypto'
import { afterEach, describe, expect, it } from 'vitest'
import { claimsOf, encode, type Key, makeKey, makeWorld, signToken } from './world.ts'

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

const hs256 = (header: object, claims: object, secret: string | Buffer) => {
  const text = `${encode(header)}.${encode(claims)}`
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`
}

/** Invalid tokens by the name of the trick. */
function forgeries(key: Key, claims: ReturnType<typeof claimsOf>): [string, string][] {
  const header = { alg: 'EdDSA', typ: 'JWT', kid: key.kid }
  const good = signToken(header, claims, key.privateKey)
  const [head = '', body = '', seal = ''] = good.split('.')
  const pem = key.publicKey.export({ type: 'spki', format: 'pem' }) as string
  const der = key.publicKey.export({ type: 'spki', format: 'der' })
  const stranger = generateKeyPairSync('ed25519')
  const strangerJwk = stranger.publicKey.export({ format: 'jwk' })
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
  const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  const signedWith = (head: object, more: object = {}) =>
    signToken({ ...header, ...head }, { ...claims, ...more }, key.privateKey)
  const without = (name: string) =>
    signToken(header, Object.fromEntries(Object.entries(claims).filter(([k]) => k !== name)), key.privateKey)
  const textOf = (head: object) => `${encode(head)}.${body}`
  const now = claims.iat
  const flipped = (text: string, at: number) => {
    const bytes = Buffer.from(text, 'base64url')
    bytes[at] = (bytes[at] as number) ^ 1
    return bytes.toString('base64url')
  }

  return [
    ['alg none without a signature', `${encode({ ...header, alg: 'none' })}.${body}.`],
    ['alg none with the old signature', `${encode({ ...header, alg: 'none' })}.${body}.${seal}`],
    ['alg None', `${encode({ ...header, alg: 'None' })}.${body}.`],
    ['alg NONE', `${encode({ ...header, alg: 'NONE' })}.${body}.x`],
    ['alg nOnE, signed', signedWith({ alg: 'nOnE' })],
    ['alg left out', signedWith({ alg: undefined })],
    ['alg empty', signedWith({ alg: '' })],
    ['alg null', signedWith({ alg: null })],
    ['alg a list', signedWith({ alg: ['EdDSA'] })],
    ['alg an object', signedWith({ alg: { toString: 'EdDSA' } })],
    ['alg in small letters', signedWith({ alg: 'eddsa' })],
    ['alg Ed25519', signedWith({ alg: 'Ed25519' })],
    ['HS256 with the public key as PEM', hs256({ ...header, alg: 'HS256' }, claims, pem)],
    ['HS256 with the trimmed PEM', hs256({ ...header, alg: 'HS256' }, claims, pem.trim())],
    ['HS256 with the public key as DER', hs256({ ...header, alg: 'HS256' }, claims, der)],
    ['HS256 with the raw public key', hs256({ ...header, alg: 'HS256' }, claims, Buffer.from(key.jwk.x, 'base64url'))],
    ['HS256 with the key as JWK text', hs256({ ...header, alg: 'HS256' }, claims, JSON.stringify(key.jwk))],
    ['HS256 with an empty secret', hs256({ ...header, alg: 'HS256' }, claims, '')],
    ['HS256 with the secret "secret"', hs256({ ...header, alg: 'HS256' }, claims, 'secret')],
    ['HS256 that says EdDSA', hs256(header, claims, pem)],
    ['HS512 in name', hs256({ ...header, alg: 'HS512' }, claims, pem)],
    [
      'RS256 with a key of its own',
      `${textOf({ ...header, alg: 'RS256' })}.${sign('sha256', Buffer.from(textOf({ ...header, alg: 'RS256' })), rsa).toString('base64url')}`,
    ],
    [
      'ES256 with a key of its own',
      `${textOf({ ...header, alg: 'ES256' })}.${sign('sha256', Buffer.from(textOf({ ...header, alg: 'ES256' })), p256).toString('base64url')}`,
    ],
    ['PS256 in name', signedWith({ alg: 'PS256' })],
    ['the key of a stranger', signToken(header, claims, stranger.privateKey)],
    ['a stranger who sends the key along', signToken({ ...header, jwk: strangerJwk }, claims, stranger.privateKey)],
    [
      'a stranger who says where the key is',
      signToken({ ...header, jku: 'http://127.0.0.1/keys' }, claims, stranger.privateKey),
    ],
    ['a certificate address', signedWith({ x5u: 'http://127.0.0.1/cert' })],
    ['a certificate', signedWith({ x5c: ['MIIB'] })],
    ['a key sent along with a good signature', signedWith({ jwk: key.jwk })],
    ['unknown kid', signedWith({ kid: 'k2' })],
    ['kid left out', signedWith({ kid: undefined })],
    ['kid empty', signedWith({ kid: '' })],
    ['kid a number', signedWith({ kid: 1 })],
    ['kid a list', signedWith({ kid: [key.kid] })],
    ['kid a path', signedWith({ kid: '../../../../dev/null' })],
    ['kid a statement', signedWith({ kid: "k1' OR '1'='1" })],
    ['kid a prototype', signedWith({ kid: '__proto__' })],
    ['kid a property of objects', signedWith({ kid: 'constructor' })],
    ['kid with U+0000', signedWith({ kid: 'k1\0' })],
    ['kid with a space', signedWith({ kid: ' k1' })],
    ['crit of an unknown extension', signedWith({ crit: ['exp'], exp: 1 })],
    ['crit empty', signedWith({ crit: [] })],
    ['crit null', signedWith({ crit: null })],
    ['crit b64', signedWith({ crit: ['b64'], b64: false })],
    ['b64 false', signedWith({ b64: false })],
    ['compressed', signedWith({ zip: 'DEF' })],
    ['expired beyond the skew', signedWith({}, { iat: now - 1000, exp: now - 31 })],
    ['expired by years', signedWith({}, { iat: 1, exp: 2 })],
    ['exp left out', without('exp')],
    ['exp a text', signedWith({}, { exp: String(now + 900) })],
    ['exp null', signedWith({}, { exp: null })],
    ['exp a list', signedWith({}, { exp: [now + 900] })],
    ['exp beyond numbers', signToken(header, claims, key.privateKey).replace(body, encode(claims).slice(0, -1))],
    ['exp before iat', signedWith({}, { exp: now - 1, iat: now })],
    ['nbf in the future', signedWith({}, { nbf: now + 60 })],
    ['nbf a text', signedWith({}, { nbf: 'now' })],
    ['iat in the future', signedWith({}, { iat: now + 60 })],
    ['iat left out', without('iat')],
    ['iss of another system', signedWith({}, { iss: 'acme' })],
    ['iss that begins like ours', signedWith({}, { iss: 'belfry.example' })],
    ['iss left out', without('iss')],
    ['iss a list', signedWith({}, { iss: ['belfry'] })],
    ['aud of another system', signedWith({}, { aud: 'acme' })],
    ['aud of services', signedWith({}, { aud: 'belfry-internal' })],
    ['aud left out', without('aud')],
    ['aud an empty list', signedWith({}, { aud: [] })],
    ['sub left out', without('sub')],
    ['sub empty', signedWith({}, { sub: '' })],
    ['sub a number', signedWith({}, { sub: 1 })],
    ['name left out', without('name')],
    ['roles left out', without('roles')],
    ['roles a text', signedWith({}, { roles: 'admin' })],
    ['a role that does not exist', signedWith({}, { roles: ['root'] })],
    ['claims that are a list', signToken(header, [claims], key.privateKey)],
    ['claims that are a text', signToken(header, 'admin', key.privateKey)],
    ['claims that are null', signToken(header, null, key.privateKey)],
    ['claims that were changed', `${head}.${encode({ ...claims, sub: 'usr-2' })}.${seal}`],
    ['a header that was changed', `${encode({ ...header, typ: 'at+jwt' })}.${body}.${seal}`],
    ['a signature with one bit flipped', `${head}.${body}.${flipped(seal, 5)}`],
    ['a signature of zeros', `${head}.${body}.${Buffer.alloc(64).toString('base64url')}`],
    ['a signature cut short', `${head}.${body}.${seal.slice(0, -4)}`],
    ['a signature that is longer', `${head}.${body}.${seal}AAAA`],
    [
      'other unread bits at the end',
      `${good.slice(0, -1)}${good.endsWith('A') || good.endsWith('Q') ? (good.endsWith('A') ? 'B' : 'R') : String.fromCharCode(good.charCodeAt(good.length - 1) + 1)}`,
    ],
    ['padding', `${good}==`],
    ['no signature', `${head}.${body}.`],
    ['two parts', `${head}.${body}`],
    ['four parts', `${good}.${seal}`],
    ['one part', head],
    ['five parts, as encrypted ones have', `${good}.${seal}.${seal}`],
    ['parts in another order', `${body}.${head}.${seal}`],
    ['truncated in the middle', good.slice(0, good.length / 2)],
    ['huge claims', signedWith({}, { name: 'x'.repeat(200), more: 'x'.repeat(5000) })],
    ['a megabyte of dots', '.'.repeat(8000)],
    ['no base64url', `${head}.${body}.${'!'.repeat(86)}`],
    ['a line break', `${head}.\n${body}.${seal}`],
  ].map(([name, token]) => [name as string, token as string])
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
