import { readJwks } from '@belfry/http'
import { describe, expect, it } from 'vitest'
import { openWorld as open, type World } from '../world.ts'

describe('the keys', () => {
  const day = 86_400_000
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

  it('rotate: the new one is published and signs a little later; the old one goes after its last token', async () => {
    const world = await open({ authKeyLifetimeMs: day, authKeyCheckMs: 3_600_000 })
    const { signup, login, me, clock, db } = world
    const kidOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()).kid
    const tokenOf = async (given: World) => (await given.login('ada')).json().token as string
    await signup('ada')
    const [old] = await kids(world)
    await clock.advance(day)
    await expect.poll(() => kids(world)).toHaveLength(2)
    const [next] = await kids(world)
    expect(kidOf((await login('ada')).json().token)).toBe(old)
    await clock.advance(30_000)
    const token = await tokenOf(world)
    expect(kidOf(token)).toBe(next)
    const later = await open({ authKeyLifetimeMs: day }, { db, clock })
    expect((await later.me(token)).statusCode).toBe(200)
    // Two turns of an hour, 10 min for the clocks, 15 min for the token, 1 min of skew.
    await clock.advance(145 * 60_000)
    expect(await kids(world)).toEqual([next, old])
    await expect.poll(() => clock.advance(3_600_000).then(() => kids(world))).toEqual([next])
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
