import { describe, expect, it, onTestFinished } from 'vitest'
import { makeWorld } from './world.ts'

const page = 'https://console.example'
const host = { host: '127.0.0.1:8080' }
const preflight = {
  ...host,
  'access-control-request-method': 'PATCH',
  'access-control-request-headers': 'authorization',
}

function open(cors = { origins: [page], maxAgeS: 600 }) {
  const world = makeWorld({ cors })
  onTestFinished(() => world.app.close())
  const { app } = world
  const config = { access: 'user' } as const
  app.get('/jobs', { schema: {}, config }, () => ({}))
  app.patch('/jobs', { schema: {}, config }, () => ({}))
  return world
}

const corsNames = (headers: object) => Object.keys(headers).filter((name) => name.startsWith('access-control'))

describe('pages of other origins', () => {
  it('may read and change where their origin is allowed, without cookies', async () => {
    const { app, bearer } = open()
    for (const method of ['GET', 'PATCH'] as const) {
      const answer = await app.inject({ method, url: '/jobs', headers: { ...host, ...bearer('user'), origin: page } })
      expect([answer.statusCode, answer.headers['access-control-allow-origin']]).toEqual([200, page])
      expect(answer.headers.vary).toBe('origin')
      for (const name of ['ETag', 'Location', 'Link', 'RateLimit', 'Retry-After']) {
        expect(String(answer.headers['access-control-expose-headers']).split(', ')).toContain(name)
      }
      expect(corsNames(answer.headers)).not.toContain('access-control-allow-credentials')
    }
    const refused = await app.inject({ url: '/jobs', headers: { ...host, origin: page } })
    expect([refused.statusCode, refused.headers['access-control-allow-origin']]).toEqual([401, page])
  })

  it('get an answer to their preflight, without a token and on every address', async () => {
    const { app } = open()
    for (const url of ['/jobs', '/api/v1/jobs', '/livez', '/nothing']) {
      const answer = await app.inject({ method: 'OPTIONS', url, headers: { ...preflight, origin: page } })
      expect([answer.statusCode, answer.body]).toEqual([204, ''])
      expect(answer.headers).toMatchObject({
        'access-control-allow-origin': page,
        'access-control-allow-methods': 'GET, HEAD, POST, PUT, PATCH, DELETE',
        'access-control-max-age': '600',
      })
      const headers = String(answer.headers['access-control-allow-headers']).split(', ')
      expect(headers).toEqual(expect.arrayContaining(['authorization', 'content-type', 'idempotency-key', 'if-match']))
    }
  })

  it.each(['https://evil.example', 'https://console.example.evil.example', 'null', 'http://console.example'])(
    'may not where it is another one: %s',
    async (origin) => {
      const { app, bearer } = open()
      const options = await app.inject({ method: 'OPTIONS', url: '/jobs', headers: { ...preflight, origin } })
      expect([options.statusCode, options.headers.allow, corsNames(options.headers)]).toEqual([
        204,
        'GET, HEAD, OPTIONS, PATCH',
        [],
      ])
      const changed = await app.inject({
        method: 'PATCH',
        url: '/jobs',
        headers: { ...host, ...bearer('user'), origin },
      })
      expect([changed.statusCode, corsNames(changed.headers)]).toEqual([403, []])
    },
  )

  it('do not get around the check of Host', async () => {
    const { app } = open()
    const headers = { ...preflight, host: 'evil.example', origin: page }
    const answer = await app.inject({ method: 'OPTIONS', url: '/jobs', headers })
    expect([answer.statusCode, corsNames(answer.headers)]).toEqual([421, []])
  })

  it('are let in by no header at all where none is configured', async () => {
    const { app, bearer } = open({ origins: [], maxAgeS: 600 })
    const answer = await app.inject({ url: '/jobs', headers: { ...host, ...bearer('user'), origin: page } })
    expect([answer.statusCode, answer.headers.vary, corsNames(answer.headers)]).toEqual([200, undefined, []])
  })
})
