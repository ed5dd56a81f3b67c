import { describe, expect, it } from 'vitest'
import { createDocumentStores } from '../store/document-stores.ts'
import { openWorld as open, problemOf, type World } from '../world.ts'

const secret = 'dG9rZW4gb2YgYSB0ZXN0LCBsb25nIGVub3VnaA'
const root = { username: 'root', password: 'correct horse' }
const bootstrap = (world: World, token: string | null, more: object = root) =>
  world.post('/auth/bootstrap', { token, ...more })

describe('the first admin', () => {
  it('is made by the token of a standalone start, once', async () => {
    const world = await open()
    const token = await world.firstAdminToken()
    expect(token).toMatch(/^[A-Za-z0-9_-]{43}$/)
    const made = await bootstrap(world, token)
    expect([made.statusCode, made.json().roles]).toEqual([201, ['admin']])
    expect((await world.me((await world.login('root')).json().token)).json().roles).toEqual(['admin'])
    expect(await world.firstAdminToken()).toBeNull()
    for (const more of [root, { ...root, username: 'ada' }]) {
      const again = await bootstrap(world, token, more)
      expect([again.statusCode, problemOf(again).code]).toEqual([403, 'forbidden'])
    }
    expect((await world.login('ada')).statusCode).toBe(401)
    expect(world.lines.join()).not.toContain(token)
  })

  it('is never the first to sign up', async () => {
    const { signup, login, me } = await open()
    expect((await signup('ada')).json().roles).toEqual(['user'])
    expect((await me((await login('ada')).json().token)).json().roles).toEqual(['user'])
  })

  it('may be a user who is there, with the right password', async () => {
    const world = await open()
    const { id } = (await world.signup('Root')).json()
    const token = await world.firstAdminToken()
    const wrong = await bootstrap(world, token, { ...root, password: 'wrong' })
    expect([wrong.statusCode, problemOf(wrong).errors?.[0]?.pointer]).toEqual([409, '/username'])
    expect((await bootstrap(world, token)).json()).toMatchObject({ id, roles: ['admin'] })
  })

  it('is made within ten minutes of the start, else after the next one', async () => {
    const world = await open()
    const token = await world.firstAdminToken()
    await world.clock.advance(600_000)
    expect((await bootstrap(world, token)).statusCode).toBe(403)
    await world.stop()
    const next = await open({}, { db: world.db, clock: world.clock })
    const fresh = await next.firstAdminToken()
    expect(fresh).not.toBe(token)
    expect((await bootstrap(next, token)).statusCode).toBe(403)
    expect((await bootstrap(next, fresh)).statusCode).toBe(201)
  })

  it('of a distributed Belfry needs the token of the configuration', async () => {
    const world = await open({ mode: 'distributed', bootstrapToken: secret })
    expect(await world.firstAdminToken()).toBeNull()
    for (const token of [`${secret}x`, secret.slice(1), 'x'])
      expect((await bootstrap(world, token)).statusCode).toBe(403)
    expect((await bootstrap(world, secret, { ...root, password: 'short' })).statusCode).toBe(422)
    expect((await bootstrap(world, secret, { ...root, password: 'long enough for all' })).statusCode).toBe(201)
    const none = await open({ mode: 'distributed' })
    for (const token of ['', 'undefined', 'null'])
      expect((await bootstrap(none, token)).statusCode).toBe(token === '' ? 400 : 403)
  })

  it.each(['SQLite', 'documents'])('is one, when two instances are asked at the same moment (%s)', async (body) => {
    const given = body === 'SQLite' ? {} : { stores: createDocumentStores() }
    const config = { bootstrapToken: secret, authSignup: 'closed' } as const
    const first = await open(config, given)
    const second = await open(config, { seed: 2, ...(body === 'SQLite' ? { db: first.db } : given) })
    const answers = await Promise.all(
      [first, second, first, second].map((world, n) => bootstrap(world, secret, { ...root, username: `root-${n}` })),
    )
    expect(answers.map(({ statusCode }) => statusCode).sort()).toEqual([201, 403, 403, 403])
  })

  it.each([
    {},
    root,
    { ...root, token: { $ne: null } },
    { ...root, token: secret, roles: ['admin'] },
    { token: secret, username: 'a b', password: 'x' },
  ])('is not made from %j', async (body) => {
    const { post } = await open()
    expect((await post('/auth/bootstrap', body)).statusCode).toBe(400)
  })
})

describe('a rotation of the signing keys by hand', () => {
  it('publishes a key that signs after half a minute, for admins only', async () => {
    const world = await open({ authLoginsPerMinute: 100 })
    const { token } = await world.admin()
    await world.signup('ada')
    const user = (await world.login('ada')).json().token
    expect((await world.call('POST', '/auth/signing-keys/rotate', user)).statusCode).toBe(403)
    const rotated = await world.call('POST', '/auth/signing-keys/rotate', token)
    const { kid, signsInMs } = rotated.json()
    expect([rotated.statusCode, signsInMs]).toEqual([200, 30_000])
    const kidOf = async () =>
      JSON.parse(Buffer.from((await world.login('ada')).json().token.split('.')[0], 'base64url').toString()).kid
    expect(await kidOf()).not.toBe(kid)
    await world.clock.advance(30_000)
    expect(await kidOf()).toBe(kid)
    expect((await world.me(token)).statusCode).toBe(200)
  })

  it('waits while several keys are published', async () => {
    const world = await open()
    const { token } = await world.admin()
    const rotate = () => world.call('POST', '/auth/signing-keys/rotate', token)
    const statuses = [(await rotate()).statusCode, (await rotate()).statusCode, (await rotate()).statusCode]
    expect([...statuses, (await rotate()).statusCode]).toEqual([200, 200, 200, 409])
  })
})
