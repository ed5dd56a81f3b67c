import { describe, expect, expectTypeOf, it } from 'vitest'
import { createClient, isProblem, NoAnswerError, ProblemError, type Schemas } from '../src/index.ts'
import { openWorld, problem, type Scripted } from './world.ts'

const job = (id: string) => ({ id, name: id })

describe('a call', () => {
  it('carries the token, the id in its address, the query and the body', async () => {
    const { url, seen } = await openWorld(() => ({ body: job('job-1'), headers: { etag: 'W/"1.a"' } }))
    const client = createClient({ url: `${url}/`, token: 'secret', batches: false })
    const { body, headers, status } = await client.request('patch', '/jobs/{id}', {
      params: { id: 'a b/c' },
      body: { priority: 1 },
      ifMatch: '"7"',
    })
    expect([status, body, headers.get('etag')]).toEqual([200, job('job-1'), 'W/"1.a"'])
    expect(seen[0]).toMatchObject({ method: 'PATCH', url: '/jobs/a%20b%2Fc', body: { priority: 1 } })
    expect(seen[0]?.headers).toMatchObject({ authorization: 'Bearer secret', 'if-match': '"7"' })
    await client.request('get', '/jobs', { query: { status: ['FAILED', 'LOST'], limit: 5 } })
    expect(seen[1]?.url).toBe('/jobs?status=FAILED%2CLOST&limit=5')
  })

  it('has the types of the description', async () => {
    const client = createClient({ url: 'http://127.0.0.1:1' })
    expectTypeOf(client.jobs.get).returns.resolves.toEqualTypeOf<Schemas['Job']>()
    expectTypeOf(client.jobs.create).parameter(0).toEqualTypeOf<Schemas['CreateJobBody']>()
    expectTypeOf<Schemas['RedriveBody']['dryRun']>().toEqualTypeOf<boolean | undefined>()
    // @ts-expect-error: there is no such address.
    expectTypeOf(client.request).toBeCallableWith('get', '/nothing')
  })

  it('rejects with what Belfry says', async () => {
    const errors = [{ pointer: '/jobType', code: 'unknown-job-type', detail: 'is not known', suggestion: 'DUMMY' }]
    const { url } = await openWorld(() => problem(422, 'impossible', { errors }))
    const client = createClient({ url, token: 't', batches: false })
    const failed = await client.jobs.create({ jobType: 'DUMY' }).catch((error: unknown) => error)
    if (!isProblem(failed, 'impossible')) throw failed
    expect(failed.problem.errors).toEqual(errors)
    expect(failed.message).toBe('It is impossible.\n  /jobType is not known')
    expect(isProblem(failed, 'conflict')).toBe(false)
    expectTypeOf(failed.problem).toEqualTypeOf<Schemas['Problem']>()
  })

  it('makes a problem of an answer that is none of Belfry', async () => {
    const { url } = await openWorld(() => ({
      status: 404,
      text: '<h1>No page</h1>',
      headers: { 'content-type': 'text/html' },
    }))
    const failed = createClient({ url }).jobs.get('x')
    await expect(failed).rejects.toMatchObject({ code: 'unknown', status: 404 })
    await expect(failed).rejects.toBeInstanceOf(ProblemError)
  })

  it('ends when it is aborted', async () => {
    const { url } = await openWorld(() => ({ body: {} }))
    const reason = new Error('enough')
    const call = createClient({ url }).jobs.get('x', { signal: AbortSignal.abort(reason) })
    await expect(call).rejects.toBe(reason)
  })
})

describe('a repetition', () => {
  const busy = problem(503, 'unavailable', { retryable: true })
  const limited = { ...problem(429, 'too-many-requests', { retryable: true }) }
  const withWait = (scripted: Scripted, seconds: string) => ({
    ...scripted,
    headers: { ...scripted.headers, 'retry-after': seconds },
  })

  it('comes with the same Idempotency-Key, after the wait that the answer asks for', async () => {
    const answers = [withWait(busy, '3'), undefined, withWait(limited, '2')]
    const { url, seen, waits, clock } = await openWorld((_seen, nth) =>
      nth <= 3 ? answers[nth - 1] : { status: 201, body: job('job-1') },
    )
    const client = createClient({ url, token: 't', clock, batches: false })
    expect(await client.jobs.create({ jobType: 'DUMMY' })).toEqual(job('job-1'))
    const keys = seen.map(({ headers }) => headers['idempotency-key'])
    expect(keys).toHaveLength(4)
    expect(new Set(keys).size).toBe(1)
    expect(keys[0]).toMatch(/^[0-9a-f-]{36}$/)
    expect([waits[0], waits[2]]).toEqual([3000, 2000])
    expect(waits[1]).toBeGreaterThanOrEqual(200)
    await client.jobs.create({ jobType: 'DUMMY' })
    expect(seen[4]?.headers['idempotency-key']).not.toBe(keys[0])
  })

  it('of a call that may have been done, and has no key, is left to the caller', async () => {
    const { url, seen, clock } = await openWorld(() => busy)
    const client = createClient({ url, token: 't', clock })
    const made = client.request('post', '/auth/api-keys', { body: { name: 'key' } })
    await expect(made).rejects.toMatchObject({ code: 'unavailable' })
    expect(seen).toHaveLength(1)
  })

  it('of a call that was not done comes in any case', async () => {
    const { url, seen, clock } = await openWorld((_seen, nth) =>
      nth === 1 ? withWait(limited, '1') : { status: 201, body: {} },
    )
    await createClient({ url, token: 't', clock }).request('post', '/auth/api-keys', { body: { name: 'key' } })
    expect(seen).toHaveLength(2)
  })

  it('ends after a number of them, and does not begin where the wait would be long', async () => {
    const gone = await openWorld(() => undefined)
    const client = createClient({ url: gone.url, clock: gone.clock, retry: { maxRetries: 2, delayMs: 100 } })
    await expect(client.jobs.get('x')).rejects.toBeInstanceOf(NoAnswerError)
    expect([gone.seen.length, gone.waits.length]).toEqual([3, 2])
    const full = await openWorld(() => withWait(limited, '3600'))
    const refused = createClient({ url: full.url, clock: full.clock }).jobs.get('x')
    await expect(refused).rejects.toMatchObject({ code: 'too-many-requests', retryAfterMs: 3_600_000 })
    expect(full.seen).toHaveLength(1)
  })

  it('does not come for what stays wrong', async () => {
    const { url, seen, clock } = await openWorld(() => problem(404, 'not-found'))
    await expect(createClient({ url, clock }).jobs.get('x')).rejects.toMatchObject({ code: 'not-found' })
    expect(seen).toHaveLength(1)
  })
})

describe('a login', () => {
  const tokens = (nth: number) => ({ accessToken: `access-${nth}`, refreshToken: `refresh-${nth}`, expiresIn: 900 })
  const login = { username: 'ada', password: 'correct horse battery' }

  it('happens once for many calls, and is renewed before its token ends', async () => {
    const { url, seen, advance, clock } = await openWorld(({ url }, nth) => ({
      body: url.startsWith('/auth') ? tokens(nth) : {},
    }))
    const client = createClient({ url, login, clock })
    await Promise.all([client.jobs.get('a'), client.jobs.get('b')])
    expect(seen.map((one) => one.url).sort()).toEqual(['/auth/login', '/jobs/a', '/jobs/b'])
    expect(seen[0]?.body).toEqual(login)
    expect(seen[0]?.headers.authorization).toBeUndefined()
    expect(seen[1]?.headers.authorization).toBe('Bearer access-1')
    advance(880_000)
    await client.jobs.get('c')
    expect(seen[3]).toMatchObject({ url: '/auth/refresh', body: { refreshToken: 'refresh-1' } })
    expect(seen[4]?.headers.authorization).toBe('Bearer access-4')
  })

  it('is renewed when its token is refused, by the password where the refresh token is not taken', async () => {
    const { url, seen, clock } = await openWorld(({ url, headers }, nth) => {
      if (url === '/auth/login') return { body: tokens(nth) }
      if (url === '/auth/refresh') return problem(401, 'unauthenticated')
      return headers.authorization === 'Bearer access-1' ? problem(401, 'unauthenticated') : { body: job('job-1') }
    })
    expect(await createClient({ url, login, clock }).jobs.get('x')).toEqual(job('job-1'))
    const paths = seen.map((one) => one.url)
    expect(paths).toEqual(['/auth/login', '/jobs/x', '/auth/refresh', '/auth/refresh', '/auth/login', '/jobs/x'])
  })

  it('that is wrong is the error of the call', async () => {
    const { url, clock } = await openWorld(() => problem(401, 'wrong-credentials'))
    await expect(createClient({ url, login, clock }).jobs.get('x')).rejects.toMatchObject({ code: 'wrong-credentials' })
  })
})

describe('a list', () => {
  it('reads the next page when the rows of the one before are used up', async () => {
    const { url, seen } = await openWorld(({ url }) => {
      const isSecond = url.includes('cursor=two')
      const page = isSecond ? { nextCursor: null, hasMore: false } : { nextCursor: 'two', hasMore: true }
      return { body: { data: isSecond ? [job('3')] : [job('1'), job('2')], page } }
    })
    const client = createClient({ url, token: 't' })
    const ids: string[] = []
    for await (const { id } of client.jobs.list({ limit: 2, tag: 'nightly' })) {
      ids.push(id)
      if (id === '1') expect(seen).toHaveLength(1)
    }
    expect(ids).toEqual(['1', '2', '3'])
    expect(seen.map((one) => one.url)).toEqual(['/jobs?limit=2&tag=nightly', '/jobs?limit=2&tag=nightly&cursor=two'])
  })
})
