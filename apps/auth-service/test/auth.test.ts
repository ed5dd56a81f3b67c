import { loginReply, type Problem, userView } from '@belfry/contracts'
import { createTokenVerifier, readJwks } from '@belfry/http'
import { createLog, createSeededIds } from '@belfry/service'
import { afterEach, describe, expect, it } from 'vitest'
import type { AuthConfig } from '../src/index.ts'
import { createKeyRing } from '../src/key-ring.ts'
import { createSqliteKeys } from '../src/store/sqlite/index.ts'
import { openWorld, type World } from './world.ts'

const worlds: World[] = []
afterEach(async () => {
  for (const world of worlds.splice(0).toReversed()) await world.close()
})

async function open(...args: Parameters<typeof openWorld>): Promise<World> {
  const world = await openWorld(...args)
  worlds.push(world)
  return world
}

const problemOf = (answer: { json(): unknown }) => answer.json() as Problem

describe('sign-up', () => {
  it('takes the seed user with a warning, and leads to /auth/me', async () => {
    const { signup } = await open()
    const answer = await signup('shreyash', '12345')
    expect([answer.statusCode, answer.headers.location]).toEqual([201, '/auth/me'])
    const view = userView.parse(answer.json())
    expect(view).toMatchObject({ username: 'shreyash', roles: ['user'], warnings: [{ code: 'short-password' }] })
    expect(view.id).toMatch(/^usr-[0-9a-f-]{36}$/)
  })

  it('tells who is the very first user, also after a restart', async () => {
    const { signup, firstUser, db, clock } = await open()
    const found: string[] = []
    void firstUser().then((id) => found.push(id))
    await signup('shreyash', 'x')
    const { id } = (await signup('ada')).json()
    await expect.poll(() => found).toHaveLength(1)
    expect(found[0]).not.toBe(id)
    const again = await open({}, { db, clock })
    expect(await again.firstUser()).toBe(found[0])
  })

  it('says nothing about a good password', async () => {
    const { signup } = await open()
    expect((await signup('ada')).json().warnings).toEqual([])
  })

  it('refuses a short password where Belfry is open to a network, and stores nothing', async () => {
    for (const config of [{ mode: 'distributed' }, { host: '0.0.0.0' }, { host: '192.168.1.4' }, { authHost: '::' }]) {
      const { signup, login } = await open({ ...config, authPort: 0 } as Partial<AuthConfig>)
      const answer = await signup('shreyash', '12345678901')
      expect([answer.statusCode, problemOf(answer).errors?.[0]?.pointer]).toEqual([422, '/password'])
      expect((await login('shreyash', '12345678901')).statusCode).toBe(401)
      expect((await signup('shreyash', '123456789012')).statusCode).toBe(201)
    }
  })

  it('with a short password opens no account once the network reaches Belfry', async () => {
    const first = await open()
    await first.signup('shreyash', '12345')
    await first.signup('ada')
    await first.stop()
    const second = await open({ host: '0.0.0.0' }, { db: first.db })
    expect(
      second.lines.filter((line) => line.includes('short password')).map((line) => JSON.parse(line).users),
    ).toEqual([1])
    const refused = await second.login('shreyash', '12345')
    expect([refused.statusCode, problemOf(refused).code]).toEqual([403, 'forbidden'])
    // A wrong password is told nothing about the length of the right one.
    expect((await second.login('shreyash', '12346')).statusCode).toBe(401)
    expect((await second.login('ada')).statusCode).toBe(200)
    await second.stop()
    const third = await open({}, { db: first.db })
    expect((await third.login('shreyash', '12345')).statusCode).toBe(200)
    expect(third.lines.join()).not.toContain('short password')
  })

  it('by many at once delays no login and leaves room for other addresses', async () => {
    const { signup, login } = await open({ authHashMemoryKib: 19_456, authHashPasses: 2 })
    for (const name of ['ada', 'grace', 'mary']) await signup(name)
    const order: string[] = []
    const note = async (what: string, answer: ReturnType<typeof signup>) => {
      const { statusCode } = await answer
      if (statusCode < 300) order.push(what)
      return statusCode
    }
    const flood = Array.from({ length: 80 }, (_, n) => note('flood', signup(`flood-${n}`, undefined, '10.0.0.9')))
    const other = note('other', signup('other', undefined, '10.0.0.2'))
    const logins = ['ada', 'grace', 'mary'].map((name) => note('login', login(name)))
    expect(await Promise.all(logins)).toEqual([200, 200, 200])
    expect(await other).toBe(201)
    // Ten of the flood wait, and one more is taken if it begins before the logins; the others are refused at once.
    const statuses = await Promise.all(flood)
    const made = statuses.filter((status) => status === 201).length
    expect([10, 11]).toContain(made)
    expect(statuses.filter((status) => status === 503)).toHaveLength(80 - made)
    expect(order.indexOf('other')).toBeLessThanOrEqual(5)
    expect(order.lastIndexOf('login')).toBeLessThanOrEqual(5)
  })

  it('gives a name to one user only, whatever its case, also when many ask at once', async () => {
    const { signup } = await open()
    const names = ['ada', 'Ada', 'ADA', 'aDa', 'adA']
    const answers = await Promise.all(names.map((name) => signup(name)))
    expect(answers.map((one) => one.statusCode).sort()).toEqual([201, 409, 409, 409, 409])
    const refused = await signup('ADA')
    expect(problemOf(refused)).toMatchObject({ code: 'conflict', errors: [{ pointer: '/username', code: 'taken' }] })
  })

  it.each([
    [{}, ['/password', '/username']],
    [{ username: 'a', password: '' }, ['/password', '/username']],
    [{ username: 'a b', password: 'x' }, ['/username']],
    [{ username: { $ne: null }, password: 'x' }, ['/username']],
    [{ username: 'ada', password: 'x'.repeat(257) }, ['/password']],
    [{ username: 'ada', password: 5 }, ['/password']],
    [{ username: 'ada', password: 'x', roles: ['admin'] }, ['/roles']],
    [{ username: 'ada', pasword: 'x' }, ['/password', '/pasword']],
    [[], ['']],
  ])('refuses %j, naming each fault', async (body, pointers) => {
    const { app } = await open()
    const answer = await app.inject({ method: 'POST', url: '/auth/signup', payload: body })
    expect(answer.statusCode).toBe(400)
    const named = problemOf(answer).errors?.map((one) => one.pointer)
    expect(named?.sort()).toEqual(pointers)
  })
})

describe('login', () => {
  it('answers a token that this and every other service takes', async () => {
    const { signup, login, me, app, clock } = await open()
    const { id } = (await signup('Ada')).json()
    const answer = await login('aDA')
    expect([answer.statusCode, answer.headers['cache-control']]).toEqual([200, 'no-store'])
    const reply = loginReply.parse(answer.json())
    expect(reply).toMatchObject({ token: reply.accessToken, tokenType: 'Bearer', expiresIn: 900 })
    expect((await me(reply.token)).json()).toEqual({ id, username: 'Ada', roles: ['user'], warnings: [] })

    const jwks = async () => readJwks((await app.inject('/auth/.well-known/jwks.json')).json())
    const elsewhere = createTokenVerifier({ jwks, clock })
    const [header = ''] = reply.token.split('.')
    const { kid } = JSON.parse(Buffer.from(header, 'base64url').toString())
    expect(await elsewhere.keyOf(kid)).toContain('BEGIN PUBLIC KEY')
  })

  it('answers an unknown user exactly as a wrong password', async () => {
    const { signup, login } = await open()
    await signup('ada')
    const shown = ({ headers, body, statusCode }: Awaited<ReturnType<World['login']>>) => {
      const { 'x-request-id': id, date: _date, ...rest } = headers
      return { statusCode, body: body.replace(String(id), 'ID'), headers: rest }
    }
    const known: unknown[] = []
    const unknown: unknown[] = []
    for (let i = 0; i < 8; i++) {
      known.push(shown(await login('ada', `wrong ${i}`)))
      unknown.push(shown(await login('nobody', `wrong ${i}`)))
    }
    expect(unknown).toEqual(known)
    expect(known[0]).toMatchObject({ statusCode: 401 })
    expect(known[7]).toMatchObject({ statusCode: 429 })
  })

  it('takes as long for an unknown user as for a wrong password', async () => {
    const { signup, login } = await open({ authHashMemoryKib: 19_456, authHashPasses: 2 })
    await signup('ada')
    const took = async (name: string) => {
      const times: number[] = []
      for (let i = 0; i < 3; i++) {
        const from = performance.now()
        await login(name, 'wrong')
        times.push(performance.now() - from)
      }
      return Math.min(...times)
    }
    const known = await took('ada')
    const unknown = await took('nobody')
    // Without a hash it would be a fiftieth; the machine's noise is far below a half.
    expect(unknown / known).toBeGreaterThan(0.5)
  })

  it.each([
    {},
    { username: { $ne: null }, password: 'x' },
    { username: 'ada', password: ['x'] },
    { username: 'a', password: 'b', admin: true },
  ])('refuses %j', async (body) => {
    const { app } = await open()
    expect((await app.inject({ method: 'POST', url: '/auth/login', payload: body })).statusCode).toBe(400)
  })

  it('makes wait after a few wrong passwords, twice as long each time, and forgets them after the right one', async () => {
    const { signup, login, clock } = await open({ authFreeGuesses: 3 })
    await signup('ada')
    for (let i = 0; i < 3; i++) expect((await login('ada', 'wrong')).statusCode).toBe(401)
    const slowed = await login('ada')
    expect([slowed.statusCode, problemOf(slowed).code, slowed.headers['retry-after']]).toEqual([
      429,
      'too-many-requests',
      '1',
    ])
    await clock.advance(1_000)
    expect((await login('ada', 'wrong')).statusCode).toBe(401)
    expect((await login('ada')).headers['retry-after']).toBe('2')
    await clock.advance(2_000)
    expect((await login('ada')).statusCode).toBe(200)
    expect((await login('ada', 'wrong')).statusCode).toBe(401)
    expect((await login('ada')).statusCode).toBe(200)
  })

  it('is taken ten times a minute for one account, whether it exists or not', async () => {
    const { signup, login, clock } = await open({ authFreeGuesses: 100 })
    await signup('ada')
    for (const name of ['ada', 'nobody']) {
      const first = await login(name, 'wrong')
      expect(first.headers).toMatchObject({
        'ratelimit-policy': '"login-account";q=10;w=60',
        ratelimit: '"login-account";r=9;t=6',
      })
      for (let n = 1; n < 10; n++) expect((await login(name.toUpperCase(), 'wrong')).statusCode).toBe(401)
      const refused = await login(name)
      expect([refused.statusCode, problemOf(refused).code, refused.headers['retry-after']]).toEqual([
        429,
        'too-many-requests',
        '6',
      ])
    }
    await signup('grace')
    expect((await login('grace')).statusCode).toBe(200)
    await clock.advance(6_000)
    expect((await login('ada')).statusCode).toBe(200)
    expect((await login('ada')).statusCode).toBe(429)
  })

  it('checks no password of a user who has to wait', async () => {
    const { signup, login } = await open({ authFreeGuesses: 1, authHashConcurrency: 1 })
    await signup('ada')
    const answers = await Promise.all(Array.from({ length: 20 }, () => login('ada', 'wrong')))
    const statuses = answers.map((one) => one.statusCode)
    expect(statuses.filter((status) => status === 401)).toHaveLength(1)
    expect(statuses.filter((status) => status === 429)).toHaveLength(19)
  })

  it('remembers wrong passwords over a restart', async () => {
    const { signup, login, db, stop } = await open({ authFreeGuesses: 1 })
    await signup('ada')
    await login('ada', 'wrong')
    await stop()
    const again = await open({ authFreeGuesses: 1 }, { db })
    expect((await again.login('ada')).statusCode).toBe(429)
  })

  it('is refused with 503 when too many passwords wait', async () => {
    const { signup, login } = await open({ authHashConcurrency: 1, authHashWaiting: 2, authLoginsPerMinute: 100 })
    await signup('ada')
    const answers = await Promise.all(Array.from({ length: 10 }, () => login('ada')))
    const statuses = answers.map((one) => one.statusCode).sort()
    expect(statuses).toEqual([200, 200, 200, ...Array(7).fill(503)])
    expect(answers.find((one) => one.statusCode === 503)?.headers['retry-after']).toBe('2')
    expect((await login('ada')).statusCode).toBe(200)
  })

  it('takes a password however its characters are composed', async () => {
    const { signup, login } = await open()
    await signup('ada', 'na\u00efve caf\u00e9')
    expect((await login('ada', 'nai\u0308ve cafe\u0301')).statusCode).toBe(200)
  })

  it('hashes as security.md says', async () => {
    const { signup, login, db } = await open({ authHashMemoryKib: 19_456, authHashPasses: 2 })
    await signup('ada')
    const [row] = await db.read(db.statement('SELECT password_hash FROM users'), [])
    expect(row?.[0]).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
    expect((await login('ada')).statusCode).toBe(200)
  })

  it('counts its outcomes, and writes neither passwords nor tokens to the log', async () => {
    const { signup, login, me, metricsRegistry, lines } = await open()
    await signup('ada', 'a very secret word')
    const { token } = (await login('ada', 'a very secret word')).json()
    await login('ada', 'another secret word')
    await me(token)
    await me(`${token}x`)
    const text = await metricsRegistry.render()
    expect(text).toMatch(/auth_logins_total\{service="auth-service",outcome="ok"\} 1/)
    expect(text).toMatch(/auth_logins_total\{service="auth-service",outcome="wrong-credentials"\} 1/)
    expect(lines.join()).not.toMatch(/secret word|eyJ/)
  })
})

describe('/auth/me', () => {
  it('needs a token that is not over', async () => {
    const { app, signup, login, me, clock } = await open()
    await signup('ada')
    const { token } = (await login('ada')).json()
    expect((await app.inject('/auth/me')).statusCode).toBe(401)
    clock.step(900_000 + 29_000)
    expect((await me(token)).statusCode).toBe(200)
    clock.step(1_000)
    expect((await me(token)).statusCode).toBe(401)
  })

  it('is nobody when the user is gone', async () => {
    const { signup, login, me, db } = await open()
    await signup('ada')
    const { token } = (await login('ada')).json()
    await db.write('test.remove', [{ statement: db.statement('DELETE FROM users'), params: [] }])
    expect((await me(token)).statusCode).toBe(401)
  })
})

describe('the keys', () => {
  const day = 86_400_000
  const ringOf = ({ db, clock }: World) => {
    const rule = { lifetimeMs: day, overlapMs: 960_000 }
    return createKeyRing({
      store: createSqliteKeys(db),
      clock,
      ids: createSeededIds(3),
      log: createLog({ level: 'silent' }),
      rule,
    })
  }
  const kids = async ({ app }: World) =>
    readJwks((await app.inject('/auth/.well-known/jwks.json')).json()).map((key) => key.kid)

  it('are made at the first start, kept over a restart, and never shown whole', async () => {
    const first = await open()
    await first.signup('ada')
    const { token } = (await first.login('ada')).json()
    const published = await first.app.inject('/auth/.well-known/jwks.json')
    expect(published.json().keys).toHaveLength(1)
    expect(Object.keys(published.json().keys[0]).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x'])
    await first.stop()
    const second = await open({}, { db: first.db })
    expect(await kids(second)).toEqual([published.json().keys[0].kid])
    expect((await second.me(token)).statusCode).toBe(200)
  })

  it('rotate: the new one signs, the old one is published until its last token has expired', async () => {
    const world = await open({ authKeyLifetimeMs: day })
    const { signup, login, me, clock, db } = world
    const ring = ringOf(world)
    await signup('ada')
    const [old] = await kids(world)
    clock.step(day)
    const { token } = (await login('ada')).json()
    await ring.turn()
    const [next, ...before] = await kids(world)
    expect(before).toEqual([old])
    expect(ring.signer().kid).toBe(next)
    const later = await open({ authKeyLifetimeMs: day }, { db, clock })
    expect((await later.me(token)).statusCode).toBe(200)
    clock.step(960_000)
    await ring.turn()
    expect(await kids(world)).toEqual([next])
    expect((await me(token)).statusCode).toBe(401)
  })

  it('are looked at again and again', async () => {
    const world = await open({ authKeyLifetimeMs: day, authKeyCheckMs: day })
    const [first] = await kids(world)
    await expect.poll(() => world.clock.advance(day).then(() => kids(world))).not.toEqual([first])
  })

  it('of two instances on one store are known to both', async () => {
    const first = await open()
    const second = await open({}, { db: first.db })
    await first.signup('ada')
    const { token } = (await second.login('ada')).json()
    expect((await first.me(token)).statusCode).toBe(200)
    expect(await kids(first)).toEqual(await kids(second))
  })
})

describe('the service', () => {
  it('listens, registers and is ready after its start; leaves and closes at its stop, twice if asked', async () => {
    const { app, registry, stop } = await open()
    const address = app.server.address() as { port: number }
    expect(registry.pick('auth-service')).toMatchObject({ host: '127.0.0.1', port: address.port })
    expect((await app.inject('/readyz')).statusCode).toBe(200)
    await stop()
    await stop()
    expect(registry.pick('auth-service')).toBeUndefined()
    expect(app.server.listening).toBe(false)
  })

  it('describes its routes, whose only open ones are those of security.md', async () => {
    const { app } = await open()
    const { paths } = (await app.inject('/openapi.json')).json()
    expect(Object.keys(paths).sort()).toEqual([
      '/auth/.well-known/jwks.json',
      '/auth/login',
      '/auth/me',
      '/auth/signup',
    ])
    const isOpen = (operations: object) => Object.values(operations).some((one) => !('security' in one))
    expect(
      Object.keys(paths)
        .filter((path) => isOpen(paths[path]))
        .sort(),
    ).toEqual(['/auth/.well-known/jwks.json', '/auth/login', '/auth/signup'])
  })
})
