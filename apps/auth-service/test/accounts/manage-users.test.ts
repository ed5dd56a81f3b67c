import type { ManagedUser } from '@belfry/contracts'
import { openMemoryDatabase } from '@belfry/storage/sqlite'
import { describe, expect, it } from 'vitest'
import { changedList, userStateIn } from '../../src/accounts/admins.ts'
import { newUser } from '../../src/accounts/user.ts'
import { createSqliteStores, migrations } from '../../src/store/sqlite/index.ts'
import { createDocumentStores } from '../store/document-stores.ts'
import { openWorld as open, problemOf } from '../world.ts'

async function openWithAdmin(...given: Parameters<typeof open>) {
  const world = await open(...given)
  const root = await world.admin()
  const patch = (id: string, body: object, by: string = root.token) =>
    world.call('PATCH', `/auth/users/${id}`, by, body)
  const get = (id: string, by: string = root.token) => world.call('GET', `/auth/users/${id}`, by)
  const create = (body: object, by: string = root.token) => world.call('POST', '/auth/users', by, body)
  const list = async (query = '') => (await world.call('GET', `/auth/users${query}`, root.token)).json()
  const signUp = async (name: string): Promise<string> => (await world.signup(name)).json().id
  return { ...world, root, patch, get, create, list, signUp }
}

describe('the state of a user', () => {
  const user = newUser({ uuid: 'a', username: 'a', passwordHash: null, hasShortPassword: false, now: 0 })
  const list = (...userIds: string[]) => ({ userIds, version: 1 })

  it('is by the list of the admins before the record of the user', () => {
    expect(userStateIn(list(), user)).toEqual({ role: 'user', isDisabled: false })
    expect(userStateIn(list(), { ...user, disabled: true })).toEqual({ role: 'user', isDisabled: true })
    expect(userStateIn(list('usr-a'), { ...user, disabled: true })).toEqual({ role: 'admin', isDisabled: false })
    expect(userStateIn(list(), { ...user, roles: ['admin'] }).role).toBe('viewer')
  })

  it('changes the list only where it has to', () => {
    expect(changedList(list('x'), 'y', true)).toEqual(['x', 'y'])
    expect(changedList(list('x', 'y'), 'x', false)).toEqual(['y'])
    expect(changedList(list('x'), 'x', true)).toBe('same')
    expect(changedList(list('x'), 'y', false)).toBe('same')
  })
})

describe('the users', () => {
  it('are shown to admins, page by page and by the beginning of the name', async () => {
    const { signUp, list, get, call, login } = await openWithAdmin()
    for (const name of ['Bo', 'ada', 'Adam', 'cy']) await signUp(name)
    const names = ({ data }: { data: ManagedUser[] }) => data.map((one) => one.username)
    expect(names(await list())).toEqual(['ada', 'Adam', 'Bo', 'cy', 'root'])
    expect(names(await list('?q=AD'))).toEqual(['ada', 'Adam'])
    const first = await list('?limit=2')
    expect([names(first), first.page.hasMore]).toEqual([['ada', 'Adam'], true])
    expect(names(await list(`?limit=2&cursor=${first.page.nextCursor}`))).toEqual(['Bo', 'cy'])
    const [ada] = (await list('?q=ada')).data
    expect((await get(ada.id)).json()).toEqual(ada)
    expect(ada).toMatchObject({ roles: ['user'], disabled: false, hasPassword: true })
    expect((await list('?q=root')).data[0].roles).toEqual(['admin'])
    expect((await get('usr-none')).statusCode).toBe(404)
    for (const bad of ['?limit=0', '?cursor=x', '?q=', '?role=admin']) expect((await list(bad)).status, bad).toBe(400)
    const { token } = (await login('ada')).json()
    for (const path of ['/auth/users', `/auth/users/${ada.id}`])
      expect((await call('GET', path, token)).statusCode).toBe(403)
    expect((await call('PATCH', `/auth/users/${ada.id}`, token, { roles: ['admin'] })).statusCode).toBe(403)
    expect((await call('POST', '/auth/users', token, { username: 'me' })).statusCode).toBe(403)
  })

  it('get another role, the highest of those that are named', async () => {
    const { signUp, patch, login, me } = await openWithAdmin()
    const id = await signUp('ada')
    for (const [roles, role] of [
      [['viewer'], 'viewer'],
      [['user', 'operator'], 'operator'],
      [['admin'], 'admin'],
      [['admin', 'viewer'], 'admin'],
      [['user'], 'user'],
    ] as const) {
      const answer = await patch(id, { roles })
      expect([answer.statusCode, answer.json().roles]).toEqual([200, [role]])
      expect((await me((await login('ada')).json().token)).json().roles).toEqual([role])
    }
  })

  it('that are disabled cannot log in or refresh, and say so only to the right password', async () => {
    const { signUp, patch, login, me, post } = await openWithAdmin()
    const id = await signUp('ada')
    const { token, refreshToken } = (await login('ada')).json()
    expect((await patch(id, { disabled: true })).json()).toMatchObject({ disabled: true })
    expect((await login('ada', 'wrong')).statusCode).toBe(401)
    const refused = await login('ada')
    expect([refused.statusCode, problemOf(refused).code]).toEqual([403, 'forbidden'])
    expect((await post('/auth/refresh', { refreshToken })).statusCode).toBe(401)
    // An access token that was given out is good until it expires.
    expect((await me(token)).statusCode).toBe(200)
    await patch(id, { disabled: false })
    expect((await login('ada')).statusCode).toBe(200)
    expect((await post('/auth/refresh', { refreshToken })).statusCode).toBe(401)
  })

  it.each([{}, { roles: [] }, { roles: ['root'] }, { disabled: 'yes' }, { username: 'x' }, { passwordHash: 'x' }])(
    'are not changed by %j',
    async (body) => {
      const { signUp, patch, get } = await openWithAdmin()
      const id = await signUp('ada')
      const before = (await get(id)).json()
      expect((await patch(id, body)).statusCode).toBe(400)
      expect((await get(id)).json()).toEqual(before)
    },
  )

  it('that do not exist cannot be changed', async () => {
    const { patch } = await openWithAdmin()
    expect((await patch('usr-none', { disabled: true })).statusCode).toBe(404)
  })
})

describe('an admin', () => {
  it('keeps the role while there is no other one', async () => {
    const { root, patch, signUp } = await openWithAdmin()
    for (const body of [{ roles: ['user'] }, { roles: ['operator'], disabled: true }]) {
      const refused = await patch(root.id, body)
      expect([refused.statusCode, problemOf(refused).detail]).toEqual([409, expect.stringContaining('last admin')])
    }
    expect((await patch(root.id, { disabled: true })).statusCode).toBe(409)
    const other = await signUp('ada')
    await patch(other, { roles: ['admin'] })
    expect((await patch(root.id, { disabled: true })).statusCode).toBe(409)
    expect((await patch(root.id, { roles: ['user'], disabled: true })).json()).toMatchObject({
      roles: ['user'],
      disabled: true,
    })
    expect((await patch(other, { roles: ['user'] })).statusCode).toBe(409)
  })

  it.each(['SQLite', 'documents'])('is left when several take the role from each other at once (%s)', async (body) => {
    const stores = body === 'SQLite' ? createSqliteStores(await openMemoryDatabase(migrations)) : createDocumentStores()
    const { root, patch, signUp, list } = await openWithAdmin({ authLoginsPerMinute: 100 }, { stores })
    const ids = [root.id, ...(await Promise.all(['ada', 'bo', 'cy'].map(signUp)))]
    for (const id of ids.slice(1)) await patch(id, { roles: ['admin'] })
    const answers = await Promise.all(ids.map((id) => patch(id, { roles: ['viewer'] })))
    const { data } = (await list()) as { data: ManagedUser[] }
    const admins = data.filter((one) => one.roles.includes('admin'))
    expect(admins.length).toBeGreaterThanOrEqual(1)
    expect(answers.filter(({ statusCode }) => statusCode === 200)).toHaveLength(4 - admins.length)
    expect(answers.every(({ statusCode }) => statusCode === 200 || statusCode === 409)).toBe(true)
    // A refusal leaves the stored user as it was, also the role that would count without that of an admin.
    const stored = await Promise.all(ids.map((id) => stores.users.findById(id)))
    const expected = answers.map(({ statusCode }) => (statusCode === 200 ? 'viewer' : 'user'))
    expect(stored.map((user) => user?.roles)).toEqual(expected.map((role) => [role]))
  })

  it('has a password and is enabled', async () => {
    const { create, patch } = await openWithAdmin()
    const { id } = (await create({ username: 'ada' })).json()
    expect((await patch(id, { roles: ['admin'] })).statusCode).toBe(409)
    const grace = (await create({ username: 'grace', password: 'correct horse' })).json()
    await patch(grace.id, { disabled: true })
    expect((await patch(grace.id, { roles: ['admin'] })).statusCode).toBe(409)
    expect((await patch(grace.id, { roles: ['admin'], disabled: false })).json()).toMatchObject({
      roles: ['admin'],
      disabled: false,
    })
  })

  it('is one of a bounded number', async () => {
    const { signUp, patch } = await openWithAdmin({ authMostAdmins: 2 })
    const [ada, bo] = [await signUp('ada'), await signUp('bo')]
    expect((await patch(ada, { roles: ['admin'] })).statusCode).toBe(200)
    expect((await patch(bo, { roles: ['admin'] })).statusCode).toBe(409)
  })
})

describe('a user whom an admin makes', () => {
  it('has the password and the role that were given', async () => {
    const { create, login, me } = await openWithAdmin()
    const answer = await create({ username: 'Ada', password: 'correct horse', role: 'viewer' })
    const { id, invitation } = answer.json()
    expect([answer.statusCode, invitation, answer.headers.location]).toEqual([201, null, `/auth/users/${id}`])
    expect((await me((await login('ada')).json().token)).json()).toMatchObject({ id, roles: ['viewer'] })
    expect((await create({ username: 'ADA' })).statusCode).toBe(409)
  })

  it('without a password sets one by invitation, once', async () => {
    const { create, login, post, get, lines } = await openWithAdmin()
    const { id, invitation, hasPassword } = (await create({ username: 'ada' })).json()
    expect(hasPassword).toBe(false)
    expect(invitation).toMatchObject({ path: `/set-password#${invitation.token}` })
    for (const password of ['', 'x']) expect((await login('ada', password || 'undefined')).statusCode).toBe(401)
    const accept = (password: string) => post('/auth/invite', { token: invitation.token, password })
    const answers = await Promise.all(['first of mine', 'second of mine'].map(accept))
    expect(answers.filter(({ statusCode }) => statusCode === 200)).toHaveLength(1)
    const chosen = answers[0]?.statusCode === 200 ? 'first of mine' : 'second of mine'
    expect((await login('ada', chosen)).statusCode).toBe(200)
    expect((await accept('third of mine')).statusCode).toBe(404)
    expect((await get(id)).json()).toMatchObject({ hasPassword: true })
    expect(lines.join()).not.toContain(invitation.token)
  })

  it('can be invited again, which ends the older invitation; the old password holds until then', async () => {
    const { signUp, root, call, post, login } = await openWithAdmin()
    const id = await signUp('ada')
    const session = (await login('ada')).json()
    const invite = async () => (await call('POST', `/auth/users/${id}/invite`, root.token)).json().invitation.token
    const [older, newer] = [await invite(), await invite()]
    expect((await login('ada')).statusCode).toBe(200)
    const accept = (token: string) => post('/auth/invite', { token, password: 'a much longer one' })
    expect((await accept(older)).statusCode).toBe(404)
    expect((await accept(newer)).json()).toMatchObject({ username: 'ada', roles: ['user'] })
    expect((await login('ada')).statusCode).toBe(401)
    expect((await post('/auth/refresh', { refreshToken: session.refreshToken })).statusCode).toBe(401)
    expect((await call('POST', '/auth/users/usr-none/invite', root.token)).statusCode).toBe(404)
  })

  it('is invited for a week, and not while disabled', async () => {
    const { create, patch, post, clock } = await openWithAdmin()
    const ada = (await create({ username: 'ada' })).json()
    const accept = (token: string) => post('/auth/invite', { token, password: 'a much longer one' })
    await patch(ada.id, { disabled: true })
    expect((await accept(ada.invitation.token)).statusCode).toBe(404)
    await patch(ada.id, { disabled: false })
    await clock.advance(7 * 86_400_000)
    expect((await accept(ada.invitation.token)).statusCode).toBe(404)
  })

  it.each([
    [{ username: 'a' }, 400],
    [{ username: 'ada', role: 'admin' }, 400],
    [{ username: 'ada', roles: ['user'] }, 400],
    [{ username: 'ada', password: '' }, 400],
  ])('is not made from %j', async (body, status) => {
    const { create } = await openWithAdmin()
    expect((await create(body)).statusCode).toBe(status)
  })
})

describe('sign-up', () => {
  it.each([
    ['open', 201, 201],
    ['invite', 403, 201],
    ['closed', 403, 403],
  ] as const)('that is %s', async (authSignup, bySelf, byAdmin) => {
    const { signup, create, login } = await openWithAdmin({ authSignup })
    expect((await signup('ada')).statusCode).toBe(bySelf)
    expect((await create({ username: 'grace', password: 'correct horse' })).statusCode).toBe(byAdmin)
    expect((await login('ada')).statusCode).toBe(bySelf === 201 ? 200 : 401)
  })
})

describe('the other services', () => {
  it('learn who names and ids are, within bounds', async () => {
    const { signUp, patch, internal, post } = await openWithAdmin()
    const [ada, bo] = [await signUp('Ada'), await signUp('bo')]
    await patch(bo, { disabled: true })
    const found = (
      await internal('/internal/users/resolve', { usernames: ['ADA', 'none'], ids: [bo, ada, 'x'] })
    ).json()
    expect(found.data.toSorted((a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1))).toEqual([
      { id: ada, username: 'Ada', disabled: false },
      { id: bo, username: 'bo', disabled: true },
    ])
    expect((await internal('/internal/users/resolve', {})).json()).toEqual({ data: [] })
    const many = Array.from({ length: 201 }, () => 'a')
    expect((await internal('/internal/users/resolve', { usernames: many })).statusCode).toBe(400)
    expect((await post('/internal/users/resolve', { usernames: ['ada'] })).statusCode).toBe(401)
  })
})
