import { type Role, refusal, roles } from '@belfry/contracts'
import { afterEach, describe, expect, it } from 'vitest'
import { type Access, mayAccess } from '../src/index.ts'
import { makeWorld } from './world.ts'

const worlds: { app: { close(): Promise<void> } }[] = []
afterEach(async () => {
  for (const world of worlds.splice(0)) await world.app.close()
})

function open(...options: Parameters<typeof makeWorld>) {
  const world = makeWorld(...options)
  worlds.push(world)
  for (const access of ['public', 'service', ...roles] as Access[]) {
    world.app.get(`/${access}`, { schema: {}, config: { access } }, () => ({ access }))
  }
  world.app.get('/me', { schema: {}, config: { access: 'viewer' } }, (request) => request.caller)
  world.app.get('/internal/me', { schema: {}, config: { access: 'service' } }, (request) => ({
    by: request.callingService,
  }))
  return world
}

describe('the access rule', () => {
  it('stops the boot when a route has none', () => {
    const { app } = open()
    expect(() => app.get('/open', () => 'open')).toThrow('/open does not say who may call it')
    expect(() => app.get('/typo', { config: { access: 'everyone' as Access } }, () => 'open')).toThrow('/typo')
  })

  it('stops the boot when an app without tokens has a route for users', () => {
    const { app } = makeWorld({ tokens: null })
    worlds.push({ app })
    app.get('/open', { config: { access: 'public' } }, () => 'open')
    expect(() => app.get('/mine', { config: { access: 'user' } }, () => 'mine')).toThrow('cannot check tokens')
  })

  it('orders the roles', () => {
    const table = roles.map((held) => roles.filter((needed) => mayAccess([held], needed)))
    expect(table).toEqual([
      ['viewer'],
      ['viewer', 'user'],
      ['viewer', 'user', 'operator'],
      ['viewer', 'user', 'operator', 'admin'],
    ])
    expect(roles.some((needed) => mayAccess([], needed))).toBe(false)
    expect(mayAccess(['viewer', 'admin'], 'operator')).toBe(true)
  })

  it('holds for every route and every kind of caller', async () => {
    const { app, bearer, serviceTokens } = open()
    const callers: Record<string, Record<string, string>> = {
      noToken: {},
      service: { authorization: `Bearer ${serviceTokens.sign('gateway')}` },
    }
    for (const role of roles) callers[role] = bearer(role)
    const seen: Record<string, Record<string, number>> = {}
    for (const [who, headers] of Object.entries(callers)) {
      const row: Record<string, number> = {}
      for (const access of ['public', 'service', ...roles]) {
        row[access] = (await app.inject({ url: `/${access}`, headers })).statusCode
      }
      seen[who] = row
    }
    const none = { viewer: 401, user: 401, operator: 401, admin: 401 }
    expect(seen).toEqual({
      noToken: { public: 200, service: 401, ...none },
      service: { public: 200, service: 200, ...none },
      viewer: { public: 200, service: 401, viewer: 200, user: 403, operator: 403, admin: 403 },
      user: { public: 200, service: 401, viewer: 200, user: 200, operator: 403, admin: 403 },
      operator: { public: 200, service: 401, viewer: 200, user: 200, operator: 200, admin: 403 },
      admin: { public: 200, service: 401, viewer: 200, user: 200, operator: 200, admin: 200 },
    })
  })

  it('gives a route its caller', async () => {
    const { app, bearer, serviceTokens } = open()
    expect((await app.inject({ url: '/me', headers: bearer('user') })).json()).toEqual({
      userId: 'usr-1',
      username: 'ada',
      roles: ['user'],
    })
    const headers = { authorization: `Bearer ${serviceTokens.sign('scheduler-service')}` }
    expect((await app.inject({ url: '/internal/me', headers })).json()).toEqual({ by: 'scheduler-service' })
  })

  it('is asked before the body is looked at', async () => {
    const { app } = open()
    app.post('/jobs', { schema: {}, config: { access: 'user' } }, () => ({}))
    const headers = { 'content-type': 'application/json' }
    expect((await app.inject({ method: 'POST', url: '/jobs', payload: '{', headers })).statusCode).toBe(401)
  })

  it('makes a route without callers fail when it asks for one', async () => {
    const { app, lines } = open()
    app.get('/oops', { schema: {}, config: { access: 'public' } }, (request) => request.caller)
    const answer = await app.inject('/oops')
    expect(answer.statusCode).toBe(500)
    expect(answer.body).not.toContain('caller')
    expect(lines.join()).toContain('request.caller was read on a route whose access gives none')
  })
})

describe('the challenge of a 401', () => {
  const challenge = async (headers: Record<string, string>, advanceMs = 0) => {
    const { app, clock } = open()
    clock.step(clock.now() + advanceMs)
    const answer = await app.inject({ url: '/me', headers })
    expect(answer.statusCode).toBe(401)
    return answer.headers['www-authenticate']
  }

  it.each([{}, { authorization: 'Basic eDp5' }, { authorization: '' }])(
    'says only that a token is needed when none came: %j',
    async (headers) => expect(await challenge(headers as Record<string, string>)).toBe('Bearer realm="belfry"'),
  )

  it.each([
    'Bearer',
    'Bearer x',
    'bearer a.b.c',
    'Bearer  a.b.c',
    'Bearer a.b.c, a.b.c',
    `Bearer bfk_${'a'.repeat(76)}`,
  ])('says that the token is not valid: %s', async (authorization) =>
    expect(await challenge({ authorization })).toBe('Bearer realm="belfry", error="invalid_token"'),
  )

  it('tells a token that has expired apart, in ASCII', async () => {
    const { app, bearer, clock } = open()
    const headers = bearer('user')
    clock.step(clock.now() + 931_000)
    const answer = await app.inject({ url: '/me', headers })
    expect([answer.statusCode, answer.headers['www-authenticate']]).toEqual([
      401,
      expect.stringMatching(
        /^Bearer realm="belfry", error="invalid_token", error_description="The access token expired at [-0-9:.TZ]+"$/,
      ),
    ])
  })

  it('is the short one in other refusals of a login', async () => {
    const { app } = open()
    app.post('/login', { schema: {}, config: { access: 'public' } }, (_request, reply) =>
      reply.refuse(refusal('wrong-credentials', 'no')),
    )
    expect((await app.inject({ method: 'POST', url: '/login' })).headers['www-authenticate']).toBe(
      'Bearer realm="belfry"',
    )
  })
})

describe('an API key', () => {
  const key = 'bfk_key'

  it('is swapped for a token where the app can, and the header has the token from then on', async () => {
    const { app, tokenFor } = open({
      swapApiKey: async (text) => (text === key ? tokenFor('operator') : refusal('not-found', 'no')),
    })
    app.get('/header', { schema: {}, config: { access: 'operator' } }, ({ headers, caller }) => ({
      authorization: headers.authorization,
      roles: caller.roles,
    }))
    const answer = await app.inject({ url: '/header', headers: { authorization: `Bearer ${key}` } })
    expect(answer.json()).toEqual({ authorization: `Bearer ${tokenFor('operator')}`, roles: ['operator'] })
    const refused = await app.inject({ url: '/header', headers: { 'x-api-key': 'bfk_other' } })
    expect(refused.statusCode).toBe(404)
    expect((await app.inject({ url: '/admin', headers: { 'x-api-key': key } })).statusCode).toBe(403)
  })

  it('is no service', async () => {
    const { app, serviceTokens } = open({ swapApiKey: async () => serviceTokens.sign('gateway') })
    for (const url of ['/service', '/viewer'])
      expect((await app.inject({ url, headers: { 'x-api-key': key } })).statusCode).toBe(401)
  })
})

describe('a service token', () => {
  it.each([
    ['too old', (now: number) => now + 61_000],
    ['from the future', (now: number) => now - 31_000],
  ])('%s is refused', async (_what, at) => {
    const { app, clock, serviceTokens } = open()
    const headers = { authorization: `Bearer ${serviceTokens.sign('gateway')}` }
    clock.step(at(0))
    expect((await app.inject({ url: '/service', headers })).statusCode).toBe(401)
  })

  it('made with another key, altered, or of another shape is refused', async () => {
    const { app, serviceTokens, tokenFor } = open()
    const good = serviceTokens.sign('gateway')
    const [head = '', body = '', seal = ''] = good.split('.')
    const otherBody = Buffer.from(JSON.stringify({ sub: 'gateway', aud: 'belfry', iat: 0, exp: 9e9 })).toString(
      'base64url',
    )
    const bad = [
      `${head}.${otherBody}.${seal}`,
      `${head}.${body}.`,
      `${head}.${body}`,
      `${body}.${head}.${seal}`,
      `${good}x`,
    ]
    for (const token of [...bad, tokenFor('admin' as Role)]) {
      const answer = await app.inject({ url: '/service', headers: { authorization: `Bearer ${token}` } })
      expect(answer.statusCode, token).toBe(401)
    }
  })
})
