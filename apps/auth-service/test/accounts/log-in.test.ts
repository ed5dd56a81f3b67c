import { loginReply } from '@belfry/contracts'
import { createTokenVerifier, readJwks } from '@belfry/http'
import { describe, expect, it } from 'vitest'
import { createDocumentStores } from '../store/document-stores.ts'
import { openWorld as open, problemOf, type World } from '../world.ts'

describe('login', () => {
  it('answers a token that this and every other service takes', async () => {
    const { signup, login, me, app, clock } = await open()
    const { id } = (await signup('Ada')).json()
    const answer = await login('aDA')
    expect([answer.statusCode, answer.headers['cache-control']]).toEqual([200, 'no-store'])
    const reply = loginReply.parse(answer.json())
    expect(reply).toMatchObject({ token: reply.accessToken, tokenType: 'Bearer', expiresIn: 900 })
    expect((await me(reply.token)).json()).toEqual({
      ...{ id, username: 'Ada', roles: ['user'], warnings: [] },
      ...{ via: 'login', apiKeyId: null },
    })

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
      unknown.push(shown(await login('unknown', `wrong ${i}`)))
    }
    expect(unknown).toEqual(known)
    expect(known[0]).toMatchObject({ statusCode: 401 })
    expect(known[7]).toMatchObject({ statusCode: 429 })
  })

  it('takes as long for an unknown user as for a wrong password', async () => {
    const { signup, login } = await open({ authHashMemoryKib: 19_456, authHashPasses: 2 })
    await signup('ada')
    // The time of the processor, also that of the hash threads: what else the machine does is no part of it.
    const took = async (name: string) => {
      const times: number[] = []
      for (let i = 0; i < 3; i++) {
        const from = process.cpuUsage()
        await login(name, 'wrong')
        const { user, system } = process.cpuUsage(from)
        times.push(user + system)
      }
      return Math.min(...times)
    }
    const known = await took('ada')
    const unknown = await took('unknown')
    // Without a hash it would be a fiftieth.
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
    for (const name of ['ada', 'unknown']) {
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

  it('holds no hash thread while a store is slow', async () => {
    const stores = createDocumentStores()
    const { findByName } = stores.users
    const slow = Promise.withResolvers<void>()
    const { signup, login } = await open({ authHashConcurrency: 1 }, { stores })
    await signup('ada')
    stores.users.addLoginFailure = () => slow.promise
    expect((await login('ada', 'wrong')).statusCode).toBe(401)
    const waits = login('ada')
    expect((await signup('grace')).statusCode).toBe(201)
    expect((await login('grace')).statusCode).toBe(200)
    stores.users.findByName = async (name) => {
      if (name === 'slow') await slow.promise
      return findByName(name)
    }
    const reads = login('slow')
    expect((await login('grace')).statusCode).toBe(200)
    slow.resolve()
    expect((await waits).statusCode).toBe(200)
    expect((await reads).statusCode).toBe(401)
  })

  it('is refused when the password became another one while it was checked', async () => {
    const stores = createDocumentStores()
    const { signup, login } = await open({}, { stores })
    await signup('ada')
    const { findById } = stores.users
    const changed = async () => {
      const user = (await stores.users.findByName('ada'))!
      await stores.users.replace({ ...user, passwordHash: 'of another password' }, user.version)
    }
    stores.users.findById = async (id) => {
      await changed()
      return findById(id)
    }
    expect((await login('ada')).statusCode).toBe(401)
  })

  it('counts wrong passwords together with other instances', async () => {
    const stores = createDocumentStores()
    const first = await open({ authFreeGuesses: 4 }, { stores })
    const second = await open({ authFreeGuesses: 4 }, { stores, clock: first.clock, seed: 2 })
    await first.signup('ada')
    for (const { login } of [first, second, first, second]) expect((await login('ada', 'wrong')).statusCode).toBe(401)
    // The answer to a wrong password does not wait for its count, so another instance may be one behind.
    await expect.poll(async () => (await second.login('ada', 'wrong')).statusCode).toBe(429)
    for (const { login } of [first, second]) expect((await login('ada')).statusCode).toBe(429)
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

  it('hashes with argon2id and its parameters', async () => {
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
