import type { JobView, Page, Problem, SecretView } from '@belfry/contracts'
import { describe, expect, it } from 'vitest'
import { openWorld, until, useWorld } from '../world.ts'

const value = 'canary-7d1f'
const call = { url: 'https://example.com/', headers: { authorization: 'Bearer {{secret:API_KEY}}' } }
const httpCall = { jobType: 'HTTP_CALL', params: call }

describe('secrets', () => {
  const world = useWorld({ jobMostSecrets: 4 })
  const put = (name: string, body: object = { value }, user = 'usr-a') =>
    world.call<SecretView>('PUT', `/secrets/${name}`, body, { user })
  const resolve = async (ownerId: string, ...names: string[]) => {
    const headers = { authorization: `Bearer ${world.serviceTokens.sign('executor-service')}` }
    return world.call<{ values: Record<string, string> }>(
      'POST',
      '/internal/secrets/resolve',
      { ownerId, names },
      { headers },
    )
  }

  it('are stored, replaced, listed and deleted, and no answer shows a value', async () => {
    const made = await put('API_KEY')
    expect([made.status, made.body]).toEqual([
      201,
      {
        name: 'API_KEY',
        reference: '{{secret:API_KEY}}',
        createdAt: expect.any(String),
        updatedAt: expect.any(String),
      },
    ])
    await world.clock.advance(1000)
    const again = await put('API_KEY', { value: `${value}-2` })
    expect([again.status, again.body.createdAt]).toEqual([200, made.body.createdAt])
    expect(again.body.updatedAt > made.body.updatedAt).toBe(true)
    await put('OTHER')
    const listed = await world.call<Page<SecretView>>('GET', '/secrets?limit=1')
    expect(listed.body.data.map(({ name }) => name)).toEqual(['API_KEY'])
    const rest = await world.call<Page<SecretView>>('GET', `/secrets?cursor=${listed.body.page.nextCursor}`)
    expect(rest.body.data.map(({ name }) => name)).toEqual(['OTHER'])
    expect((await resolve('usr-a', 'API_KEY', 'NONE')).body).toEqual({ values: { API_KEY: `${value}-2` } })
    expect((await world.call('DELETE', '/secrets/OTHER')).status).toBe(200)
    expect((await world.call('DELETE', '/secrets/OTHER')).status).toBe(404)
    for (const answer of [made, again, listed]) expect(JSON.stringify(answer)).not.toContain('canary')
  })

  it('belong to one user: others see, delete and resolve none of them', async () => {
    await put('MINE')
    const other = { user: 'usr-b' }
    expect((await world.call<Page<SecretView>>('GET', '/secrets', undefined, other)).body.data).toEqual([])
    expect((await world.call('DELETE', '/secrets/MINE', undefined, other)).status).toBe(404)
    expect((await resolve('usr-b', 'MINE')).body).toEqual({ values: {} })
    const theirs = await world.call<Problem>(
      'POST',
      '/jobs',
      { ...httpCall, params: { url: 'https://x/{{secret:MINE}}' } },
      other,
    )
    expect([theirs.status, theirs.body.errors?.map(({ code }) => code)]).toEqual([422, ['unknown-secret']])
  })

  it('are read by services alone', async () => {
    expect((await world.call('POST', '/internal/secrets/resolve', { ownerId: 'usr-a', names: ['MINE'] })).status).toBe(
      401,
    )
  })

  it('have a name and a value within limits, and are so many of a user', async () => {
    expect((await put('API_KEY', { value: 'abc' })).status).toBe(400)
    expect((await put('API_KEY', { value: 'x'.repeat(8193) })).status).toBe(400)
    for (const name of ['1st', 'a b', 'x'.repeat(65), '__proto__%2F']) expect((await put(name)).status).toBe(400)
    for (const name of ['A', 'B', 'C', 'D']) expect((await put(name, { value }, 'usr-c')).status).toBe(201)
    const full = await put('E', { value }, 'usr-c')
    expect([full.status, (full.body as unknown as Problem).code]).toEqual([429, 'quota-exceeded'])
  })

  it('that params name are shown, stored and published as references', async () => {
    await put('API_KEY')
    const { status, body } = await world.call<JobView>('POST', '/jobs', httpCall)
    expect([status, body.params]).toEqual([201, call])
    expect((await world.call<JobView>('GET', `/jobs/${body.id}`)).body.params).toEqual(call)
    await world.pass(1)
    const sent = await until(() => world.published.find(({ jobId }) => jobId === body.id))
    expect(sent.spec.params).toEqual(call)
  })

  it('that are not there are refused with their place and the nearest name, beside all other issues', async () => {
    await put('API_KEY')
    const params = { headers: { a: '{{secret:API_KEI}}', 'b/c': 'x {{secret:}} {{secret:API_KEY}}' }, url: 7 }
    const { status, body } = await world.call<Problem>('POST', '/jobs', { ...httpCall, params })
    expect(status).toBe(422)
    expect(body.errors).toEqual([
      expect.objectContaining({ pointer: '/params/url', code: 'wrong-type' }),
      expect.objectContaining({
        pointer: '/params/headers/a',
        code: 'unknown-secret',
        suggestion: '{{secret:API_KEY}}',
      }),
      expect.objectContaining({ pointer: '/params/headers/b~1c', code: 'bad-format' }),
    ])
  })

  it('that are not there are refused in changes and triggers too, but keep no change of another field back', async () => {
    await put('PASSING')
    const params = { ...call, headers: { a: '{{secret:PASSING}}' } }
    const { body } = await world.call<JobView>('POST', '/jobs', { ...httpCall, params })
    await world.call('DELETE', '/secrets/PASSING')
    expect((await world.call('PATCH', `/jobs/${body.id}`, { name: 'other' })).status).toBe(200)
    expect(
      (await world.call('PATCH', `/jobs/${body.id}`, { params: { headers: { b: '{{secret:PASSING}}' } } })).status,
    ).toBe(422)
    expect((await world.call('POST', `/jobs/${body.id}/trigger`, { params })).status).toBe(422)
  })
})

describe('a user with more secrets than there may be by now', () => {
  it('goes on using all of them', async () => {
    const world = await openWorld()
    for (const name of ['A', 'B', 'API_KEY']) await world.call('PUT', `/secrets/${name}`, { value })
    await world.restart({ jobMostSecrets: 1 })
    expect((await world.call('POST', '/jobs', httpCall)).status).toBe(201)
    expect((await world.call('PUT', '/secrets/NEW', { value })).status).toBe(429)
    await world.close()
  })
})

describe('the key that seals secrets', () => {
  it('may be replaced while the one before it opens what it has sealed', async () => {
    const world = await openWorld()
    await world.call('PUT', '/secrets/KEY', { value })
    const [before] = await world.stores.secrets.readMany('usr-a', ['KEY'])
    const changed = {
      secretsKey: 'Zp4Tn8Yc1Ws6Vx3Ru0Qk5Lm2Jb9Hg7Fd',
      secretsKeyPrevious: 'q7Vd0TzK3mXw9RbL5nHc2JpYf8GsA1eU',
    }
    const headers = () => ({ authorization: `Bearer ${world.serviceTokens.sign('executor-service')}` })
    const resolve = () =>
      world.call('POST', '/internal/secrets/resolve', { ownerId: 'usr-a', names: ['KEY'] }, { headers: headers() })
    await world.restart(changed)
    expect((await resolve()).body).toEqual({ values: { KEY: value } })
    // What was sealed with the key before is sealed with the new one after the start.
    const stored = async () => (await world.stores.secrets.readMany('usr-a', ['KEY']))[0]
    const kept = await until(async () => {
      await world.clock.advance(1000)
      const now = await stored()
      return now?.sealed === before?.sealed ? undefined : now
    })
    expect(await world.metricsRegistry.render()).toMatch(/belfry_secrets_other_key\{[^}]*\} 0/)
    await world.restart({ secretsKey: changed.secretsKey })
    expect([(await resolve()).body, await world.stores.secrets.readMany('usr-a', ['KEY'])]).toEqual([
      { values: { KEY: value } },
      [kept],
    ])
    await world.call('PUT', '/secrets/KEY', { value: `${value}-2` })
    await world.restart({ secretsKey: changed.secretsKey })
    expect((await resolve()).body).toEqual({ values: { KEY: `${value}-2` } })
    await world.restart({})
    expect((await resolve()).status).toBe(500)
    await world.close()
  })
})
