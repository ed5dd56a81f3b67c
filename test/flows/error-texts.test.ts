import { describe, expect, it } from 'vitest'
import { eventually } from '../../proof/belfry-process.ts'
import { isElsewhere, useBelfry } from './belfry.ts'

interface ValidationIssue {
  pointer: string
  code: string
  detail: string
  suggestion?: string
}
interface Problem {
  code: string
  errors: ValidationIssue[]
}
interface Job {
  id: string
  warnings: { code: string; detail: string }[]
}
interface Execution {
  id: string
  status: string
  error: { code: string; message: string } | null
}

const everyMinute = '* * * * *'
const call = (params: object) => ({ jobType: 'HTTP_CALL', params })

describe('what an error says', () => {
  const belfry = useBelfry({ BELFRY_EXECUTOR_ALLOW_PRIVATE: 'false' })
  const refused = async (body: object, method = 'POST', path = '/jobs') => {
    const answer = await belfry.user.call<Problem>(method, path, body)
    expect(answer.headers.get('content-type')).toContain('application/problem+json')
    return { status: answer.status, issues: answer.body.errors }
  }
  const made = async (body: object) => {
    const { status, body: job } = await belfry.user.call<Job>('POST', '/jobs', body)
    expect(status, JSON.stringify(job)).toBe(201)
    return job
  }

  it.each<[string, object, number, string, string, RegExp, string | undefined]>([
    [
      'a URL without its scheme',
      call({ url: 'example.com/hook' }),
      422,
      '/params/url',
      'bad-format',
      /must begin with "http:\/\/" or "https:\/\/"/,
      'https://example.com/hook',
    ],
    [
      'a local URL without its scheme',
      call({ url: 'localhost:3000/hook' }),
      422,
      '/params/url',
      'bad-format',
      /must begin with "http/,
      'http://localhost:3000/hook',
    ],
    [
      'a URL of another kind',
      call({ url: 'ftp://example.com/' }),
      422,
      '/params/url',
      'bad-format',
      /must begin with "http/,
      undefined,
    ],
    [
      'a GET with a body',
      call({ url: 'https://example.com/', body: { a: 1 } }),
      422,
      '/params/body',
      'wrong-type',
      /cannot be sent with GET or HEAD.*"POST"/,
      undefined,
    ],
    [
      'a delay without a unit',
      { jobType: 'DUMMY', delay: 600 },
      400,
      '/delay',
      'wrong-type',
      /"600s" or "10m" for 600 seconds, "600ms" for 600 milliseconds/,
      '600s',
    ],
    [
      'a delay of digits',
      { jobType: 'DUMMY', delay: '90' },
      400,
      '/delay',
      'bad-format',
      /"90s" for 90 seconds/,
      '90s',
    ],
    [
      'a wait before retries without a unit',
      { jobType: 'DUMMY', retry: { delay: 5 } },
      400,
      '/retry/delay',
      'wrong-type',
      /"5s" for 5 seconds/,
      '5s',
    ],
    [
      'an interval without a unit',
      { jobType: 'DUMMY', schedule: { every: 15 } },
      400,
      '/schedule/every',
      'wrong-type',
      /"15s" for 15 seconds/,
      '15s',
    ],
    [
      'a zone beside the schedule',
      { jobType: 'DUMMY', schedule: everyMinute, timezone: 'Europe/Berlin' },
      400,
      '/timezone',
      'unknown-field',
      /belongs into the schedule: .*"timezone"/,
      'schedule.timezone',
    ],
    [
      'a zone of an interval',
      { jobType: 'DUMMY', schedule: { every: '15s', timezone: 'Europe/Berlin' } },
      400,
      '/schedule/timezone',
      'unknown-field',
      /an interval has no time zone/,
      'schedule.cron',
    ],
    [
      'an interval as text',
      { jobType: 'DUMMY', schedule: 'every 15s' },
      400,
      '/schedule',
      'not-a-cron',
      /\{"every": "15s"\}, or as "@every 15s"/,
      '@every 15s',
    ],
    [
      'an interval in words',
      { jobType: 'DUMMY', schedule: 'every 2 hours' },
      400,
      '/schedule',
      'not-a-cron',
      /\{"every": "2h"\}/,
      '@every 2h',
    ],
    [
      'CRON_TZ',
      { jobType: 'DUMMY', schedule: 'CRON_TZ=Europe/Berlin 0 9 * * *' },
      400,
      '/schedule',
      'not-a-cron',
      /a field of its own/,
      '{"cron":"0 9 * * *","timezone":"Europe/Berlin"}',
    ],
    [
      'TZ',
      { jobType: 'DUMMY', schedule: { cron: 'TZ=UTC 0 9 * * *' } },
      400,
      '/schedule/cron',
      'not-a-cron',
      /a field of its own/,
      '{"cron":"0 9 * * *","timezone":"UTC"}',
    ],
    [
      'attempts',
      { jobType: 'DUMMY', attempts: 3 },
      400,
      '/attempts',
      'unknown-field',
      /"retry": \{"maxRetries": 2\} gives a job up to 3 attempts/,
      'retry.maxRetries',
    ],
    [
      'maxRetries',
      { jobType: 'DUMMY', maxRetries: 3 },
      400,
      '/maxRetries',
      'unknown-field',
      /retries are set in "retry"/,
      'retry.maxRetries',
    ],
    [
      'attempts in retry',
      { jobType: 'DUMMY', retry: { attempts: 3 } },
      400,
      '/retry/attempts',
      'unknown-field',
      /"maxRetries": 2/,
      'maxRetries',
    ],
    ['input', { jobType: 'DUMMY', input: { a: 1 } }, 400, '/input', 'unknown-field', /"params", an object/, 'params'],
  ])('to %s', async (_situation, body, status, pointer, code, detail, suggestion) => {
    const answer = await refused(body)
    expect([answer.status, answer.issues.map((issue) => issue.pointer)]).toEqual([status, [pointer]])
    expect(answer.issues[0]).toMatchObject({ code, detail: expect.stringMatching(detail) })
    expect(answer.issues[0]?.suggestion).toBe(suggestion)
    // The same words by the other way to make a job.
    expect(await refused(body, 'PUT', '/jobs/words')).toEqual(answer)
  })

  it('names all of them in one answer', async () => {
    const body = { jobType: 'DUMMY', schedule: 'every 15s', timezone: 'UTC', attempts: 3, data: {}, timeout: 30 }
    const { status, issues } = await refused(body)
    expect(status).toBe(400)
    expect(issues.map((issue) => issue.pointer).toSorted()).toEqual([
      '/attempts',
      '/data',
      '/schedule',
      '/timeout',
      '/timezone',
    ])
    expect(issues.every((issue) => issue.suggestion !== undefined)).toBe(true)
  })

  it('stays short, however long the body is', async () => {
    const long = 'x'.repeat(8000)
    const bodies = [
      call({ url: long }),
      call({ url: 'https://example.com/', [long]: 1 }),
      { jobType: long, schedule: `CRON_TZ=${long} * * * * *`, [long]: 1, delay: 1e15, tags: [long] },
      { jobType: 'DUMMY', schedule: { cron: `every ${'9'.repeat(100)}s`, timezone: long.slice(0, 64) } },
    ]
    for (const body of bodies) {
      for (const { pointer, detail, suggestion = '' } of (await refused(body)).issues) {
        expect(pointer.length + detail.length + suggestion.length, detail.slice(0, 80)).toBeLessThan(700)
      }
    }
  })

  it('to JSON that is broken: the line, the column, and what is missing', async () => {
    const response = await fetch(`${belfry.url}/jobs`, {
      method: 'POST',
      headers: { authorization: `Bearer ${belfry.user.token}`, 'content-type': 'application/json' },
      body: '{\n  "jobType": "DUMMY",\n  "params": {"durationMs": }\n}',
    })
    const problem = (await response.json()) as Problem
    expect([response.status, problem.code]).toEqual([400, 'malformed-request'])
    expect(problem.errors).toEqual([
      {
        pointer: '',
        code: 'not-json',
        detail: 'is not JSON: at line 3, column 28 a value is expected, but "}" stands there',
      },
    ])
  })

  it('to a run that may not reach a private address: the switch that lets it', async () => {
    const job = await made({ ...call({ url: 'http://127.0.0.1:9/' }), schedule: null })
    expect(job.warnings).toEqual([
      { code: 'private-address', detail: expect.stringContaining('BELFRY_EXECUTOR_ALLOW_PRIVATE=true') },
    ])
    const { body } = await belfry.user.call<Execution>('POST', `/jobs/${job.id}/trigger`)
    const failed = await eventually('the run to fail', async () => {
      const found = await belfry.user.call<Execution>('GET', `/executions/${body.id}`)
      return found.body.status === 'FAILED' ? found.body : undefined
    })
    expect(failed.error?.code).toBe('address-blocked')
    expect(failed.error?.message).toContain('BELFRY_EXECUTOR_ALLOW_PRIVATE=true')
  })
})

describe('what a job is warned about', () => {
  const belfry = useBelfry({ BELFRY_EXECUTOR_ALLOW_PRIVATE: 'false' })
  const warningsOf = async (body: object) => {
    const { status, body: job } = await belfry.user.call<Job>('POST', '/jobs', body)
    expect(status, JSON.stringify(job)).toBe(201)
    const read = await belfry.user.call<Job>('GET', `/jobs/${job.id}`)
    expect(read.body.warnings).toEqual(job.warnings)
    return job.warnings
  }

  it('a job without any schedule runs only when it is triggered', async () => {
    expect(await warningsOf({ jobType: 'DUMMY' })).toEqual([
      { code: 'no-schedule', detail: expect.stringContaining('runs only when it is triggered') },
    ])
    expect(await warningsOf({ jobType: 'DUMMY', schedule: null })).toEqual([])
  })

  it('a zone of one offset does not follow summer time', async () => {
    const schedule = { cron: '0 9 * * *', timezone: 'EST' }
    expect(await warningsOf({ jobType: 'DUMMY', schedule })).toEqual([
      { code: 'fixed-offset-zone', detail: expect.stringContaining('"America/New_York" does') },
    ])
    expect(await warningsOf({ jobType: 'DUMMY', schedule: { ...schedule, timezone: 'America/New_York' } })).toEqual([])
  })

  it.each([
    'http://localhost/',
    'http://127.0.0.1:3000/x',
    'http://10.1.2.3',
    'https://192.168.0.1/',
    'http://172.20.0.1/',
    'http://169.254.169.254/latest',
    'http://[::1]:80/',
    'http://[fd00::1]/',
    'HTTP://App.Localhost?x=1',
  ])('runs that call %s are going to fail', async (url) => {
    const schedule = everyMinute
    const codes = (await warningsOf({ ...call({ url }), schedule })).map((one) => one.code)
    expect(codes).toEqual(['private-address'])
  })

  it.each([
    'https://example.com/127.0.0.1',
    'https://localhost.example.com/',
    'http://172.15.0.1/',
    'http://11.0.0.1/',
  ])('nothing is said about %s', async (url) => {
    expect(await warningsOf({ ...call({ url }), schedule: everyMinute })).toEqual([])
  })
})

describe.skipIf(isElsewhere)('an executor that may reach private addresses', () => {
  const belfry = useBelfry({ BELFRY_EXECUTOR_ALLOW_PRIVATE: 'true' })

  it('has nothing to warn about', async () => {
    const body = { ...call({ url: 'http://127.0.0.1:9/' }), schedule: null }
    expect((await belfry.user.call<Job>('POST', '/jobs', body)).body.warnings).toEqual([])
  })
})
