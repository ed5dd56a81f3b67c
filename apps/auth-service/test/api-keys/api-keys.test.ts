import { describe, expect, it } from 'vitest'
import { lowerRole } from '../../src/api-keys/api-key.ts'
import { createDocumentStores } from '../store/document-stores.ts'
import { openWorld as open, problemOf } from '../world.ts'

const hour = 3_600_000

async function openWithAda(...given: Parameters<typeof open>) {
  const world = await open(...given)
  const { id } = (await world.signup('ada')).json()
  const { token } = (await world.login('ada')).json()
  const create = (body: object, by: string = token) => world.call('POST', '/auth/api-keys', by, body)
  const list = async (by: string = token) => (await world.call('GET', '/auth/api-keys', by)).json().data
  const remove = (keyId: string, by: string = token) => world.call('DELETE', `/auth/api-keys/${keyId}`, by)
  return { ...world, id, token, create, list, remove }
}

describe('an API key', () => {
  it('is shown once, and stored as a hash', async () => {
    const { create, list, db } = await openWithAda()
    const answer = await create({ name: 'ci' })
    expect([answer.statusCode, answer.headers['cache-control']]).toEqual([201, 'no-store'])
    const { key, ...view } = answer.json()
    expect(key).toMatch(/^bfk_[0-9a-f]{32}_[A-Za-z0-9_-]{43}$/)
    expect(view).toMatchObject({
      name: 'ci',
      role: 'user',
      prefix: key.slice(0, 36),
      expiresAt: null,
      lastUsedAt: null,
    })
    expect(await list()).toEqual([view])
    const rows = await db.read(db.statement('SELECT * FROM api_keys'), [])
    expect(JSON.stringify(rows)).not.toContain(key.slice(37))
  })

  it('becomes a token of a minute with the identity of its owner', async () => {
    const { create, swap, me, id, clock, list } = await openWithAda()
    const { key, id: keyId } = (await create({ name: 'ci', role: 'viewer' })).json()
    const token = (await swap(key)) ?? ''
    const seen = await me(token)
    expect(seen.json()).toMatchObject({ id, username: 'ada', roles: ['viewer'], via: 'api-key', apiKeyId: keyId })
    expect(await list()).toMatchObject([{ lastUsedAt: new Date(clock.now()).toISOString() }])
    await clock.advance(90_000)
    expect((await me(token)).statusCode).toBe(401)
  })

  it('stores its use once a minute', async () => {
    const { create, swap, list, clock } = await openWithAda()
    const { key } = (await create({ name: 'ci' })).json()
    const used = async () => (await list())[0].lastUsedAt
    await swap(key)
    const first = await used()
    await clock.advance(59_000)
    await swap(key)
    expect(await used()).toBe(first)
    await clock.advance(1_000)
    await swap(key)
    expect(await used()).not.toBe(first)
  })

  it('ends when it is deleted, when it expires, and by whom it may be deleted', async () => {
    const { create, swap, remove, list, signup, login, clock } = await openWithAda()
    await signup('grace')
    const other = (await login('grace')).json().token
    const { key, id } = (await create({ name: 'a' })).json()
    expect((await remove(id, other)).statusCode).toBe(404)
    expect(await list(other)).toEqual([])
    expect(await swap(key)).not.toBeNull()
    expect([(await remove(id)).statusCode, (await remove(id)).statusCode]).toEqual([204, 404])
    expect(await swap(key)).toBeNull()
    const short = (await create({ name: 'b', expiresIn: '2h' })).json()
    const at = new Date(clock.now() + 3 * hour).toISOString()
    const long = (await create({ name: 'c', expiresAt: at })).json()
    expect(long.expiresAt).toBe(at)
    await clock.advance(2 * hour)
    expect([await swap(short.key), await swap(long.key)]).toEqual([null, expect.any(String)])
    await clock.advance(hour)
    expect(await swap(long.key)).toBeNull()
  })

  it('can do what its owner can do just now, and no more', async () => {
    const { create, swap, me, id, admin, call, token, login } = await openWithAda()
    const root = await admin()
    const roleBy = async (key: string) => (await me((await swap(key)) ?? '')).json().roles?.[0]
    const refused = await create({ name: 'x', role: 'operator' })
    expect([refused.statusCode, problemOf(refused).errors?.[0]?.pointer]).toEqual([422, '/role'])
    await call('PATCH', `/auth/users/${id}`, root.token, { roles: ['operator'] })
    const wide = (await create({ name: 'x', role: 'operator' })).json().key
    const narrow = (await create({ name: 'y', role: 'viewer' }, (await login('ada')).json().token)).json().key
    expect([await roleBy(wide), await roleBy(narrow)]).toEqual(['operator', 'viewer'])
    await call('PATCH', `/auth/users/${id}`, root.token, { roles: ['user'] })
    expect([await roleBy(wide), await roleBy(narrow)]).toEqual(['user', 'viewer'])
    await call('PATCH', `/auth/users/${id}`, root.token, { disabled: true })
    expect([await swap(wide), await swap(narrow)]).toEqual([null, null])
    await call('PATCH', `/auth/users/${id}`, root.token, { disabled: false })
    expect(await roleBy(wide)).toBe('user')
    expect((await me(token)).statusCode).toBe(200)
  })

  it('of an admin may do what an operator may, unless more is asked for', async () => {
    const { create, admin } = await openWithAda()
    const { token } = await admin()
    expect((await create({ name: 'a' }, token)).json().role).toBe('operator')
    expect((await create({ name: 'b', role: 'admin' }, token)).json().role).toBe('admin')
  })

  it('of an admin gives no user a new password and makes no admin, or it would outlive its deletion', async () => {
    const { create, swap, call, admin, id } = await openWithAda()
    const root = await admin()
    const key = (await swap((await create({ name: 'b', role: 'admin' }, root.token)).json().key)) ?? ''
    const invite = (by: string, userId: string) => call('POST', `/auth/users/${userId}/invite`, by)
    const setRole = (by: string, role: string) => call('PATCH', `/auth/users/${id}`, by, { roles: [role] })
    for (const answer of [await invite(key, root.id), await invite(key, id), await setRole(key, 'admin')])
      expect([answer.statusCode, answer.json().code]).toEqual([403, 'forbidden'])
    expect((await setRole(key, 'operator')).statusCode).toBe(200)
    expect((await setRole(root.token, 'admin')).statusCode).toBe(200)
    expect((await invite(root.token, id)).statusCode).toBe(200)
  })

  it('makes no other keys, changes no password, and deletes itself only', async () => {
    const { create, swap, call, remove } = await openWithAda()
    const [mine, other] = [(await create({ name: 'a' })).json(), (await create({ name: 'b' })).json()]
    const token = (await swap(mine.key)) ?? ''
    expect((await create({ name: 'c' }, token)).statusCode).toBe(403)
    const change = { current: 'correct horse', next: 'a much longer one' }
    expect((await call('POST', '/auth/password', token, change)).statusCode).toBe(403)
    expect((await remove(other.id, token)).statusCode).toBe(403)
    expect((await remove(mine.id, token)).statusCode).toBe(204)
  })

  it.each(['SQLite', 'documents'])('is one of 50 at most, also when many are made at once (%s)', async (body) => {
    const given = body === 'SQLite' ? {} : { stores: createDocumentStores() }
    const { create, list } = await openWithAda({ authApiKeysPerUser: 3 }, given)
    const answers = await Promise.all(Array.from({ length: 8 }, (_, n) => create({ name: `key ${n}` })))
    const made = answers.filter(({ statusCode }) => statusCode === 201)
    expect(made.length).toBeLessThanOrEqual(3)
    expect(await list()).toHaveLength(made.length)
    for (let n = made.length; n < 3; n++) expect((await create({ name: 'more' })).statusCode).toBe(201)
    const refused = await create({ name: 'one too many' })
    expect([refused.statusCode, problemOf(refused).code]).toEqual([429, 'quota-exceeded'])
  })

  it.each([
    [{}, ['/name']],
    [{ name: '' }, ['/name']],
    [{ name: 'x'.repeat(101) }, ['/name']],
    [{ name: 'x', role: 'root' }, ['/role']],
    [{ name: 'x', expiresIn: 90 }, ['/expiresIn']],
    [{ name: 'x', expiresIn: '1s' }, ['/expiresIn']],
    [{ name: 'x', expiresAt: 'tomorrow' }, ['/expiresAt']],
    [{ name: 'x', expiresIn: '1d', expiresAt: '2030-01-01T00:00:00Z' }, ['/expiresIn']],
    [{ name: 'x', userId: 'usr-2', hash: 'h' }, ['/hash', '/userId']],
  ])('refuses %j, naming each issue', async (body, pointers) => {
    const { create } = await openWithAda()
    const refused = await create(body)
    expect(refused.statusCode).toBe(400)
    expect(
      problemOf(refused)
        .errors?.map((one) => one.pointer)
        .sort(),
    ).toEqual(pointers)
  })

  it('that would have ended already is refused', async () => {
    const { create } = await openWithAda()
    const refused = await create({ name: 'x', expiresAt: '1999-01-01T00:00:00Z' })
    expect([refused.statusCode, problemOf(refused).errors?.[0]?.pointer]).toEqual([422, '/expiresAt'])
  })

  it('of any other text is not taken', async () => {
    const { create, swap } = await openWithAda()
    const { key } = (await create({ name: 'x' })).json()
    const others = ['', 'x', `${key}x`, key.slice(0, -1), `${key.slice(0, -1)}${key.at(-1) === 'a' ? 'b' : 'a'}`]
    for (const text of others) expect(await swap(text)).toBeNull()
  })

  it('is swapped for services only', async () => {
    const { create, call, token, post } = await openWithAda()
    const { key } = (await create({ name: 'x' })).json()
    expect((await post('/internal/api-keys/swap', { key })).statusCode).toBe(401)
    expect((await call('POST', '/internal/api-keys/swap', token, { key })).statusCode).toBe(401)
  })
})

describe('the lower of two roles', () => {
  it('follows their order', () => {
    expect(lowerRole('admin', 'viewer')).toBe('viewer')
    expect(lowerRole('user', 'operator')).toBe('user')
    expect(lowerRole('admin', 'admin')).toBe('admin')
  })
})
