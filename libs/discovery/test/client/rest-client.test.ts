import { describe, expect, it } from 'vitest'
import { createRestClient, type RestClientOptions } from '../../src/index.ts'
import { balancerTo, listen } from './loopback.ts'

async function clientTo(handler: Parameters<typeof listen>[0], options: Partial<RestClientOptions> = {}) {
  const { server, port } = await listen(handler)
  const { balancer, clock } = await balancerTo([port])
  return { server, clock, rest: createRestClient({ balancer, clock, signToken: () => 'of-the-service', ...options }) }
}

describe('the REST client', () => {
  it('sends JSON with the token of the service, and reads JSON', async () => {
    const { rest, clock } = await clientTo(async (request, reply) => {
      const body = JSON.parse(Buffer.concat(await request.toArray()).toString())
      const { authorization, 'content-type': type } = request.headers
      reply.writeHead(201, { 'content-type': 'application/problem+json; charset=utf-8' })
      reply.end(JSON.stringify({ method: request.method, url: request.url, authorization, type, body }))
    })
    const answer = await rest.request({
      service: 'job-service',
      method: 'POST',
      path: '/internal/jobs/fetch',
      body: { ids: ['ü'] },
    })
    expect(answer.status).toBe(201)
    expect(answer.body).toEqual({
      method: 'POST',
      url: '/internal/jobs/fetch',
      authorization: 'Bearer of-the-service',
      type: 'application/json',
      body: { ids: ['ü'] },
    })
    expect(clock.pending()).toBe(0)
  })

  it('can speak for a user, and takes an answer without a body', async () => {
    const seen: unknown[] = []
    const { rest } = await clientTo((request, reply) => {
      seen.push(request.headers.authorization, request.headers['x-request-id'], request.headers['content-type'])
      reply.writeHead(204).end()
    })
    const answer = await rest.request({
      service: 'job-service',
      method: 'DELETE',
      path: '/jobs/1',
      token: 'of-the-user',
      headers: { 'x-request-id': 'r1' },
    })
    expect(answer).toMatchObject({ status: 204, body: null })
    expect(seen).toEqual(['Bearer of-the-user', 'r1', undefined])
  })

  it('resolves with failures that are answers, rejects when there is none', async () => {
    const { rest } = await clientTo((_request, reply) => reply.writeHead(503).end('later'))
    expect(await rest.request({ service: 'job-service', method: 'GET', path: '/' })).toMatchObject({
      status: 503,
      body: 'later',
    })
    const away = rest.request({ service: 'auth-service', method: 'GET', path: '/' })
    await expect(away).rejects.toMatchObject({ name: 'ServiceCallError', code: 'no-instance' })
  })

  it('keeps its deadline although the answer has begun', async () => {
    const { rest, server, clock } = await clientTo((_request, reply) => {
      reply.writeHead(200, { 'content-type': 'application/json' })
      reply.write('{"data":[')
    })
    const answer = rest.request({ service: 'job-service', method: 'GET', path: '/', deadlineMs: 400 })
    const outcome = expect(answer).rejects.toMatchObject({ code: 'timeout' })
    await new Promise((requested) => server.once('request', requested))
    await clock.advance(400)
    await outcome
    expect(clock.pending()).toBe(0)
  })

  it('refuses answers that are too long, or not the JSON that they say they are', async () => {
    const { rest } = await clientTo(
      (request, reply) => {
        reply.writeHead(200, { 'content-type': 'application/json' })
        reply.end(request.url === '/long' ? JSON.stringify('x'.repeat(200)) : '<html>')
      },
      { maxResponseBytes: 100 },
    )
    const codeOf = { '/long': 'too-large', '/html': 'unreadable' }
    for (const [path, code] of Object.entries(codeOf)) {
      const answer = rest.request({ service: 'job-service', method: 'GET', path })
      await expect(answer).rejects.toMatchObject({ code })
    }
  })
})
