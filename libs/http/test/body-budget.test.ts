import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { claimsOf, makeWorld, signToken } from './world.ts'

const body = z.object({ name: z.string(), text: z.string() })

function openApp() {
  const world = makeWorld({ bodiesBytes: 100_000 })
  const held = new Map<string, () => void>()
  world.app.post('/things', { schema: { body }, config: { access: 'user' } }, async (request) => {
    await new Promise<void>((resolve) => held.set(request.body.name, resolve))
    return {}
  })
  const bearerOf = (sub: string) => {
    const { clock, key } = world
    const token = signToken(
      { alg: 'EdDSA', typ: 'JWT', kid: key.kid },
      claimsOf(clock, ['user'], { sub }),
      key.privateKey,
    )
    return { authorization: `Bearer ${token}` }
  }
  /** Each call is another user's, unless the headers say otherwise. */
  const post = (name: string, length: number, headers: Record<string, string> = bearerOf(name)) =>
    world.app.inject({ method: 'POST', url: '/things', headers, payload: { name, text: 'x'.repeat(length) } })
  const arrives = async (name: string) => {
    while (!held.has(name)) await new Promise((resolve) => setImmediate(resolve))
  }
  return { post, bearerOf, arrives, finish: (name: string) => held.get(name)?.() }
}

describe('the bodies of all requests at work', () => {
  it('are bounded together; one that does not fit is refused with Retry-After, and fits later', async () => {
    const { post, arrives, finish } = openApp()
    const first = post('first', 70_000)
    await arrives('first')
    const refused = await post('second', 40_000)
    expect([refused.statusCode, refused.headers['retry-after'], refused.json().code]).toEqual([503, '1', 'unavailable'])
    const fitting = post('fitting', 20_000)
    await arrives('fitting')
    finish('first')
    finish('fitting')
    expect([(await first).statusCode, (await fitting).statusCode]).toEqual([200, 200])
    const again = post('second', 90_000)
    await arrives('second')
    finish('second')
    expect((await again).statusCode).toBe(200)
  })

  it('never refuse a small one, and those without a token do not count', async () => {
    const { post, arrives, finish } = openApp()
    expect((await post('stranger', 90_000, {})).statusCode).toBe(401)
    const large = post('large', 99_000)
    await arrives('large')
    const small = post('small', 1000)
    await arrives('small')
    finish('small')
    finish('large')
    expect([(await small).statusCode, (await large).statusCode]).toEqual([200, 200])
  })

  it('accept a body that is larger than the bound when it is alone', async () => {
    const { post, arrives, finish } = openApp()
    const huge = post('huge', 200_000)
    await arrives('huge')
    expect((await post('other', 20_000)).statusCode).toBe(503)
    finish('huge')
    expect((await huge).statusCode).toBe(200)
  })

  it('of one user take up at most half, unless it is a single one', async () => {
    const { post, bearerOf, arrives, finish } = openApp()
    const first = post('first', 40_000, bearerOf('slow'))
    await arrives('first')
    expect((await post('second', 20_000, bearerOf('slow'))).statusCode).toBe(503)
    const other = post('other', 50_000)
    await arrives('other')
    finish('first')
    finish('other')
    expect([(await first).statusCode, (await other).statusCode]).toEqual([200, 200])
    const single = post('single', 90_000, bearerOf('slow'))
    await arrives('single')
    finish('single')
    expect((await single).statusCode).toBe(200)
  })

  it('are not held by a client that goes away while its key is checked', async () => {
    const asked = Promise.withResolvers<void>()
    const answer = Promise.withResolvers<string>()
    const world = makeWorld({
      bodiesBytes: 100_000,
      swapApiKey: () => {
        asked.resolve()
        return answer.promise
      },
    })
    const { app } = world
    app.post('/things', { schema: { body }, config: { access: 'user' } }, async () => ({}))
    await app.listen({ host: '127.0.0.1', port: 0 })
    onTestFinished(() => app.close())
    const { port } = app.server.address() as AddressInfo
    const closed = once(app.server, 'connection').then(([socket]) => once(socket, 'close'))
    const client = connect(port, '127.0.0.1')
    const head = ['POST /things HTTP/1.1', 'host: 127.0.0.1', 'x-api-key: one', 'content-type: application/json']
    client.write(`${head.join('\r\n')}\r\ncontent-length: 90000\r\n\r\n`)
    await asked.promise
    client.destroy()
    await closed
    answer.resolve(world.tokenFor('user'))
    await new Promise((resolve) => setImmediate(resolve))
    const fitting = { name: 'fitting', text: 'x'.repeat(50_000) }
    const other = await app.inject({ method: 'POST', url: '/things', headers: world.bearer('user'), payload: fitting })
    expect(other.statusCode).toBe(200)
  })
})
