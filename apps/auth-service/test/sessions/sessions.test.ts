import type { LoginReply } from '@belfry/contracts'
import { describe, expect, it } from 'vitest'
import { createDocumentStores } from '../store/document-stores.ts'
import { openWorld as open, problemOf, type World } from '../world.ts'

const day = 86_400_000

async function openWithAda(...given: Parameters<typeof open>) {
  const world = await open(...given)
  await world.signup('ada')
  const login = async () => (await world.login('ada')).json<LoginReply>()
  const refresh = (refreshToken: string) => world.post('/auth/refresh', { refreshToken })
  const next = async (refreshToken: string) => (await refresh(refreshToken)).json<LoginReply>()
  return { ...world, begin: login, refresh, next }
}

const statuses = (answers: { statusCode: number }[]) => answers.map(({ statusCode }) => statusCode)

describe('a refresh', () => {
  it('answers new tokens again and again, for 30 days from the login on', async () => {
    const { begin, refresh, me, clock } = await openWithAda()
    let reply = await begin()
    expect(reply).toMatchObject({ expiresIn: 900, refreshExpiresIn: 30 * 86_400 })
    const seen = new Set([reply.refreshToken])
    for (let n = 1; n <= 6; n++) {
      await clock.advance(4 * day)
      const answer = await refresh(reply.refreshToken)
      expect([answer.statusCode, answer.headers['cache-control']]).toEqual([200, 'no-store'])
      reply = answer.json()
      expect(reply.refreshExpiresIn).toBe((30 - 4 * n) * 86_400)
      expect((await me(reply.accessToken)).json()).toMatchObject({ username: 'ada', via: 'login' })
      seen.add(reply.refreshToken)
    }
    expect(seen.size).toBe(7)
    await clock.advance(6 * day)
    const over = await refresh(reply.refreshToken)
    expect([over.statusCode, problemOf(over).code]).toEqual([401, 'unauthenticated'])
  })

  it('gives the same successor to who asks again within 10 s, as one whose answer was lost does', async () => {
    const { begin, next, refresh, clock } = await openWithAda()
    const { refreshToken } = await begin()
    const first = await next(refreshToken)
    await clock.advance(9_000)
    expect((await next(refreshToken)).refreshToken).toBe(first.refreshToken)
    expect((await refresh(first.refreshToken)).statusCode).toBe(200)
  })

  it.each(['SQLite', 'documents'])(
    'of several calls at once gives all of them the same successor (%s)',
    async (body) => {
      const given = body === 'SQLite' ? {} : { stores: createDocumentStores() }
      const { begin, next, refresh } = await openWithAda({}, given)
      const { refreshToken } = await begin()
      const replies = await Promise.all(Array.from({ length: 8 }, () => next(refreshToken)))
      expect(new Set(replies.map((one) => one.refreshToken)).size).toBe(1)
      expect((await refresh(replies[0]?.refreshToken ?? '')).statusCode).toBe(200)
    },
  )

  it('with a token that was replaced longer ago ends the login, and the log says so', async () => {
    const { begin, next, refresh, clock, lines } = await openWithAda()
    const stolen = await begin()
    const other = await begin()
    const mine = await next(stolen.refreshToken)
    await clock.advance(10_000)
    expect((await refresh(stolen.refreshToken)).statusCode).toBe(401)
    expect((await refresh(mine.refreshToken)).statusCode).toBe(401)
    expect((await refresh(other.refreshToken)).statusCode).toBe(200)
    expect(lines.filter((line) => line.includes('used again after it was replaced'))).toHaveLength(1)
    expect(lines.join()).not.toContain('bfr_')
  })

  it('with a text that the login never had is refused, counted, and ends nothing', async () => {
    const { begin, refresh, metricsRegistry, clock } = await openWithAda()
    const { refreshToken } = await begin()
    const guess = `${refreshToken.slice(0, -43)}${'a'.repeat(43)}`
    for (let n = 0; n < 3; n += 1) expect((await refresh(guess)).statusCode).toBe(401)
    await clock.advance(60_000)
    expect((await refresh(refreshToken)).statusCode).toBe(200)
    expect(await metricsRegistry.render()).toMatch(/auth_refreshes_total\{service="auth-service",outcome="unknown"\} 3/)
  })

  it('with a token of many refreshes ago ends the login', async () => {
    const { begin, next, refresh, clock } = await openWithAda()
    const { refreshToken: oldest } = await begin()
    let newest = oldest
    for (let n = 0; n < 5; n += 1) {
      newest = (await next(newest)).refreshToken
      await clock.advance(60_000)
    }
    expect((await refresh(oldest)).statusCode).toBe(401)
    expect((await refresh(newest)).statusCode).toBe(401)
  })

  it('shows a new role of the user', async () => {
    const { begin, next, me, call, admin } = await openWithAda()
    const { refreshToken, accessToken } = await begin()
    const { id } = (await me(accessToken)).json()
    const { token } = await admin()
    expect((await call('PATCH', `/auth/users/${id}`, token, { roles: ['operator'] })).statusCode).toBe(200)
    expect((await me(accessToken)).json().roles).toEqual(['user'])
    expect((await me((await next(refreshToken)).accessToken)).json().roles).toEqual(['operator'])
  })

  it.each([
    [{}, 400],
    [{ refreshToken: '' }, 400],
    [{ refreshToken: { $ne: null } }, 400],
    [{ refreshToken: 'x', more: 1 }, 400],
    [{ refreshToken: 'bfr_x' }, 401],
    [{ refreshToken: `bfr_019b76daa803700080000293c18c78f2_${'a'.repeat(43)}` }, 401],
  ])('refuses %j', async (body, status) => {
    const { post } = await open()
    expect((await post('/auth/refresh', body)).statusCode).toBe(status)
  })

  it('works over a restart and on another instance', async () => {
    const first = await openWithAda()
    const { refreshToken } = await first.begin()
    const second = await open({}, { db: first.db, clock: first.clock })
    const reply = (await second.post('/auth/refresh', { refreshToken })).json<LoginReply>()
    expect((await first.refresh(reply.refreshToken)).statusCode).toBe(200)
  })
})

describe('a logout', () => {
  it('ends its login and no other one, and says nothing of the token', async () => {
    const { begin, refresh, post } = await openWithAda()
    const [one, other] = [await begin(), await begin()]
    const guess = `${one.refreshToken.slice(0, -43)}${'a'.repeat(43)}`
    for (const refreshToken of [guess, 'none', one.refreshToken, one.refreshToken]) {
      const answer = await post('/auth/logout', { refreshToken })
      expect([answer.statusCode, answer.body]).toEqual([204, ''])
      if (refreshToken === guess) expect((await refresh(one.refreshToken)).statusCode).toBe(200)
    }
    expect((await refresh(one.refreshToken)).statusCode).toBe(401)
    expect((await refresh(other.refreshToken)).statusCode).toBe(200)
  })
})

describe('the logins of a user', () => {
  it('are 20 at most: the one that was refreshed least recently ends', async () => {
    const { begin, next, refresh, clock } = await openWithAda({ authSessionsPerUser: 3 })
    const all: LoginReply[] = []
    for (let n = 0; n < 3; n++) {
      all.push(await begin())
      await clock.advance(1_000)
    }
    const [oldest, second, third] = all as [LoginReply, LoginReply, LoginReply]
    const used = await next(oldest.refreshToken)
    await clock.advance(1_000)
    await begin()
    expect(statuses(await Promise.all([used, third].map((one) => refresh(one.refreshToken))))).toEqual([200, 200])
    expect((await refresh(second.refreshToken)).statusCode).toBe(401)
  })

  it('are cleared away when they have expired', async () => {
    const { begin, db, clock } = await openWithAda({ authPurgeBatch: 2, authLoginsPerMinute: 100 })
    for (let n = 0; n < 5; n++) await begin()
    const count = async () => (await db.read(db.statement('SELECT count(*) FROM sessions'), []))[0]?.[0]
    expect(await count()).toBe(5)
    await clock.advance(30 * day + 3_600_000)
    await expect.poll(() => clock.advance(1_000).then(count)).toBe(0)
  })
})

describe('a change of the password', () => {
  const change = (world: World, token: string, body: object) => world.call('POST', '/auth/password', token, body)
  const good = { current: 'correct horse', next: 'a much longer one' }

  it('ends all other logins and begins a new one', async () => {
    const world = await openWithAda()
    const [one, other] = [await world.begin(), await world.begin()]
    const changed = await change(world, one.accessToken, good)
    expect([changed.statusCode, changed.headers['cache-control']]).toEqual([200, 'no-store'])
    const { refreshToken } = changed.json<LoginReply>()
    for (const ended of [one, other]) expect((await world.refresh(ended.refreshToken)).statusCode).toBe(401)
    expect((await world.refresh(refreshToken)).statusCode).toBe(200)
    expect((await world.login('ada')).statusCode).toBe(401)
    expect((await world.login('ada', good.next)).statusCode).toBe(200)
  })

  it('makes a login void that began with the old password at the same moment', async () => {
    const stores = createDocumentStores()
    const world = await openWithAda({}, { stores })
    const { accessToken } = await world.begin()
    const found = await stores.users.findByName('ada')
    await change(world, accessToken, good)
    // A login that read the user before the change stores its session after it.
    const { insert } = stores.sessions
    let token = ''
    stores.sessions.insert = (session) => insert({ ...session, generation: found?.generation ?? 0 })
    token = (await world.login('ada', good.next)).json<LoginReply>().refreshToken
    expect((await world.refresh(token)).statusCode).toBe(401)
  })

  it('needs the current password, and counts a wrong one as a wrong login', async () => {
    const world = await openWithAda({ authFreeGuesses: 2 })
    const { accessToken } = await world.begin()
    const wrong = await change(world, accessToken, { ...good, current: 'wrong' })
    expect([wrong.statusCode, problemOf(wrong).errors?.[0]?.pointer]).toEqual([422, '/current'])
    expect((await change(world, accessToken, { ...good, current: 'wrong' })).statusCode).toBe(422)
    expect((await change(world, accessToken, good)).statusCode).toBe(429)
    expect((await world.login('ada')).statusCode).toBe(429)
  })

  it('is one of several at the same moment', async () => {
    const world = await openWithAda({ authHashConcurrency: 4 })
    const { accessToken } = await world.begin()
    const answers = await Promise.all(
      ['first new one', 'second new one'].map((next) => change(world, accessToken, { ...good, next })),
    )
    const done = answers.filter(({ statusCode }) => statusCode === 200)
    expect(done).toHaveLength(1)
  })

  it('replaces a short one on a network, with which no login is taken any more', async () => {
    const { db, clock } = await openWithAda()
    const before = await open({}, { db, clock })
    await before.signup('bo', '12345')
    const { accessToken } = (await before.login('bo', '12345')).json<LoginReply>()
    const world = await open({ host: '0.0.0.0' }, { db, clock, seed: 3 })
    expect((await world.login('bo', '12345')).statusCode).toBe(403)
    const body = { current: '12345', next: 'long enough for all' }
    expect((await change(world as World, accessToken, body)).statusCode).toBe(200)
    expect((await world.login('bo', 'long enough for all')).statusCode).toBe(200)
  })

  it('refuses a short one where the network reaches Belfry, naming the field', async () => {
    const world = await openWithAda({ host: '0.0.0.0' })
    await world.signup('grace', 'long enough for all')
    const { accessToken } = (await world.login('grace', 'long enough for all')).json<LoginReply>()
    const refused = await change(world, accessToken, { current: 'long enough for all', next: 'short' })
    expect([refused.statusCode, problemOf(refused).errors?.[0]]).toMatchObject([422, { pointer: '/next' }])
  })

  it.each([{}, { current: 'correct horse' }, { ...good, userId: 'usr-2' }, { current: 1, next: [] }])(
    'refuses %j',
    async (body) => {
      const world = await openWithAda()
      const { accessToken } = await world.begin()
      expect((await change(world, accessToken, body)).statusCode).toBe(400)
      expect((await change(world, '', good)).statusCode).toBe(401)
    },
  )
})
