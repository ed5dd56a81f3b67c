import type { Page, Problem } from '@belfry/contracts'
import { describe, expect, it } from 'vitest'
import { pointersOf, useWorld } from '../world.ts'

/** Values that no field of a job takes, whatever it is. */
const nowhere: unknown[] = [true, 1.5, -1, 1e300, [], [{}], { $ne: null }, { toString: 1 }, '\u0000', '\ud800']
const times = [
  '',
  'yesterday',
  '2026-13-01T00:00:00Z',
  '2026-02-30T00:00:00Z',
  '+010000-01-01T00:00:00Z',
  '12026-01-01T00:00:00Z',
]
const durations = ['', '90', '-5s', '1y', '9999999d', 'P1M', 'Infinity', '1e3s']

const fields: Record<string, unknown[]> = {
  name: [...nowhere, '', '   ', 'x'.repeat(201), null],
  key: [...nowhere, '', 'UPPER', 'a/b', 'x'.repeat(65), 'job-01900000-0000-7000-8000-000000000001', null],
  jobType: [...nowhere, '', 'x'.repeat(101), 'NOPE', 'toString', null],
  params: [...nowhere.filter((value) => typeof value !== 'object' || Array.isArray(value)), 'text', { nope: 1 }, null],
  schedule: [...nowhere, '', 'x'.repeat(129), '* * * *', '60 * * * *', '0 0 31 2 *', '@never', '@every', '@every 0s'],
  runAt: [...nowhere, ...times, '2026-12-01T09:00:00'],
  delay: [...nowhere, ...durations, null],
  scheduledTime: [...nowhere, ...times, null],
  retry: [...nowhere, 'often', null],
  timeout: [...nowhere, ...durations, '999ms', '25h', null],
  overlap: [...nowhere, 'skip', {}, { policy: 'replace' }, { policy: 'skip', limit: 0 }, null],
  priority: [...nowhere.filter((value) => typeof value !== 'string'), 0, 10, '5', null],
  tags: [true, 'a', [1], [''], ['x'.repeat(51)], Array.from({ length: 21 }, () => 'a'), ['\u0000'], null],
}

describe('a malformed body', () => {
  const world = useWorld()
  const count = async () => (await world.call<Page<unknown>>('GET', '/jobs?limit=200')).body.data.length

  const refuses = async (body: unknown, field: string) => {
    const answer = await world.call<Problem>('POST', '/jobs', typeof body === 'string' ? body : JSON.stringify(body))
    const said = `${JSON.stringify(body).slice(0, 200)} -> ${answer.status} ${JSON.stringify(answer.body)}`
    expect([400, 422, 413], said).toContain(answer.status)
    expect(
      pointersOf(answer.body).map((pointer) => pointer.split('/')[1]),
      said,
    ).toContain(field)
  }

  it.each(Object.entries(fields))('is refused with the name of the field: %s', async (field, values) => {
    for (const value of values) await refuses({ jobType: 'DUMMY', [field]: value }, field)
    expect(await count()).toBe(0)
  })

  it('is refused with the issues of its fields and of its schedule together', async () => {
    const body = {
      jobTipe: 'DUMMY',
      priority: 12,
      schedule: '61 * * * *',
      delay: '5s',
      retry: { delay: '2m', maxDelay: '1m' },
    }
    const answer = await world.call<Problem>('POST', '/jobs', JSON.stringify(body))
    expect(answer.status).toBe(400)
    expect(pointersOf(answer.body).toSorted()).toEqual([
      '/delay',
      '/jobTipe',
      '/jobType',
      '/priority',
      '/retry/maxDelay',
      '/schedule',
    ])
    const unread = await world.call<Problem>('POST', '/jobs', JSON.stringify({ ...body, delay: undefined }))
    expect(unread.body.errors).toContainEqual(expect.objectContaining({ pointer: '/schedule', code: 'out-of-range' }))
    const zone = { jobType: 'DUMMY', priority: 0, schedule: { cron: '* * * * *', timezone: 'Europe/Berlim' } }
    const elsewhere = await world.call<Problem>('POST', '/jobs', JSON.stringify(zone))
    expect(elsewhere.body.errors).toContainEqual(expect.objectContaining({ suggestion: 'Europe/Berlin' }))
  })

  it.each([
    ['schedule', { every: '1ms' }],
    ['schedule', { every: 90 }],
    ['schedule', { cron: '* * * * *', zone: 'UTC' }],
    ['schedule', { cron: '* * * * *', timezone: 'Mars/Olympus' }],
    ['schedule', { cron: '* * * * *', timezone: '+01:00' }],
    ['retry', { maxRetries: 101 }],
    ['retry', { maxRetries: -1 }],
    ['retry', { delay: 5 }],
    ['retry', { factor: 0 }],
    ['retry', { backoff: 'random' }],
    ['retry', { tries: 3 }],
    ['overlap', { policy: 'skip', max: 2 }],
    ['params', { durationMs: 1, __proto__x: 1 }],
  ])('is refused with the name of the field: %s %j', async (field, value) => {
    await refuses({ jobType: 'DUMMY', [field]: value }, field)
    expect(await count()).toBe(0)
  })

  it.each(['calendars', 'exclude', 'command', 'executionTime', 'ownerId', 'id', 'version', 'state'])(
    'has no field %s yet',
    async (field) => {
      await refuses({ jobType: 'DUMMY', [field]: '1' }, field)
    },
  )

  it('suggests the field that was meant, and names all issues at once', async () => {
    const { body } = await world.call<Problem>('POST', '/jobs', {
      jobType: 'DUMMY',
      shedule: '* * * * *',
      priority: 99,
    })
    expect(pointersOf(body).sort()).toEqual(['/priority', '/shedule'])
    expect(body.errors?.find((issue) => issue.pointer === '/shedule')?.suggestion).toBe('schedule')
  })

  it.each([
    [{ schedule: 'bad bad', delay: '1s' }, ['/delay', '/schedule']],
    [{ schedule: { cron: '0 0 * *', timezone: 'Nope' } }, ['/schedule/cron', '/schedule/timezone']],
    [{ schedule: { cron: '@every 90s', timezone: 'Nope' } }, ['/schedule/timezone']],
  ])('is refused with all issues of its schedule at once: %j', async (schedule, pointers) => {
    const { status, body } = await world.call<Problem>('POST', '/jobs', { jobType: 'DUMMY', ...schedule })
    expect([status, pointersOf(body).sort()]).toEqual([400, pointers])
  })

  it.each(['__proto__', 'constructor'])('cannot reach a prototype by %s', async (name) => {
    const evil = `{"${name}":{"prototype":{"polluted":true},"polluted":true}}`
    for (const body of [
      `{"jobType":"DUMMY",${evil.slice(1)}`,
      `{"jobType":"DUMMY","params":${evil}}`,
      `{"jobType":"DUMMY","params":{"payload":${evil}}}`,
      `{"jobType":"DUMMY","retry":${evil}}`,
      `{"jobType":"DUMMY","schedule":${evil}}`,
    ]) {
      expect((await world.call('POST', '/jobs', body)).status, body).toBe(400)
    }
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
    expect(await count()).toBe(0)
  })

  it.each([
    ['{', 400],
    ['"text"', 400],
    ['[]', 400],
    ['null', 400],
    ['', 400],
    [`{"jobType":"DUMMY","params":{"payload":${'['.repeat(5000)}${']'.repeat(5000)}}}`, 400],
    [`{"jobType":"DUMMY","params":{"payload":"${'x'.repeat(256 * 1024)}"}}`, 413],
  ])('is no job: %s', async (body, status) => {
    expect((await world.call('POST', '/jobs', body)).status).toBe(status)
    expect(await count()).toBe(0)
  })

  it('is refused by PUT and by a trigger all the same', async () => {
    for (const body of ['{', '[]', '{"jobType":"NOPE"}', '{"jobType":"DUMMY","key":"a"}', '{}']) {
      expect([400, 422]).toContain((await world.call('PUT', '/jobs/some-key', body)).status)
    }
    expect(await count()).toBe(0)
    const made = await world.call('PUT', '/jobs/some-key', { jobType: 'DUMMY' })
    expect(made.status).toBe(201)
    for (const body of [
      '{',
      '[]',
      '{"params":[]}',
      '{"param":{}}',
      '{"reason":1}',
      `{"reason":"${'x'.repeat(501)}"}`,
    ]) {
      expect((await world.call('POST', '/jobs/some-key/trigger', body)).status, body).toBe(400)
    }
    expect((await world.call('POST', '/jobs/some-key/cancel', '{"force":true}')).status).toBe(400)
    const { body } = await world.call<Page<unknown>>('GET', '/executions')
    expect(body.data).toEqual([])
  })

  it.each([
    '/jobs/%00',
    '/jobs/%ff',
    `/jobs/${'x'.repeat(65)}`,
    `/jobs/${'x'.repeat(500)}`,
    '/jobs/..%2f..%2fetc',
    "/jobs/'%20OR%201=1",
    '/jobs/JOB-01900000-0000-7000-8000-000000000001',
    '/executions/exe',
    '/executions/%F0%9F%94%94',
    `/executions/exe-${'z'.repeat(50)}-01900000-0000-7000-8000-000000000001`,
  ])('no address is made of nonsense: %s', async (path) => {
    for (const rest of ['', '/status', '/executions']) {
      const { status } = await world.call('GET', path + rest)
      expect([400, 404]).toContain(status)
    }
    for (const rest of ['/trigger', '/cancel'])
      expect([400, 404]).toContain((await world.call('POST', path + rest)).status)
    // Executions are not written to at all: there the address takes no PUT.
    expect([400, 404, 405]).toContain((await world.call('PUT', path, { jobType: 'DUMMY' })).status)
  })
})
