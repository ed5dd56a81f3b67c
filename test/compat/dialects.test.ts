import { describe, expect, it } from 'vitest'
import { createCaller } from '../../proof/caller.ts'
import { useBelfry } from '../flows/belfry.ts'
import { openEvents, type ReadEvent } from '../flows/event-reader.ts'

interface ApiDocument {
  paths: Record<string, Record<string, unknown>>
}

const prefixes = ['/v1', '/api', '/api/v1']

/** Values for the parts of an address. */
const parts: Readonly<Record<string, string>> = { type: 'DUMMY', name: 'report.csv' }

function addressOf(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, (_, name: string) => parts[name] ?? 'job-100')
}

describe('every route of the API', () => {
  const belfry = useBelfry()

  it('takes the same methods under each prefix, and needs the same token', async () => {
    const { paths } = (await belfry.user.call<ApiDocument>('GET', '/openapi.json')).body
    const anonymous = createCaller(belfry.url, null)
    expect(Object.keys(paths).length).toBeGreaterThan(20)
    for (const [path, operations] of Object.entries(paths)) {
      const address = addressOf(path)
      const canonical = await anonymous.call('OPTIONS', address)
      expect(canonical.status, path).toBe(204)
      const allow = canonical.headers.get('allow')
      for (const method of Object.keys(operations)) expect(allow?.split(', '), path).toContain(method.toUpperCase())
      const isClosed = 'get' in operations && (await anonymous.call('GET', address)).status === 401
      for (const prefix of prefixes) {
        const options = await anonymous.call('OPTIONS', prefix + address)
        expect([options.status, options.headers.get('allow')], prefix + path).toEqual([204, allow])
        if (!isClosed) continue
        const refused = await anonymous.call('GET', prefix + address)
        expect([refused.status, refused.body.success], prefix + path).toEqual([
          401,
          prefix === '/api/v1' ? false : undefined,
        ])
      }
    }
  })

  it('makes a thing once for one Idempotency-Key, whichever prefix the repetition has', async () => {
    const headers = { 'idempotency-key': 'moved-to-another-prefix' }
    const body = { jobType: 'DUMMY' }
    const made = await belfry.user.call<{ id: string }>('POST', '/jobs', body, headers)
    for (const prefix of prefixes) {
      const again = await belfry.user.call('POST', `${prefix}/jobs`, body, headers)
      expect([again.status, again.headers.get('idempotency-replayed')]).toEqual([201, 'true'])
      expect(again.headers.get('location')).toBe(`${prefix}/jobs/${made.body.id}`)
    }
  })

  it('streams the same events under each prefix, without an envelope', async () => {
    const streams = await Promise.all(['', ...prefixes].map((prefix) => openEvents(belfry.user, `${prefix}/events`)))
    const { body } = await belfry.user.call<{ id: string }>('POST', '/jobs', { jobType: 'DUMMY' })
    const isOfJob = ({ data }: ReadEvent) => data.jobId === body.id
    const found = await Promise.all(streams.map((stream) => stream.until(isOfJob)))
    for (const stream of streams) stream.cut()
    for (const { event, data } of found) expect([event, data]).toEqual(['job', found[0]?.data])
    expect(found[0]?.data).toMatchObject({ jobId: body.id, change: 'create', version: 1 })
  })

  it('is described once', async () => {
    const { paths } = (await belfry.user.call<ApiDocument>('GET', '/openapi.json')).body
    expect(Object.keys(paths).filter((path) => /^\/(v1|api)(\/|$)/.test(path))).toEqual([])
  })

  it('links to addresses under its own prefix, each of which is there', async () => {
    for (const prefix of ['', ...prefixes]) {
      const path = `${prefix}/jobs`
      const made = await belfry.user.call<{ data?: { links: object }; links: object }>('POST', path, {
        jobType: 'DUMMY',
      })
      const { links } = made.body.data ?? made.body
      const location = made.headers.get('location') ?? ''
      expect(location.startsWith(`${prefix}/jobs/job-`)).toBe(true)
      for (const link of [location, ...Object.values(links)]) {
        expect(link.startsWith(`${prefix}/jobs/`), link).toBe(true)
        expect((await belfry.user.call('OPTIONS', link)).status, link).toBe(204)
      }
      const page = await belfry.user.call('GET', `${path}?limit=1`)
      const next = /^<([^>]+)>; rel="next"$/.exec(page.headers.get('link') ?? '')?.[1]
      if (prefix !== '') expect(next).toMatch(new RegExp(`^${prefix}/jobs\\?`))
    }
  })
})
