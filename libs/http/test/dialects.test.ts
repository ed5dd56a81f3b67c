import { refusal } from '@belfry/contracts'
import { describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { makeWorld } from './world.ts'

const job = { id: 'job-1', version: 1, params: { links: { self: '/jobs/x' } }, links: { self: '/jobs/job-1' } }
const execution = {
  id: 'exe-1',
  jobId: 'job-1',
  jobVersion: 1,
  links: { self: '/executions/exe-1', job: '/jobs/job-1' },
}
const key = { id: 'key-1', version: 3, links: { self: '/auth/api-keys/key-1' } }

function open() {
  const world = makeWorld()
  onTestFinished(() => world.app.close())
  const { app, bearer } = world
  const config = { access: 'viewer' } as const
  const schema = { summary: 'x' }
  app.post('/jobs', { schema: { ...schema, body: z.strictObject({ name: z.string() }) }, config }, (_request, reply) =>
    reply.code(201).header('location', '/jobs/job-1').send(job),
  )
  app.get('/jobs', { schema, config }, (_request, reply) =>
    reply.type('application/json; charset=utf-8').send(JSON.stringify({ data: [job], page: { nextCursor: null } })),
  )
  app.get('/jobs/:id', { schema: { ...schema, params: z.object({ id: z.string() }) }, config }, (request, reply) =>
    request.params.id === 'job-1' ? reply.send(job) : reply.refuse(refusal('not-found', 'You have no such job.')),
  )
  app.get('/history', { schema, config }, () => ({ data: [{ kind: 'execution', execution }] }))
  app.get('/keys', { schema, config }, () => ({ data: [key] }))
  app.post('/pause', { schema, config }, (_request, reply) =>
    reply.refuse(refusal('illegal-transition', 'The job is cancelled.', { allowed: ['delete', 'trigger'] })),
  )
  app.get('/file', { schema, config }, (_request, reply) =>
    reply.type('application/json').send(Buffer.from('{ "id":1 }')),
  )
  app.delete('/jobs/:id', { schema: { ...schema, params: z.object({ id: z.string() }) }, config }, (_request, reply) =>
    reply.code(204).send(),
  )
  app.get('/hidden', { schema: { hide: true }, config }, () => ({}))
  app.patch('/api/v1/jobs/:id/state', { schema: { params: z.object({ id: z.string() }) }, config }, () => job)
  const call = (method: 'GET' | 'POST' | 'DELETE' | 'HEAD' | 'PATCH' | 'OPTIONS', url: string, payload?: object) =>
    app.inject({ method, url, headers: bearer('user'), ...(payload && { payload }) })
  return { ...world, call }
}

const linksOf = (prefix: string) => ({ self: `${prefix}/jobs/job-1` })

describe('the dialects /v1 and /api', () => {
  it.each(['/v1', '/api'])('answer like the canonical addresses, with links that stay under %s', async (prefix) => {
    const { call } = open()
    const made = await call('POST', `${prefix}/jobs`, { name: 'a' })
    expect([made.statusCode, made.headers.location]).toEqual([201, `${prefix}/jobs/job-1`])
    expect(made.json()).toEqual({ ...job, links: linksOf(prefix) })
    const listed = await call('GET', `${prefix}/jobs`)
    expect(listed.json()).toEqual({ data: [{ ...job, links: linksOf(prefix) }], page: { nextCursor: null } })
    const refused = await call('POST', `${prefix}/jobs`, { nom: 'a' })
    expect(refused.json()).toMatchObject({ type: '/problems/malformed-request', status: 400 })
    expect(refused.json()).not.toHaveProperty('success')
  })

  it('leave the canonical addresses as they are', async () => {
    const { call } = open()
    expect((await call('POST', '/jobs', { name: 'a' })).headers.location).toBe('/jobs/job-1')
    expect((await call('GET', '/jobs/job-1')).json()).toEqual(job)
  })

  it('have no addresses of services, probes and hidden routes', async () => {
    const { app, call } = open()
    app.get('/internal/rows', { schema: {}, config: { access: 'service' } }, () => ({}))
    for (const url of [
      '/v1/livez',
      '/api/hidden',
      '/v1/internal/rows',
      '/api/v1/openapi.json',
      '/v1/api/jobs',
      '/v1',
    ]) {
      expect((await call('GET', url)).statusCode, url).toBe(404)
    }
  })
})

describe('the dialect /api/v1', () => {
  it('wraps what succeeds, with the names of its records', async () => {
    const { call } = open()
    const { id: _id, ...rest } = job
    const shown = { ...rest, jobId: 'job-1', version: 0, links: linksOf('/api/v1') }
    const made = await call('POST', '/api/v1/jobs', { name: 'a' })
    expect([made.statusCode, made.headers.location]).toEqual([201, '/api/v1/jobs/job-1'])
    expect(made.json()).toEqual({ success: true, message: 'Created', data: shown })
    const page = { nextCursor: null }
    expect((await call('GET', '/api/v1/jobs')).json()).toEqual({ success: true, message: 'OK', data: [shown], page })
    const [entry] = (await call('GET', '/api/v1/history')).json().data
    expect(entry.execution).toMatchObject({ executionId: 'exe-1', jobId: 'job-1', jobVersion: 1 })
    expect(entry.execution).not.toHaveProperty('id')
    const [shownKey] = (await call('GET', '/api/v1/keys')).json().data
    expect(shownKey).toMatchObject({ id: 'key-1', version: 3 })
  })

  it('keeps the members of a problem, and names what is allowed in the message', async () => {
    const { call } = open()
    const missing = await call('GET', '/api/v1/jobs/other')
    expect(missing.headers['content-type']).toBe('application/problem+json; charset=utf-8')
    const message = 'You have no such job.'
    expect(missing.json()).toMatchObject({ success: false, message, status: 404, type: '/problems/not-found' })
    const refused = await call('POST', '/api/v1/pause')
    expect(refused.json()).toMatchObject({ message: 'The job is cancelled. Allowed: delete, trigger.', status: 409 })
    for (const [method, url, status] of [
      ['GET', '/api/v1/nothing', 404],
      ['DELETE', '/api/v1/history', 405],
    ] as const) {
      expect((await call(method, url)).json()).toMatchObject({ success: false, status })
    }
  })

  it('leaves bytes and empty answers alone', async () => {
    const { call } = open()
    expect((await call('GET', '/api/v1/file')).body).toBe('{ "id":1 }')
    const gone = await call('DELETE', '/api/v1/jobs/job-1')
    expect([gone.statusCode, gone.body]).toEqual([204, ''])
  })

  it('has routes of its own', async () => {
    const { call } = open()
    expect((await call('PATCH', '/api/v1/jobs/job-1/state')).json()).toMatchObject({
      success: true,
      data: { version: 0 },
    })
    for (const url of ['/jobs/job-1/state', '/v1/jobs/job-1/state', '/api/v1/api/v1/jobs/job-1/state']) {
      expect((await call('PATCH', url)).statusCode, url).toBe(404)
    }
  })
})

describe('every dialect', () => {
  it.each(['/v1', '/api', '/api/v1'])(
    '%s has the access, methods and lengths of the canonical addresses',
    async (prefix) => {
      const { app, call } = open()
      expect((await app.inject(`${prefix}/jobs`)).statusCode).toBe(401)
      const options = await call('OPTIONS', `${prefix}/jobs`)
      expect([options.statusCode, options.headers.allow]).toEqual([204, 'GET, HEAD, OPTIONS, POST'])
      const head = await call('HEAD', `${prefix}/jobs`)
      const length = (await call('GET', `${prefix}/jobs`)).headers['content-length']
      expect([head.statusCode, head.body, head.headers['content-length']]).toEqual([200, '', length])
    },
  )

  it('is left out of the description', async () => {
    const { call } = open()
    const { paths } = (await call('GET', '/openapi.json')).json()
    expect(Object.keys(paths).sort()).toEqual(['/file', '/history', '/jobs', '/jobs/{id}', '/keys', '/pause'])
  })
})
