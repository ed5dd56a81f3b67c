import { describe, expect, it } from 'vitest'
import {
  envelope,
  isRecurring,
  isRefusal,
  jobExecuteMessage,
  jobStatusMessage,
  problem,
  problems,
  refusal,
  scheduleSpec,
  topics,
} from '../src/index.ts'

describe('the table of problems', () => {
  it.each(Object.entries(problems))(
    '%s is a kebab-case code with a status and a sentence',
    (code, { status, title }) => {
      expect(code).toMatch(/^[a-z]+(-[a-z]+)*$/)
      expect(status).toBeGreaterThanOrEqual(400)
      expect(status).toBeLessThan(600)
      expect(title).toMatch(/^[A-Z].*[^.]$/)
    },
  )

  it('calls retryable what may go well later: our own failures, slow requests, limits, and a request in flight', () => {
    for (const [code, { status, retryable }] of Object.entries(problems)) {
      // 501 is about the request: no later one will find the method there.
      const isOurs = status >= 500 && status !== 501
      expect(retryable, code).toBe(isOurs || [408, 429].includes(status) || code === 'request-in-flight')
    }
  })

  it('has a title of its own for each', () => {
    const titles = Object.values(problems).map((entry) => entry.title)
    expect(new Set(titles).size).toBe(titles.length)
  })

  it('has every status that the API promises', () => {
    const statuses = new Set<number>(Object.values(problems).map((entry) => entry.status))
    for (const status of [400, 401, 403, 404, 405, 408, 409, 413, 415, 421, 422, 429, 431, 500, 501, 502, 503, 504]) {
      expect(statuses).toContain(status)
    }
  })

  it('is distinguished from other values by its kind', () => {
    expect(isRefusal(refusal('not-found', 'There is no job "x"'))).toBe(true)
    expect(refusal('unavailable', 'x', { retryAfterS: 5 })).toEqual({
      kind: 'refusal',
      code: 'unavailable',
      detail: 'x',
      retryAfterS: 5,
    })
    for (const value of [null, undefined, 'refused', {}, [], 1]) expect(isRefusal(value)).toBe(false)
  })

  it('gives a body that leaves out what it has not got', () => {
    const body = {
      type: '/problems/not-found',
      title: problems['not-found'].title,
      status: 404,
      detail: 'x',
      code: 'not-found',
      requestId: 'r',
      retryable: false,
    }
    expect(problem.parse(body)).toEqual(body)
  })
})

const policy = {
  retry: { maxRetries: 3, backoff: 'exponential', delayMs: 5000, factor: 2, maxDelayMs: 300_000, jitter: true },
  overlap: { policy: 'skip', limit: 1 },
  timeoutMs: 3_600_000,
  onLostLease: 'rerun',
} as const

const command = {
  jobId: 'job-1',
  jobType: 'DUMMY',
  executionId: 'exe-1',
  version: 1,
  cause: 'schedule',
  fireAt: 1,
  params: {},
  policy,
  priority: 5,
  expiresAt: null,
  ownerId: 'usr-1',
  plannedAt: 0,
} as const

const status = {
  executionId: 'exe-1',
  jobId: 'job-1',
  ownerId: 'usr-1',
  jobType: 'DUMMY',
  version: 1,
  cause: 'schedule',
  seq: 1,
  state: 'ready',
  fireAt: 1,
  runAt: 1,
  epoch: 0,
  attempts: [],
  failures: 0,
  losses: 0,
  cancelRequested: false,
  blockedBy: null,
  retryOf: null,
  result: null,
  error: null,
  artifacts: [],
  timeline: {
    plannedAt: 0,
    sentAt: null,
    admittedAt: null,
    startedAt: null,
    endedAt: null,
    topic: null,
    partition: null,
    offset: null,
  },
} as const

describe('the messages', () => {
  it('begin a command with the job and its type, as other systems expect', () => {
    const text = JSON.stringify(jobExecuteMessage.parse(command))
    expect(text.startsWith('{"jobId":"job-1","jobType":"DUMMY",')).toBe(true)
  })

  it.each([
    ['version', 0],
    ['version', 1.5],
    ['cause', 'whim'],
    ['fireAt', '2026-01-01T00:00:00Z'],
    ['fireAt', 8_640_000_000_000_001],
    ['priority', 10],
    ['params', []],
    ['expiresAt', undefined],
    ['policy', { ...policy, timeoutMs: 0 }],
    ['policy', { ...policy, timeoutMs: Number.MAX_SAFE_INTEGER }],
    ['extra', 1],
  ])('refuse a command whose %s is %j', (field, value) => {
    expect(jobExecuteMessage.safeParse({ ...command, [field]: value }).success).toBe(false)
  })

  it.each([
    ['seq', 0],
    ['epoch', -1],
    ['state', 'SUCCESS'],
    ['runAt', -8_640_000_000_000_001],
    ['extra', 1],
  ])('refuse a status whose %s is %j', (field, value) => {
    expect(jobStatusMessage.safeParse(status).success).toBe(true)
    expect(jobStatusMessage.safeParse({ ...status, [field]: value }).success).toBe(false)
  })

  it('distinguish a dead execution from bytes that cannot be read', () => {
    const letters = topics['job-dead-letter']
    const poison = { kind: 'poison', topic: 'job-execute', partition: 0, offset: '7', reason: 'x', raw: 'AA==' }
    expect(letters.safeParse(poison).success).toBe(true)
    expect(letters.safeParse({ kind: 'execution', jobId: 'job-1', execution: status }).success).toBe(true)
    expect(letters.safeParse({ ...poison, kind: 'execution' }).success).toBe(false)
  })

  it('travel in an envelope that names one of the four topics', () => {
    const wrapped = {
      version: 1,
      id: 'x',
      type: 'job-status',
      time: 1,
      traceparent: null,
      sender: 'executor-service/1',
      hmac: null,
    }
    expect(envelope.parse(wrapped)).toEqual(wrapped)
    expect(Object.keys(topics)).toEqual(['job-changes', 'job-execute', 'job-status', 'job-dead-letter'])
    for (const change of [{ type: 'job-other' }, { version: 2 }, { time: 1.5 }, { key: 'x' }]) {
      expect(envelope.safeParse({ ...wrapped, ...change }).success).toBe(false)
    }
  })
})

describe('a normalised schedule', () => {
  it.each([
    [{ kind: 'cron', cron: '* * * * *', timezone: 'UTC' }, true],
    [{ kind: 'interval', everyMs: 1, anchorAt: 0 }, true],
    [{ kind: 'once', runAt: 0 }, false],
    [{ kind: 'manual' }, false],
  ])('%j recurs: %j', (schedule, recurring) => {
    expect(isRecurring(scheduleSpec.parse(schedule))).toBe(recurring)
  })

  it.each([
    { kind: 'cron', cron: '*'.repeat(129), timezone: 'UTC' },
    { kind: 'interval', everyMs: 0, anchorAt: 0 },
    { kind: 'interval', everyMs: 1.5, anchorAt: 0 },
    { kind: 'once', runAt: '2026-01-01T00:00:00Z' },
    { kind: 'manual', cron: '*' },
    { kind: 'sometimes' },
  ])('is not %j', (schedule) => {
    expect(scheduleSpec.safeParse(schedule).success).toBe(false)
  })
})
