import { describe, expect, it } from 'vitest'
import { signUp } from '../../proof/caller.ts'
import { useBelfry } from './belfry.ts'

interface Problem {
  errors: { pointer: string }[]
}
interface ApiDocument {
  paths: Record<string, Record<string, { responses: Record<string, unknown> }>>
}

describe('the public surface', () => {
  const belfry = useBelfry()

  it.each([
    ['a port that is none', 'HTTP_CALL', { url: 'http://example.com:99999/' }, '/params/url'],
    ['half an address', 'HTTP_CALL', { url: 'http://[::1' }, '/params/url'],
    ['a body that goes with GET', 'HTTP_CALL', { url: 'http://example.com/', body: 'x' }, '/params/body'],
    [
      'too many headers',
      'HTTP_CALL',
      { url: 'http://example.com/', headers: Object.fromEntries(Array.from({ length: 51 }, (_, n) => [`x-${n}`, ''])) },
      '/params/headers',
    ],
    ['the 30th of February', 'REPORT', { reportType: 'daily-sales', date: '2026-02-30' }, '/params/date'],
  ])('refuses params that no run could take, before the job is made: %s', async (_what, jobType, params, pointer) => {
    const refused = await belfry.user.call<Problem>('POST', '/jobs', { jobType, params, delay: '300d' })
    expect([refused.status, refused.body.errors.map((one) => one.pointer)]).toEqual([422, [pointer]])
    const { data } = (await belfry.user.call<{ data: { key: string }[] }>('GET', '/jobs')).body
    expect(data.filter((job) => job.key !== 'hello')).toEqual([])
  })

  it('takes a key wherever an address takes an id', async () => {
    for (const key of ['.a.', 'a..b', '-']) {
      expect((await belfry.user.call('PUT', `/jobs/${key}`, { jobType: 'DUMMY' })).status, key).toBe(201)
      expect((await belfry.user.call('GET', `/jobs/${key}`)).status, key).toBe(200)
      expect((await belfry.user.call('GET', `/jobs/${key}/status`)).status, key).toBe(200)
    }
    for (const key of ['..a', 'a..', '...']) {
      expect((await belfry.user.call('POST', '/jobs', { jobType: 'DUMMY', key })).status, key).toBe(400)
    }
  })

  it('shows the fire log of a job by id and by key, and to its owner only', async () => {
    const made = await belfry.user.call<{ id: string }>('PUT', '/jobs/logged', { jobType: 'DUMMY', schedule: '@daily' })
    const stranger = await signUp(belfry.url)
    for (const ref of [made.body.id, 'logged']) {
      const log = await belfry.user.call('GET', `/jobs/${ref}/fire-log?limit=5`)
      expect([log.status, log.body]).toEqual([200, { data: [], page: { nextCursor: null, hasMore: false } }])
      expect((await stranger.call('GET', `/jobs/${ref}/fire-log`)).status).toBe(404)
    }
    const { paths } = (await belfry.user.call<ApiDocument>('GET', '/openapi.json')).body
    expect(Object.keys(paths)).toContain('/jobs/{id}/fire-log')
  })

  it('describes every address once, and every answer of its own', async () => {
    const { paths } = (await belfry.user.call<ApiDocument>('GET', '/openapi.json')).body
    const shapes = Object.keys(paths).map((path) => path.replaceAll(/\{[^}]+\}/g, '{}'))
    expect(shapes.length).toBeGreaterThan(10)
    expect(new Set(shapes).size).toBe(shapes.length)
    for (const [path, operations] of Object.entries(paths)) {
      for (const { responses } of Object.values(operations)) {
        expect(Object.keys(responses), path).toContainEqual(expect.stringMatching(/^2\d\d$/))
      }
    }
  })
})
