import { expect, it } from 'vitest'
import { openWorld } from './world.ts'

it('logins and sign-ups are recorded with the user that they turned out to be, and without what was sent', async () => {
  const world = await openWorld()
  await world.signup('Zoe')
  await world.login('zoe')
  await world.login('zoe', 'a wrong password')
  await world.clock.advance(200)
  const list = () => world.internal('/internal/audit/list', { before: null, limit: 10 })
  const { data } = (await list()).json() as { data: Record<string, unknown>[] }
  const id = data[2]?.actorId
  expect(
    data.map(({ action, actorId, actorName, status, via }) => ({ action, actorId, actorName, status, via })),
  ).toEqual([
    { action: 'logIn', actorId: null, actorName: null, status: 401, via: 'none' },
    { action: 'logIn', actorId: id, actorName: 'Zoe', status: 200, via: 'none' },
    { action: 'signUp', actorId: id, actorName: 'Zoe', status: 201, via: 'none' },
  ])
  expect(data[2]).toMatchObject({ address: '10.0.0.1', target: id })
  expect(JSON.stringify(data)).not.toContain('password')
  const verified = (await world.app.inject({ url: '/internal/audit/verify' })).statusCode
  expect(verified).toBe(401)
})

it('what is done with tokens and keys is recorded with its user, and without the token or the key', async () => {
  const world = await openWorld()
  const { id } = (await world.signup('Zoe')).json()
  const { token, refreshToken } = (await world.login('zoe')).json()
  const next = (await world.post('/auth/refresh', { refreshToken })).json().refreshToken
  await world.clock.advance(10_000)
  await world.post('/auth/refresh', { refreshToken })
  const made = (await world.call('POST', '/auth/api-keys', token, { name: 'ci' })).json()
  await world.call('DELETE', `/auth/api-keys/${made.id}`, (await world.swap(made.key)) ?? '')
  await world.clock.advance(200)
  const { data } = (await world.internal('/internal/audit/list', { before: null, limit: 4 })).json()
  expect(
    data.map((row: Record<string, unknown>) => [row.action, row.actorId, row.via, row.status, row.target]),
  ).toEqual([
    ['deleteApiKey', id, 'api-key', 204, made.id],
    ['createApiKey', id, 'token', 201, made.id],
    ['refreshLogin', id, 'none', 401, id],
    ['refreshLogin', id, 'none', 200, id],
  ])
  const text = JSON.stringify(data)
  for (const secret of [refreshToken, next, made.key].map((one: string) => one.slice(-43)))
    expect(text).not.toContain(secret)
})
