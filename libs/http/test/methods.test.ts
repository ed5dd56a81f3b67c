import { connect } from 'node:net'
import type { Problem } from '@belfry/contracts'
import { describe, expect, it, onTestFinished } from 'vitest'
import { makeWorld } from './world.ts'

function open() {
  const world = makeWorld()
  onTestFinished(() => world.app.close())
  const { app } = world
  const route = { schema: {}, config: { access: 'user' } } as const
  app.get('/jobs', route, () => ({}))
  app.post('/jobs', route, () => ({}))
  app.post('/jobs/batch', route, () => ({}))
  app.put('/jobs/:id', route, () => ({}))
  app.delete('/internal/rows', { schema: {}, config: { access: 'service' } }, () => ({}))
  return world
}

type Method = 'DELETE' | 'OPTIONS' | 'PATCH'

describe('OPTIONS', () => {
  it.each([
    ['/jobs', 'GET, HEAD, OPTIONS, POST'],
    ['/jobs?limit=2', 'GET, HEAD, OPTIONS, POST'],
    ['/%6aobs', 'GET, HEAD, OPTIONS, POST'],
    ['/jobs/job-1', 'OPTIONS, PUT'],
    ['/jobs/batch', 'OPTIONS, POST, PUT'],
    ['/internal/rows', 'DELETE, OPTIONS'],
    ['/livez', 'GET, HEAD, OPTIONS'],
  ])('on %s says what it takes, to every caller, and lets no other origin in', async (url, allow) => {
    const { app } = open()
    const headers = { origin: 'https://evil.example', 'access-control-request-method': 'POST' }
    const answer = await app.inject({ method: 'OPTIONS', url, headers })
    expect([answer.statusCode, answer.headers.allow, answer.body]).toEqual([204, allow, ''])
    expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control'))).toEqual([])
    const wrong = await app.inject({ method: 'PATCH', url })
    expect([wrong.statusCode, wrong.headers.allow]).toEqual([405, allow])
  })

  it.each(['/nothing', '/jobs/a/b', `/jobs/${'x'.repeat(201)}`, '/jobs/', '/%zz'])('on %s is 404', async (url) => {
    const { app } = open()
    for (const method of ['OPTIONS', 'DELETE', 'PATCH'] as Method[]) {
      const answer = await app.inject({ method, url })
      expect([answer.statusCode, answer.headers.allow], method).toEqual([url === '/%zz' ? 400 : 404, undefined])
    }
  })
})

describe('a method that no address takes', () => {
  it.each(['TRACE', 'PROPFIND', 'QUERY'])('%s is 501', async (method) => {
    const { app } = open()
    const address = new URL(await app.listen({ port: 0, host: '127.0.0.1' }))
    const socket = connect(Number(address.port), address.hostname)
    socket.end(`${method} /jobs HTTP/1.1\r\nhost: ${address.host}\r\nconnection: close\r\n\r\n`)
    const text = Buffer.concat(await socket.toArray()).toString()
    expect(text).toMatch(/^HTTP\/1\.1 501 /)
    expect((JSON.parse(text.slice(text.indexOf('{'))) as Problem).code).toBe('not-implemented')
  })
})
