import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import {
  createJobBody,
  executionsQuery,
  jobsQuery,
  loginBody,
  logsQuery,
  pageQuery,
  putJobBody,
  retryBody,
  signupBody,
  triggerBody,
} from '../src/index.ts'

const uuid = '0190f3a0-1234-7abc-8def-0123456789ab'
const minimal = { jobType: 'DUMMY' }

/** The places of a value's issues, as `a.b`; empty when it is valid. */
function issues(schema: z.ZodType, value: unknown): string[] {
  const result = schema.safeParse(value)
  return result.success ? [] : result.error.issues.map((issue) => issue.path.join('.'))
}

/** field | the smallest and greatest that are taken | those beyond */
const caps: [string, unknown[], unknown[]][] = [
  ['name', ['a', 'a'.repeat(200), ` ${'a'.repeat(200)} `], ['', '   ', 'a'.repeat(201), 1, null]],
  ['key', ['a', 'a'.repeat(64), 'job-100'], ['', 'a'.repeat(65), 'A', `job-${uuid}`, null]],
  ['jobType', ['A', 'A'.repeat(100)], ['', 'A'.repeat(101), 1, null, undefined]],
  ['params', [{}, { a: [1] }], [[], null, 'a', 1]],
  ['schedule', ['*', '*'.repeat(128), null], ['', '*'.repeat(129), 5, [], {}, true]],
  [
    'schedule',
    [{ cron: '*' }, { cron: '*'.repeat(128), timezone: 'a'.repeat(64) }],
    [{ cron: '' }, { cron: '*'.repeat(129) }],
  ],
  [
    'schedule',
    [{ cron: '*', timezone: 'A' }],
    [{ cron: '*', timezone: '' }, { cron: '*', timezone: 'a'.repeat(65) }, { timezone: 'UTC' }],
  ],
  [
    'schedule',
    [{ every: '1s' }, { every: '366d' }, { every: 'PT90S' }],
    [{ every: '999ms' }, { every: '367d' }, { every: 90 }, { everyMs: 1000 }],
  ],
  [
    'schedule',
    [],
    [
      { every: '90s', cron: '*' },
      { every: '90s', timezone: 'UTC' },
    ],
  ],
  [
    'runAt',
    ['2026-12-01T09:00:00Z', '1970-01-01T00:00:00Z', null],
    ['2026-12-01', '2026-02-30T00:00:00Z', '1969-12-31T23:59:59Z', 1e12],
  ],
  ['delay', ['0s', '366d'], ['367d', '-1s', '10', 10, null]],
  ['scheduledTime', ['2024-01-01T10:00:00', '2024-01-01T10:00:00Z'], ['2024-01-01', '2024-13-01T10:00:00', 0, null]],
  [
    'retry',
    [{}, { maxRetries: 0 }, { maxRetries: 100 }],
    [{ maxRetries: -1 }, { maxRetries: 101 }, { maxRetries: 1.5 }, { maxRetries: '3' }, null],
  ],
  ['retry', [{ backoff: 'fixed' }, { backoff: 'exponential' }], [{ backoff: 'linear' }, { backoff: '' }]],
  [
    'retry',
    [{ delay: '0s' }, { delay: '366d' }, { maxDelay: '0s' }],
    [{ delay: '367d' }, { maxDelay: '367d' }, { delay: 5 }],
  ],
  [
    'retry',
    [{ factor: 1 }, { factor: 100 }, { jitter: false }],
    [{ factor: 0.9 }, { factor: 100.1 }, { jitter: 1 }, { retries: 3 }],
  ],
  [
    'overlap',
    [{ policy: 'skip' }, { policy: 'allow', limit: 1 }, { policy: 'skip', limit: 1000 }],
    [{}, { policy: 'replace' }, { policy: 'skip', limit: 0 }, { policy: 'skip', limit: 1001 }],
  ],
  ['timeout', ['1s', '24h', 'PT1M'], ['999ms', '86401s', '0s', 60, null]],
  ['priority', [1, 9, 5], [0, 10, 1.5, '5', null]],
  ['tags', [[], ['a'], Array(20).fill('a'.repeat(50))], [Array(21).fill('a'), [''], ['a'.repeat(51)], 'a', [1], null]],
]

const takenCases = caps.flatMap(([field, good]) => good.map((value) => [field, value] as const))
const refusedCases = caps.flatMap(([field, , bad]) => bad.map((value) => [field, value] as const))

describe('the body of a new job', () => {
  it.each(takenCases)('takes %s %j', (field, value) => {
    expect(issues(createJobBody, { ...minimal, [field]: value })).toEqual([])
  })

  it.each(refusedCases)('refuses %s %j, and names the field', (field, value) => {
    const found = issues(createJobBody, { ...minimal, [field]: value })
    expect(found.length).toBeGreaterThan(0)
    for (const path of found) expect(path.split('.')[0]).toBe(field)
  })

  it.each(['calendars', 'ownerId', 'version', 'state'])('does not know %s', (field) => {
    const result = createJobBody.safeParse({ ...minimal, [field]: 1 })
    expect(result.error?.issues).toMatchObject([{ code: 'unrecognized_keys', keys: [field] }])
  })

  it('does not know unknown fields further in either', () => {
    expect(issues(createJobBody, { ...minimal, schedule: { cron: '*', timezon: 'UTC' } })).toEqual(['schedule'])
    expect(issues(createJobBody, { ...minimal, overlap: { policy: 'skip', max: 1 } })).toEqual(['overlap'])
  })

  it('names all issues at once', () => {
    const body = {
      jobType: '',
      priority: 0,
      timeout: 'soon',
      tags: ['', 'a'],
      retry: { maxRetries: 101, delay: 'x' },
      nam: 1,
    }
    const found = issues(createJobBody, body)
    for (const path of ['jobType', 'priority', 'timeout', 'tags.0', 'retry.maxRetries', 'retry.delay', '']) {
      expect(found).toContain(path)
    }
  })

  it('is an object', () => {
    for (const value of [null, [], 'a', 1, undefined]) expect(issues(createJobBody, value)).toEqual([''])
  })

  it('carries times and durations as milliseconds inside', () => {
    const body = {
      ...minimal,
      name: ' nightly ',
      runAt: '2026-12-01T09:00:00+01:00',
      delay: '10m',
      timeout: 'PT1H',
      retry: { delay: '5s' },
    }
    expect(createJobBody.parse(body)).toEqual({
      jobType: 'DUMMY',
      name: 'nightly',
      runAt: Date.UTC(2026, 11, 1, 8),
      delay: 600_000,
      timeout: 3_600_000,
      retry: { delay: 5000 },
    })
  })

  it('loses its key where the path has one', () => {
    expect(issues(putJobBody, minimal)).toEqual([])
    expect(issues(putJobBody, { ...minimal, key: 'a' })).toEqual([''])
  })

  it('describes itself for the OpenAPI document', () => {
    const { $ref, $defs } = z.toJSONSchema(createJobBody, { io: 'input', unrepresentable: 'any' })
    expect($ref).toBe('#/$defs/CreateJobBody')
    const described = $defs?.CreateJobBody
    expect(described?.additionalProperties).toBe(false)
    expect(described?.required).toEqual(['jobType'])
    expect(described?.properties?.params).toMatchObject({ type: 'object', additionalProperties: true })
  })
})

describe('the bodies of sign-up and login', () => {
  it.each(['ab', 'shreyash', 'a.b_c@d+e-f', 'a'.repeat(64)])('take the name %j', (username) => {
    expect(issues(signupBody, { username, password: '12345' })).toEqual([])
  })

  it.each(['', 'a', 'a b', 'a'.repeat(65), 'ä'.repeat(3), 'a\n', '../x', { $ne: null }, null])(
    'refuse the new name %j',
    (username) => {
      expect(issues(signupBody, { username, password: '12345' })).toEqual(['username'])
    },
  )

  it('hold passwords to 1 to 256 characters', () => {
    for (const schema of [signupBody, loginBody]) {
      expect(issues(schema, { username: 'ab', password: 'x' })).toEqual([])
      expect(issues(schema, { username: 'ab', password: 'x'.repeat(256) })).toEqual([])
      expect(issues(schema, { username: 'ab', password: '' })).toEqual(['password'])
      expect(issues(schema, { username: 'ab', password: 'x'.repeat(257) })).toEqual(['password'])
      expect(issues(schema, { username: 'ab', password: { $ne: null } })).toEqual(['password'])
      expect(issues(schema, { username: 'ab', password: 'x', roles: ['admin'] })).toEqual([''])
    }
  })

  it('accept any name for a login', () => {
    expect(issues(loginBody, { username: 'no such name!', password: 'x' })).toEqual([])
  })
})

describe('the body of a trigger', () => {
  it('may be left out', () => {
    for (const value of [undefined, null, {}]) expect(issues(triggerBody, value)).toEqual([])
  })

  it('takes params and a reason', () => {
    expect(issues(triggerBody, { params: {}, reason: 'a'.repeat(500) })).toEqual([])
    expect(issues(triggerBody, { reason: 'a'.repeat(501) })).toEqual(['reason'])
    expect(issues(triggerBody, { params: [] })).toEqual(['params'])
    expect(issues(triggerBody, { force: true })).toEqual([''])
  })
})

describe('a retry policy in a body', () => {
  it('may leave out everything', () => {
    expect(issues(retryBody, {})).toEqual([])
  })
})

describe('the query of a list', () => {
  it('has 50 rows a page by default', () => {
    expect(pageQuery.parse({})).toEqual({ limit: 50 })
    expect(pageQuery.parse({ limit: '200', cursor: 'x' })).toEqual({ limit: 200, cursor: 'x' })
  })

  it.each(['0', '201', '-1', '1.5', 'all', '', 'Infinity', ['1', '2']])('refuses limit %j', (limit) => {
    expect(issues(pageQuery, { limit })).toEqual(['limit'])
  })

  it('refuses what it does not know', () => {
    expect(issues(pageQuery, { offset: '5' })).toEqual([''])
    expect(issues(jobsQuery, { status: 'DONE' })).toEqual(['status.0'])
    expect(issues(executionsQuery, { status: 'PAUSED,SUCCESS' })).toEqual(['status.0'])
    expect(issues(jobsQuery, { cursor: 'x'.repeat(513) })).toEqual(['cursor'])
    expect(issues(jobsQuery, { q: '' })).toEqual(['q'])
    expect(issues(logsQuery, { attempt: '0' })).toEqual(['attempt'])
    expect(issues(jobsQuery, { status: ['FAILED', { toString: 1 }] })).toEqual(['status.1'])
  })

  it('takes what it filters by', () => {
    expect(jobsQuery.parse({ status: 'SUCCESS', jobType: 'REPORT', q: 'daily' })).toMatchObject({
      q: 'daily',
      limit: 50,
    })
    expect(logsQuery.parse({ attempt: '2' })).toEqual({ attempt: 2, limit: 50 })
  })
})
