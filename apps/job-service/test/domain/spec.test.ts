import { createJobBody, isRefusal, type JobSpec, jobSpec, type Refusal } from '@belfry/contracts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readJobTypes } from '../../src/domain/job-types.ts'
import { type ReadSpec, readSpec, readTiming } from '../../src/domain/spec.ts'
import { jobIdOf, monday } from '../fixtures.ts'
import { typeList, types } from '../job-types.ts'

const context = { createdAt: monday, timezone: 'UTC', jobId: jobIdOf(1) }

function read(body: Record<string, unknown>, more: { timezone?: string } = {}, known = types): ReadSpec | Refusal {
  const parsed = createJobBody.parse({ jobType: 'DUMMY', ...body })
  const timing = readTiming(parsed, { ...context, ...more })
  return isRefusal(timing) ? timing : readSpec(parsed, timing, known)
}

function specOf(body: Record<string, unknown>): JobSpec {
  const answer = read(body)
  if (isRefusal(answer)) throw new Error(JSON.stringify(answer))
  return answer.spec
}

function refusalOf(body: Record<string, unknown>): Refusal {
  const answer = read(body)
  if (!isRefusal(answer)) throw new Error(`was taken: ${JSON.stringify(answer)}`)
  return answer
}

describe('the body of a job', () => {
  it('needs only a type: everything else has a default', () => {
    expect(specOf({})).toEqual({
      name: 'DUMMY',
      jobType: 'DUMMY',
      params: {},
      schedule: { kind: 'manual' },
      policy: {
        retry: { maxRetries: 3, backoff: 'exponential', delayMs: 5000, factor: 2, maxDelayMs: 300_000, jitter: true },
        overlap: { policy: 'allow', limit: 1 },
        timeoutMs: 3_600_000,
        onLostLease: 'rerun',
      },
      isOverlapSet: false,
      priority: 5,
      tags: [],
    })
  })

  it('takes its name from the key, and that from the type', () => {
    expect(specOf({ key: 'job-100' }).name).toBe('job-100')
    expect(specOf({ key: 'job-100', name: 'Sales' }).name).toBe('Sales')
  })

  it.each([
    ['a cron string', { schedule: '*/5 * * * *' }, { kind: 'cron', cron: '*/5 * * * *', timezone: 'UTC' }],
    [
      'a cron with a zone',
      { schedule: { cron: '30 2 * * 1-5', timezone: 'Europe/Berlin' } },
      { kind: 'cron', cron: '30 2 * * 1-5', timezone: 'Europe/Berlin' },
    ],
    ['an alias', { schedule: '@daily' }, { kind: 'cron', cron: '@daily', timezone: 'UTC' }],
    ['@every', { schedule: '@every 90s' }, { kind: 'interval', everyMs: 90_000, anchorAt: monday }],
    ['every', { schedule: { every: '90s' } }, { kind: 'interval', everyMs: 90_000, anchorAt: monday }],
    ['runAt', { runAt: '2026-12-01T09:00:00+01:00' }, { kind: 'once', runAt: Date.UTC(2026, 11, 1, 8) }],
    ['delay', { delay: '10m' }, { kind: 'once', runAt: monday + 600_000 }],
    ['no delay at all', { delay: '0s' }, { kind: 'once', runAt: monday }],
    ['scheduledTime', { scheduledTime: '2026-12-01T09:00:00Z' }, { kind: 'once', runAt: Date.UTC(2026, 11, 1, 9) }],
    ['nothing', { schedule: null, runAt: null }, { kind: 'manual' }],
  ])('reads %s', (_name, body, schedule) => {
    expect(specOf(body).schedule).toEqual(schedule)
  })

  it('reads a time without a zone in the default zone, with a warning', () => {
    const answer = read({ scheduledTime: '2026-12-01T09:00:00' }, { timezone: 'Europe/Berlin' }) as ReadSpec
    expect(answer.spec.schedule).toEqual({ kind: 'once', runAt: Date.UTC(2026, 11, 1, 8) })
    expect(answer.warnings.map((warning) => warning.code)).toEqual(['timezone-assumed'])
    expect(answer.warnings[0]?.detail).toContain('Europe/Berlin')
  })

  it('takes a time in the past, and warns that it runs at once', () => {
    const answer = read({ runAt: '2024-01-01T10:00:00Z' }) as ReadSpec
    expect(answer.spec.schedule).toEqual({ kind: 'once', runAt: Date.UTC(2024, 0, 1, 10) })
    expect(answer.warnings.map((warning) => warning.code)).toEqual(['in-the-past'])
  })

  it('warns when both day fields are restricted', () => {
    const answer = read({ schedule: '0 0 13 * 5' }) as ReadSpec
    expect(answer.warnings.map((warning) => warning.code)).toEqual(['either-day'])
  })

  it('lets recurring jobs skip and the others overlap, unless it has an overlap', () => {
    expect(specOf({ schedule: '@every 1m' }).policy.overlap).toEqual({ policy: 'skip', limit: 1 })
    expect(specOf({ schedule: '@hourly' }).policy.overlap).toEqual({ policy: 'skip', limit: 1 })
    expect(specOf({ delay: '1m' }).policy.overlap).toEqual({ policy: 'allow', limit: 1 })
    const limited = { policy: 'allow', limit: 4 }
    expect(specOf({ schedule: '@hourly', overlap: limited }).policy.overlap).toEqual({ ...limited, isLimited: true })
    const queue = { policy: 'queue', limit: 4 }
    expect(specOf({ schedule: '@hourly', overlap: queue }).policy.overlap).toEqual(queue)
    const allow = { policy: 'allow' }
    expect(specOf({ schedule: '@hourly', overlap: allow }).policy.overlap).toEqual({ policy: 'allow', limit: 1 })
    expect(specOf({ schedule: '@hourly', overlap: { policy: 'skip' } }).isOverlapSet).toBe(true)
    expect(specOf({ schedule: '@hourly' }).isOverlapSet).toBe(false)
  })

  it('takes the options of its schedule, and what becomes of a lost lease', () => {
    const recurring = specOf({ schedule: '@hourly', maxRuns: 2, misfire: { policy: 'skip' }, onLostLease: 'fail' })
    expect(recurring).toMatchObject({
      schedule: { kind: 'cron', maxRuns: 2 },
      misfire: { policy: 'skip', withinMs: 3_600_000, cap: 100 },
      policy: { onLostLease: 'fail' },
    })
    expect(specOf({ delay: '1m', expiresAfter: '5m' })).toMatchObject({ expiresAfterMs: 300_000 })
    expect(jobSpec.parse(recurring)).toEqual(recurring)
  })

  it("takes the timeout from the body, else from the job's type", () => {
    const url = { url: 'https://example.com' }
    expect(specOf({ jobType: 'HTTP_CALL', params: url }).policy.timeoutMs).toBe(30_000)
    expect(specOf({ jobType: 'HTTP_CALL', params: url, timeout: '5s' }).policy.timeoutMs).toBe(5000)
  })

  it('lets a lone delay or maxDelay of retries move the default of the other', () => {
    expect(specOf({ retry: { delay: '10m' } }).policy.retry).toMatchObject({ delayMs: 600_000, maxDelayMs: 600_000 })
    expect(specOf({ retry: { maxDelay: '1s' } }).policy.retry).toMatchObject({ delayMs: 1000, maxDelayMs: 1000 })
  })
})

describe('a body that is refused', () => {
  it.each([
    [{ schedule: '@hourly', runAt: '2026-12-01T09:00:00Z' }, ['/runAt']],
    [
      { runAt: '2026-12-01T09:00:00Z', delay: '1m', scheduledTime: '2026-12-01T09:00:00' },
      ['/delay', '/scheduledTime'],
    ],
    [{ schedule: '61 * * * *' }, ['/schedule']],
    [{ schedule: { cron: '* * * *' } }, ['/schedule/cron']],
    [{ schedule: { cron: '* * * * *', timezone: 'Europe/Berlim' } }, ['/schedule/timezone']],
    [{ schedule: '@every' }, ['/schedule']],
    [{ schedule: '@every 1ms' }, ['/schedule']],
    [{ retry: { delay: '10s', maxDelay: '5s' } }, ['/retry/maxDelay']],
    [{ schedule: '@hourly', expiresAfter: '1m' }, ['/expiresAfter']],
    [{ delay: '1m', maxRuns: 1, retry: { delay: '10s', maxDelay: '5s' } }, ['/maxRuns', '/retry/maxDelay']],
    [{ delay: '1m', schedule: '@hourly', maxRuns: 1 }, ['/delay']],
    [{ schedule: 'never', retry: { delay: '10s', maxDelay: '5s' } }, ['/schedule', '/retry/maxDelay']],
  ])('names every malformed field: %j', (body, pointers) => {
    const refused = refusalOf(body)
    expect(refused.code).toBe('malformed-request')
    expect(refused.errors?.map((issue) => issue.pointer)).toEqual(pointers)
  })

  it.each([
    [{ schedule: '0 0 31 2 *' }, ['/schedule']],
    [{ schedule: { cron: '0 0 30 2 *' } }, ['/schedule/cron']],
    [{ schedule: '@hourly', endAt: '2020-01-01T00:00:00Z' }, ['/endAt']],
    [{ jobType: 'DUMY' }, ['/jobType']],
    [{ params: { durationMs: -1, speed: 1 } }, ['/params/speed', '/params/durationMs']],
    [{ jobType: 'HTTP_CALL' }, ['/params/url']],
    [{ jobType: 'DUMY', schedule: '0 0 31 2 *' }, ['/schedule', '/jobType']],
  ])('names every impossible field: %j', (body, pointers) => {
    const refused = refusalOf(body)
    expect(refused.code).toBe('impossible')
    expect(refused.errors?.map((issue) => issue.pointer)).toEqual(pointers)
  })

  it('suggests the nearest known zone and type', () => {
    expect(refusalOf({ schedule: { cron: '* * * * *', timezone: 'Europe/Berlim' } }).errors?.[0]?.suggestion).toBe(
      'Europe/Berlin',
    )
    expect(refusalOf({ jobType: 'dumy' }).errors?.[0]?.suggestion).toBe('DUMMY')
  })

  it('is too large when its params are, however they were written', () => {
    const refused = refusalOf({ params: { payload: 'x'.repeat(256 * 1024) } })
    expect(refused).toMatchObject({ code: 'too-large', errors: [{ pointer: '/params' }] })
  })

  it('is refused when the zone moves its time out of the years that there are', () => {
    const answer = read({ scheduledTime: '9999-12-31T23:59:59' }, { timezone: 'America/New_York' })
    expect(answer).toMatchObject({ code: 'malformed-request', errors: [{ pointer: '/scheduledTime' }] })
  })
})

describe('any body', () => {
  const durations = fc.constantFrom('1s', '90s', '10m', 'PT1H', '1d')
  const bodies = fc.record(
    {
      name: fc.string({ minLength: 1, maxLength: 20 }).filter((text) => text.trim() !== ''),
      jobType: fc.constantFrom('DUMMY', 'HTTP_CALL', 'NOPE'),
      params: fc.dictionary(fc.string({ maxLength: 5 }), fc.jsonValue(), { maxKeys: 3 }),
      schedule: fc.oneof(
        fc.string({ minLength: 1, maxLength: 30 }),
        fc.constantFrom('@daily', '*/7 3 * * *', '0 0 31 2 *'),
      ),
      delay: durations,
      startAt: fc.constantFrom('2026-01-01T00:00:00Z', '2027-01-01T00:00:00Z'),
      endAt: fc.constantFrom('2026-01-01T00:00:00Z', '2028-01-01T00:00:00Z'),
      maxRuns: fc.integer({ min: 1, max: 9 }),
      jitter: durations,
      misfire: fc.record({ within: durations, cap: fc.integer({ min: 1, max: 9 }) }, { requiredKeys: [] }),
      expiresAfter: durations,
      retry: fc.record({ delay: durations, maxDelay: durations }, { requiredKeys: [] }),
      timeout: durations,
      priority: fc.integer({ min: 1, max: 9 }),
    },
    { requiredKeys: ['jobType'] },
  )

  it('becomes a spec that every service accepts, or a refusal that names its fields', () => {
    fc.assert(
      fc.property(bodies, (body) => {
        const answer = read(body)
        if (!isRefusal(answer)) return jobSpec.parse(answer.spec) !== undefined
        expect(['malformed-request', 'impossible']).toContain(answer.code)
        expect(answer.errors?.length).toBeGreaterThan(0)
        for (const issue of answer.errors ?? []) {
          expect(Object.keys({ ...body, params: 1 })).toContain(issue.pointer.split('/')[1])
        }
      }),
    )
  })
})

describe('the retries of a job type', () => {
  const known = readJobTypes([{ ...typeList[0]!, retry: { maxRetries: 7, delayMs: 100, backoff: 'fixed' } }])

  it('are those of a job that names none, field by field', () => {
    const plain = read({}, {}, known)
    const given = read({ retry: { maxRetries: 1 } }, {}, known)
    const expected = { maxRetries: 7, delayMs: 100, backoff: 'fixed', factor: 2, maxDelayMs: 300_000, jitter: true }
    expect(plain).toMatchObject({ spec: { policy: { retry: expected } } })
    expect(given).toMatchObject({ spec: { policy: { retry: { ...expected, maxRetries: 1 } } } })
  })
})

describe('a command', () => {
  it('is refused with the key to set while no executor may run any', () => {
    const [issue] = refusalOf({ jobType: 'COMMAND', params: { command: 'ls' } }).errors ?? []
    expect(issue).toMatchObject({ pointer: '/jobType', code: 'unknown-job-type' })
    expect(issue?.detail).toContain('BELFRY_EXECUTOR_COMMANDS')
  })
})
