import { createHmac } from 'node:crypto'
import { createTestKey, encodePart, forgeToken } from '@belfry/testkit'
import { describe, expect, it } from 'vitest'
import { forwardedHeaders } from '../../src/proxy/forwarded-headers.ts'
import { makeWorld, sendRaw, type World } from '../world.ts'

const spoofs: Record<string, string> = {
  'x-user-id': 'usr-0',
  'X-User-Roles': 'admin',
  'x-user': 'root',
  x_user_id: 'usr-0',
  'x-internal-token': 'let-me-in',
  'X-INTERNAL-SERVICE': 'executor',
  'x-forwarded-for': '203.0.113.9',
  'x-forwarded-host': 'evil.example',
  'x-forwarded-proto': 'https',
  'x-forwarded-user': 'root',
  'x-real-ip': '203.0.113.9',
  'x-original-url': '/internal/jobs',
  forwarded: 'for=127.0.0.1',
}

describe('who asks', () => {
  it('is what the token says, whatever headers claim', async () => {
    const { gateway, bearer, seen } = await makeWorld()
    const address = await gateway.start()
    for (const [name, value] of Object.entries(spoofs)) {
      await fetch(`${address}/jobs`, { headers: { ...bearer, [name]: value, 'idempotency-key': 'k' } })
      const { headers } = seen.at(-1)!
      // The address of the connection, for the audit log.
      if (name === 'x-forwarded-for') expect(headers[name]).toBe('127.0.0.1')
      else expect(headers, name).not.toHaveProperty(name.toLowerCase())
      expect(Object.values(headers), name).not.toContain(value)
      expect(headers['idempotency-key']).toBe('k')
      expect(headers.authorization).toBe(bearer.authorization)
    }
  })

  it('cannot be taken away by a Connection header', async () => {
    const { gateway, bearer, seen, ports } = await makeWorld()
    const address = await gateway.start()
    for (const named of ['authorization', 'x-request-id', 'host', 'close, Authorization ,X-Request-Id, x-user-id']) {
      const text = await sendRaw(
        address,
        `GET /jobs HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: ${bearer.authorization}\r\nx-user-id: usr-0\r\n` +
          `x-request-id: mine\r\nconnection: ${named}\r\n\r\n`,
        '"service":"job-service"',
      )
      expect(text).toMatch(/^HTTP\/1\.1 200 /)
      const { headers } = seen.at(-1)!
      expect(headers).toMatchObject({
        authorization: bearer.authorization,
        'x-request-id': 'mine',
        host: `127.0.0.1:${ports['job-service']}`,
      })
      expect(headers).not.toHaveProperty('x-user-id')
    }
  })

  it('is followed by a request id, the client’s or a new one', async () => {
    const { app, bearer, seen } = await makeWorld()
    const given = await app.inject({ url: '/jobs', headers: { ...bearer, 'x-request-id': 'req-1' } })
    expect(given.headers['x-request-id']).toBe('req-1')
    expect(seen.at(-1)?.headers['x-request-id']).toBe('req-1')
    const minted = await app.inject({ url: '/jobs', headers: { ...bearer, 'x-request-id': 'two words\u00ff' } })
    expect(minted.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/)
    expect(seen.at(-1)?.headers['x-request-id']).toBe(minted.headers['x-request-id'])
    const trace = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
    await app.inject({ url: '/jobs', headers: { ...bearer, traceparent: trace } })
    expect(seen.at(-1)?.headers.traceparent).toBe(trace)
  })

  it('does not take the names of objects for headers', () => {
    const headers = JSON.parse('{"__proto__":"x","constructor":"y","accept":"*/*"}')
    const forwarded = forwardedHeaders(headers, {
      method: 'GET',
      requestId: 'r',
      authorization: undefined,
      clientAddress: '10.0.0.1',
    })
    expect(forwarded.accept).toBe('*/*')
    expect(Object.getPrototypeOf(forwarded)).toBe(Object.prototype)
  })
})

/** Invalid tokens by the name of the trick. */
function badTokens({ key, claims, token, clock }: World): Record<string, string> {
  const good = { alg: 'EdDSA', typ: 'JWT', kid: key.kid }
  const ours = (header: object, more: object = {}) => forgeToken(header, claims(['user'], more), key.privateKey)
  const [head, body, seal] = token.split('.') as [string, string, string]
  const pem = key.publicKey.export({ type: 'spki', format: 'pem' })
  const confused = (secret: string | Buffer) => {
    const text = `${encodePart({ ...good, alg: 'HS256' })}.${body}`
    return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`
  }
  const now = Math.floor(clock.now() / 1000)
  const foreign = createTestKey('k1')
  return {
    'no signature': `${head}.${body}.`,
    'alg none': `${encodePart({ alg: 'none' })}.${body}.`,
    'alg None with a seal': `${encodePart({ ...good, alg: 'None' })}.${body}.${seal}`,
    'HS256 with the public key': confused(pem),
    'HS256 with the raw key': confused(Buffer.from(key.jwk.x, 'base64url')),
    'RS256 claimed': `${encodePart({ ...good, alg: 'RS256' })}.${body}.${seal}`,
    'another key under our id': forgeToken(good, claims(), foreign.privateKey),
    'unknown key id': ours({ ...good, kid: 'k2' }),
    'no key id': ours({ alg: 'EdDSA', typ: 'JWT' }),
    'key id as a path': ours({ ...good, kid: '../../k1' }),
    'key id of an object': ours({ ...good, kid: { toString: 'k1' } }),
    'key id __proto__': ours({ ...good, kid: '__proto__' }),
    'critical header': ours({ ...good, crit: ['exp'] }),
    'key in the header': ours({ ...good, jwk: foreign.jwk }),
    'key address in the header': ours({ ...good, jku: 'http://evil.example/jwks' }),
    'changed claims': `${head}.${encodePart({ ...claims(['admin']) })}.${seal}`,
    'changed header': `${encodePart({ ...good, typ: 'jwt' })}.${body}.${seal}`,
    'cut seal': `${head}.${body}.${seal.slice(0, -2)}`,
    'a fourth part': `${token}.x`,
    'two parts': `${head}.${body}`,
    expired: ours(good, { iat: now - 1000, exp: now - 31 }),
    'not yet': ours(good, { nbf: now + 31 }),
    'made in the future': ours(good, { iat: now + 31 }),
    'no expiry': ours(good, { exp: undefined }),
    'another issuer': ours(good, { iss: 'evil' }),
    'another audience': ours(good, { aud: 'belfry-internal' }),
    'no subject': ours(good, { sub: undefined }),
    'made-up role': ours(good, { roles: ['root'] }),
    empty: '',
    long: `${head}.${'x'.repeat(10_000)}.${seal}`,
  }
}

describe('a token', () => {
  it('is accepted when it is ours', async () => {
    const { app, bearer } = await makeWorld()
    expect((await app.inject({ url: '/jobs', headers: bearer })).statusCode).toBe(200)
  })

  it('with any trick does not, and nothing reaches a service', async () => {
    const world = await makeWorld()
    for (const [trick, token] of Object.entries(badTokens(world))) {
      const answer = await world.app.inject({ url: '/jobs', headers: { authorization: `Bearer ${token}` } })
      expect([trick, answer.statusCode, answer.json().code]).toEqual([trick, 401, 'unauthenticated'])
    }
    for (const authorization of [`Basic ${world.token}`, world.token, `Bearer  ${world.token}`, 'Bearer']) {
      expect((await world.app.inject({ url: '/jobs', headers: { authorization } })).statusCode).toBe(401)
    }
    expect((await world.app.inject(`/jobs?access_token=${world.token}`)).statusCode).toBe(401)
    expect(world.seen).toEqual([])
  })

  it('opens nothing any more when it is over, although it was good before', async () => {
    const { app, bearer, clock } = await makeWorld()
    expect((await app.inject({ url: '/jobs', headers: bearer })).statusCode).toBe(200)
    await clock.advance(931_000)
    expect((await app.inject({ url: '/jobs', headers: bearer })).statusCode).toBe(401)
  })
})
