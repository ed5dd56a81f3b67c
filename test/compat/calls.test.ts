import { describe, expect, it } from 'vitest'
import { eventually } from '../../proof/belfry-process.ts'
import { createCaller, signUp } from '../../proof/caller.ts'
import { isElsewhere, useBelfry } from '../flows/belfry.ts'

/** An answer of the dialect `/api/v1`. */
interface Enveloped<T = Record<string, unknown>> {
  success: boolean
  message: string
  data: T
}
interface OldJob {
  jobId: string
  status: string
  version: number
  scheduledTime: string | null
  params: Record<string, unknown>
  warnings: { code: string }[]
}
interface OldExecution {
  executionId: string
  jobId: string
  status: string
}

const later = '2031-01-01T10:00:00'

describe('calls that must keep working', () => {
  const belfry = useBelfry()

  /** A job by `/api/v1`, with the body of the seeds' own. */
  async function makeJob(changed: object = {}): Promise<OldJob> {
    const body = { name: 'nightly', jobType: 'DUMMY', payload: null, scheduledTime: later, ...changed }
    const made = await belfry.user.call<Enveloped<OldJob>>('POST', '/api/v1/jobs', body)
    expect(made.status, JSON.stringify(made.body)).toBe(201)
    return made.body.data
  }

  const statusOf = async (id: string) =>
    (await belfry.user.call<{ status: string }>('GET', `/api/jobs/${id}/status`)).body.status

  const becomes = (id: string, status: string) =>
    eventually(`${id} to be ${status}`, async () => ((await statusOf(id)) === status ? true : undefined))

  const setState = (id: string, state: string) =>
    belfry.user.call<Enveloped<OldJob> & { allowed?: string[] }>('PATCH', `/api/v1/jobs/${id}/state`, { state })

  it.each(['', '/api'])(
    'POST %s/auth/signup {"username":"shreyash","password":"12345"} and POST /auth/login',
    async (at) => {
      const anonymous = createCaller(belfry.url, null)
      const body = { username: `shreyash${at.slice(1)}`, password: '12345' }
      const signup = await anonymous.call<{ id: string; warnings: unknown[] }>('POST', `${at}/auth/signup`, body)
      if (belfry.mode !== 'standalone') {
        expect([400, 409, 422]).toContain(signup.status)
        return
      }
      expect(signup.status).toBe(201)
      expect(signup.body.warnings).not.toEqual([])
      const login = await anonymous.call<{ token: string }>('POST', `${at}/auth/login`, body)
      expect([login.status, typeof login.body.token]).toEqual([200, 'string'])
      const me = await createCaller(belfry.url, login.body.token).call('GET', `${at}/auth/me`)
      expect([me.status, me.body.username]).toEqual([200, body.username])
    },
  )

  it('POST /jobs {"jobType":"REPORT","schedule":"*/5 * * * *","params":{"reportType":"daily-sales"}}, GET /jobs/job-100/status', async () => {
    const body = { jobType: 'REPORT', schedule: '*/5 * * * *', params: { reportType: 'daily-sales' } }
    const made = await belfry.user.call<{ id: string }>('POST', '/jobs', body)
    expect(made.status).toBe(201)
    expect((await belfry.user.call('GET', `/jobs/${made.body.id}/status`)).body).toMatchObject({ jobId: made.body.id })
    expect((await belfry.user.call('POST', '/jobs', { ...body, key: 'job-100' })).status).toBe(201)
    const status = await belfry.user.call('GET', '/jobs/job-100/status')
    expect([status.status, status.body.key]).toEqual([200, 'job-100'])
  })

  it('POST /api/v1/jobs {"name","jobType":"DUMMY","payload":null,"scheduledTime":"2024-01-01T10:00:00"}', async () => {
    const body = { name: 'old', jobType: 'DUMMY', payload: null, scheduledTime: '2024-01-01T10:00:00' }
    const made = await belfry.user.call<Enveloped<OldJob>>('POST', '/api/v1/jobs', body)
    expect(made.status).toBe(201)
    expect(made.body).toMatchObject({ success: true, message: 'Created' })
    const { jobId, status, version, scheduledTime, warnings } = made.body.data
    expect(jobId).toMatch(/^job-/)
    expect({ status, version, scheduledTime }).toEqual({
      status: 'CREATED',
      version: 0,
      scheduledTime: body.scheduledTime,
    })
    expect(warnings.map(({ code }) => code)).toEqual(['timezone-assumed', 'in-the-past'])
    await becomes(jobId, 'SUCCESS')
  })

  it.each([
    ['an object', { a: 1 }, { a: 1 }],
    ['JSON', '{"a":1}', { a: 1 }],
    ['a text', 'a: 1', 'a: 1'],
  ])('payload as %s becomes params.payload', async (_what, payload, kept) => {
    expect((await makeJob({ payload })).params).toEqual({ payload: kept })
    const made = await belfry.user.call('POST', '/jobs', { jobType: 'DUMMY', payload, scheduledTime: later })
    expect([made.status, made.body.params]).toEqual([201, { payload: kept }])
  })

  it('GET /api/v1/jobs/:id', async () => {
    const { jobId } = await makeJob()
    const found = await belfry.user.call<Enveloped<OldJob>>('GET', `/api/v1/jobs/${jobId}`)
    expect(found.body).toMatchObject({
      success: true,
      message: 'OK',
      data: { jobId, version: 0, scheduledTime: later },
    })
    const missing = await belfry.user.call('GET', '/api/v1/jobs/other')
    expect(missing.body).toMatchObject({ success: false, status: 404, type: '/problems/not-found' })
    expect(missing.body.message).toBe(missing.body.detail)
  })

  it('PATCH /api/v1/jobs/:id/state: PAUSED, SCHEDULED again, no change, CANCELLED', async () => {
    const { jobId } = await makeJob()
    const paused = await setState(jobId, 'PAUSED')
    expect([paused.status, paused.body.data.status, paused.body.data.version]).toEqual([200, 'PAUSED', 1])
    const resumed = await setState(jobId, 'SCHEDULED')
    expect([resumed.status, resumed.body.data.version]).toEqual([200, 2])
    await becomes(jobId, 'SCHEDULED')
    const same = await setState(jobId, 'SCHEDULED')
    expect([same.status, same.body.data.version]).toEqual([200, 2])
    const cancelled = await setState(jobId, 'CANCELLED')
    expect([cancelled.status, cancelled.body.data.status]).toEqual([200, 'CANCELLED'])
  })

  it('PATCH /api/v1/jobs/:id/state {"state":"SCHEDULED"} of a FAILED job makes a new execution', async () => {
    const params = { durationMs: 0, fail: 1 }
    const failing = { params, payload: undefined, retry: { maxRetries: 0 }, scheduledTime: '2024-01-01T10:00:00' }
    const { jobId } = await makeJob(failing)
    await becomes(jobId, 'FAILED')
    const again = await setState(jobId, 'SCHEDULED')
    expect(again.status).toBe(202)
    const list = await belfry.user.call<Enveloped<OldExecution[]>>('GET', `/api/v1/executions/job/${jobId}`)
    expect(list.body.data).toHaveLength(2)
    expect(again.headers.get('location')).toBe(`/api/v1/executions/${list.body.data[0]?.executionId}`)
  })

  it.each(['RUNNING', 'SUCCESS', 'FAILED'])(
    'PATCH /api/v1/jobs/:id/state {"state":"%s"}: 409 with the allowed ones',
    async (state) => {
      const { jobId } = await makeJob()
      const refused = await setState(jobId, state)
      expect(refused.status).toBe(409)
      expect(refused.body).toMatchObject({ success: false, allowed: ['SCHEDULED', 'PAUSED', 'CANCELLED'] })
      expect(refused.body.message).toContain('SCHEDULED, PAUSED, CANCELLED')
    },
  )

  it('GET /api/v1/jobs/ready-to-schedule', async () => {
    const made = await makeJob()
    const { body } = await belfry.user.call<Enveloped<OldJob[]>>('GET', '/api/v1/jobs/ready-to-schedule')
    // The relay may have been faster.
    expect(body.success).toBe(true)
    for (const job of body.data) expect(job.status).toBe('CREATED')
    await becomes(made.jobId, 'SCHEDULED')
    const after = await belfry.user.call<Enveloped<OldJob[]>>('GET', '/api/v1/jobs/ready-to-schedule')
    expect(after.body.data.map(({ jobId }) => jobId)).not.toContain(made.jobId)
  })

  it('GET /api/v1/jobs/ready-to-run', async () => {
    const user = await signUp(belfry.url)
    const made = await user.call<{ id: string }>('POST', '/jobs', { jobType: 'DUMMY', delay: '2s' })
    const ready = await eventually('an execution within the look-ahead', async () => {
      const { body } = await user.call<Enveloped<OldExecution[]>>('GET', '/api/v1/jobs/ready-to-run')
      return body.data.find(({ jobId }) => jobId === made.body.id)
    })
    expect(ready).toMatchObject({ status: 'SCHEDULED', executionId: expect.stringMatching(/^exe-/) })
  })

  it('GET /api/v1/executions, /api/v1/executions/job/:jobId, /api/v1/executions/:id', async () => {
    const { jobId } = await makeJob({ scheduledTime: '2024-01-01T10:00:00' })
    await becomes(jobId, 'SUCCESS')
    const lists = ['/api/v1/executions', `/api/v1/executions/job/${jobId}`]
    for (const list of lists) {
      const { body } = await belfry.user.call<Enveloped<OldExecution[]>>('GET', list)
      const mine = body.data.find((one) => one.jobId === jobId)
      expect(mine, list).toMatchObject({ status: 'SUCCESS', executionId: expect.stringMatching(/^exe-/) })
      const one = await belfry.user.call<Enveloped<OldExecution>>('GET', `/api/v1/executions/${mine?.executionId}`)
      expect(one.body.data).toMatchObject({ executionId: mine?.executionId, jobId, status: 'SUCCESS' })
    }
  })

  it('POST /api/v1/scheduler/scan', async () => {
    const scan = await belfry.user.call<Enveloped>('POST', '/api/v1/scheduler/scan')
    expect(scan.body).toMatchObject({ success: true, data: { advanced: expect.any(Number) } })
    expect(scan.headers.get('ratelimit-policy')).toContain('"user"')
  })

  it('POST /api/jobs, GET /api/jobs, POST /api/jobs/:id/trigger, GET /api/jobs/:id/status', async () => {
    const made = await belfry.user.call<{ id: string; links: { self: string } }>('POST', '/api/jobs', {
      jobType: 'DUMMY',
      params: { durationMs: 0 },
    })
    const { id, links } = made.body
    expect([made.status, made.headers.get('location'), links.self]).toEqual([201, `/api/jobs/${id}`, `/api/jobs/${id}`])
    const list = await belfry.user.call<{ data: { id: string }[] }>('GET', '/api/jobs?limit=200')
    expect(list.body.data.map((job) => job.id)).toContain(id)
    const triggered = await belfry.user.call<{ id: string }>('POST', `/api/jobs/${id}/trigger`)
    expect([triggered.status, triggered.headers.get('location')]).toEqual([202, `/api/executions/${triggered.body.id}`])
    expect(triggered.headers.get('ratelimit-policy')).toContain('"trigger"')
    expect((await belfry.user.call('GET', `/api/jobs/${id}/status`)).body).toMatchObject({ jobId: id })
    await becomes(id, 'SUCCESS')
  })

  it('{"command", "executionTime"} on POST /jobs', async () => {
    const body = { command: 'backup', executionTime: later }
    for (const path of ['/jobs', '/api/jobs', '/api/v1/jobs']) {
      const refused = await belfry.user.call<{ errors: object[] }>('POST', path, body)
      expect(refused.status, path).toBe(422)
      expect(refused.body.errors).toMatchObject([{ pointer: '/jobType', code: 'unknown-job-type' }])
      expect(JSON.stringify(refused.body)).toContain('BELFRY_EXECUTOR_COMMANDS')
    }
  })

  it.each(['/swagger-ui.html', '/swagger-ui/index.html'])('%s leads to the docs', async (path) => {
    const answer = await createCaller(belfry.url, null).call('GET', path)
    expect([answer.status, answer.headers.get('location')]).toEqual([302, '/docs'])
  })

  it('/actuator/health, /actuator/metrics, /actuator/prometheus', async () => {
    const anonymous = createCaller(belfry.url, null)
    const health = await anonymous.call('GET', '/actuator/health')
    expect([health.status, health.body]).toEqual([200, { status: 'UP' }])
    for (const path of ['/actuator/metrics', '/actuator/prometheus']) {
      const metrics = await anonymous.call<string>('GET', path)
      // Only programs of the gateway's machine read the metrics.
      if (belfry.mode === undefined && metrics.status === 404) continue
      expect(metrics.body).toContain('belfry_http_request_duration_seconds')
    }
  })
})

describe.skipIf(isElsewhere)('a COMMAND job by {"command", "executionTime"}, where commands are allowed', () => {
  const commands = { echo: { executable: '/bin/echo', args: ['kept'] } }
  const belfry = useBelfry({ BELFRY_EXECUTOR_COMMANDS: JSON.stringify(commands) })

  it('runs the command', async () => {
    const body = { command: 'echo', executionTime: '2024-01-01T10:00:00' }
    const made = await belfry.user.call<{ id: string; jobType: string }>('POST', '/jobs', body)
    expect([made.status, made.body.jobType]).toEqual([201, 'COMMAND'])
    await eventually('the command to end', async () => {
      const { body } = await belfry.user.call('GET', `/jobs/${made.body.id}/status`)
      return body.status === 'SUCCESS' ? true : undefined
    })
  })
})
