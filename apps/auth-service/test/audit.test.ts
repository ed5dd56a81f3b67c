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
