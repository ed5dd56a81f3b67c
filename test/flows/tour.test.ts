import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { eventually } from '../../proof/belfry-process.ts'
import { createCaller } from '../../proof/caller.ts'
import { useBelfry } from './belfry.ts'

interface JobAnswer {
  id: string
  key: string | null
  status: string
  nextRunAt: string | null
  version: number
}
interface ExecutionAnswer {
  id: string
  status: string
  fireAt: string
  latenessMs: number | null
  artifacts: { name: string; contentType: string; bytes: number }[]
}
interface StatusAnswer {
  status: string
  lastExecution: { id: string; fireAt: string } | null
}
interface List<T> {
  data: T[]
}

describe('the tour of the README', () => {
  const belfry = useBelfry()
  const ended = (id: string) =>
    eventually(`${id} to end`, async () => {
      const { body } = await belfry.user.call<ExecutionAnswer>('GET', `/executions/${id}`)
      return ['SCHEDULED', 'RUNNING', 'RETRYING'].includes(body.status) ? undefined : body
    })

  it('signs up with the short password of the seeds in standalone mode, and says what is wrong with it', async (test) => {
    const anonymous = createCaller(belfry.url, null)
    const credentials = { username: `shreyash-${randomUUID().slice(0, 8)}`, password: '12345' }
    const signup = await anonymous.call<{ warnings: { code: string }[] }>('POST', '/auth/signup', credentials)
    if (belfry.mode !== 'standalone' && signup.status === 422) {
      expect(signup.body).toMatchObject({ errors: [{ pointer: '/password', code: 'too-short' }] })
      if (belfry.mode === undefined) test.skip('this Belfry takes no short passwords')
      return
    }
    expect([belfry.mode, signup.status]).not.toContain('distributed')
    expect(signup.status).toBe(201)
    expect(signup.body.warnings.map((warning) => warning.code)).toContain('short-password')
    const login = await anonymous.call<{ token: string; accessToken: string }>('POST', '/auth/login', credentials)
    expect(login.status).toBe(200)
    expect(login.body.token).toBe(login.body.accessToken)
    const me = await createCaller(belfry.url, login.body.token).call('GET', '/auth/me')
    expect(me.body).toMatchObject({ username: credentials.username, roles: ['user'] })
  })

  it('makes a report job on a cron, triggers it, and serves its status, logs and artifact', async () => {
    const created = await belfry.user.call<JobAnswer>('POST', '/jobs', {
      jobType: 'REPORT',
      schedule: '*/5 * * * *',
      params: { reportType: 'daily-sales' },
    })
    expect(created.status).toBe(201)
    expect(created.headers.get('location')).toBe(`/jobs/${created.body.id}`)
    expect(Date.parse(created.body.nextRunAt ?? '') % 300_000).toBe(0)

    const triggered = await belfry.user.call<ExecutionAnswer>('POST', `/jobs/${created.body.id}/trigger`)
    expect(triggered.status).toBe(202)
    const execution = await ended(triggered.body.id)
    expect(execution.status).toBe('SUCCESS')

    // Just before a full five minutes the next run is already the job's newest.
    await eventually('the status of the job', async () => {
      const { body } = await belfry.user.call<StatusAnswer>('GET', `/jobs/${created.body.id}/status`)
      const { id, fireAt } = body.lastExecution ?? { id: '', fireAt: '' }
      return (id === execution.id ? body.status === 'SUCCESS' : fireAt > execution.fireAt) || undefined
    })

    const logs = await belfry.user.call<List<{ text: string }>>('GET', `/executions/${execution.id}/logs`)
    expect(logs.body.data.length).toBeGreaterThan(0)
    const artifact = execution.artifacts[0]
    const file = await belfry.user.call<string>('GET', `/executions/${execution.id}/artifacts/${artifact?.name}`)
    expect(file.status).toBe(200)
    expect(file.headers.get('x-content-type-options')).toBe('nosniff')
    expect(Buffer.byteLength(file.body)).toBe(artifact?.bytes)
    expect(file.body.split('\n')[0]).toContain('region')
  })

  it('writes the same report as json', async () => {
    const created = await belfry.user.call<JobAnswer>('POST', '/jobs', {
      jobType: 'REPORT',
      params: { reportType: 'daily-sales', format: 'json' },
    })
    const triggered = await belfry.user.call<ExecutionAnswer>('POST', `/jobs/${created.body.id}/trigger`)
    const execution = await ended(triggered.body.id)
    const file = await belfry.user.call<{ rows: unknown[] }>(
      'GET',
      `/executions/${execution.id}/artifacts/${execution.artifacts[0]?.name}`,
    )
    expect(file.headers.get('content-type')).toContain('application/json')
    expect(file.body.rows.length).toBeGreaterThan(0)
  })

  it('runs a one-shot that is due in half a second', async () => {
    const runAt = new Date(Date.now() + 500).toISOString()
    const created = await belfry.user.call<JobAnswer>('POST', '/jobs', {
      jobType: 'DUMMY',
      params: { durationMs: 10 },
      runAt,
    })
    expect(created.status).toBe(201)
    const execution = await eventually('the run', async () => {
      const { body } = await belfry.user.call<List<ExecutionAnswer>>('GET', `/jobs/${created.body.id}/executions`)
      return body.data[0]?.status === 'SUCCESS' ? body.data[0] : undefined
    })
    expect(execution.fireAt).toBe(runAt)
    expect(execution.latenessMs).toBeGreaterThanOrEqual(0)
    const job = await belfry.user.call<JobAnswer & { state: string }>('GET', `/jobs/${created.body.id}`)
    expect(job.body).toMatchObject({ state: 'completed', status: 'SUCCESS', nextRunAt: null })
  })

  it('makes a job under a key of its owner, replaces it, and makes it anew when the first one is cancelled', async () => {
    const body = { jobType: 'DUMMY', params: { durationMs: 0 } }
    const key = `job-${100 + Math.floor(Math.random() * 1e6)}`
    expect((await belfry.user.call('PUT', `/jobs/${key}`, body)).status).toBe(201)
    const status = await belfry.user.call<{ key: string }>('GET', `/jobs/${key}/status`)
    expect(status.status).toBe(200)
    expect(status.body.key).toBe(key)
    expect((await belfry.user.call('PUT', `/jobs/${key}`, body)).status).toBe(200)
    expect((await belfry.user.call('PUT', `/jobs/${key}`, { ...body, priority: 1 })).status).toBe(200)
    expect((await belfry.user.call('POST', `/jobs/${key}/cancel`)).status).toBe(200)
    expect((await belfry.user.call('PUT', `/jobs/${key}`, { ...body, priority: 1 })).status).toBe(201)
  })
})
