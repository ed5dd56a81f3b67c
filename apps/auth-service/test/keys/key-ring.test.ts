import { readJwks } from '@belfry/http'
import { createLog, createSeededIds } from '@belfry/service'
import { describe, expect, it } from 'vitest'
import { createKeyRing } from '../../src/keys/key-ring.ts'
import { createSqliteStores } from '../../src/store/sqlite/index.ts'
import { openWorld as open, type World } from '../world.ts'

describe('the keys', () => {
  const day = 86_400_000
  const ringOf = ({ db, clock }: World) => {
    const rule = { lifetimeMs: day, overlapMs: 960_000 }
    return createKeyRing({
      store: createSqliteStores(db).keys,
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
    await ring.rotate()
    const [next, ...before] = await kids(world)
    expect(before).toEqual([old])
    expect(ring.signer().kid).toBe(next)
    const later = await open({ authKeyLifetimeMs: day }, { db, clock })
    expect((await later.me(token)).statusCode).toBe(200)
    clock.step(960_000)
    await ring.rotate()
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
