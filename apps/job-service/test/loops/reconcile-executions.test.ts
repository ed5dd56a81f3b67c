import type { ExecutionView, JobView } from '@belfry/contracts'
import { describe, expect, it } from 'vitest'
import { monday, statusMessage } from '../fixtures.ts'
import { until, useWorld } from '../world.ts'

describe('reconciling with the executors', () => {
  const world = useWorld({ jobReconcileRows: 3 }, { mayLose: true })
  const create = async () => {
    const { body } = await world.call<JobView>('POST', '/jobs', { jobType: 'DUMMY' })
    const job = await world.stores.jobs.find('usr-a', body.id)
    if (!job) throw new Error('the job is gone')
    return job
  }
  const statusOf = async (id: string) => (await world.call<ExecutionView>('GET', `/executions/${id}`)).body.status

  it('copies unknown executions, and newer states of known ones, within 30 s', async () => {
    const job = await create()
    const messages = Array.from({ length: 8 }, (_, n) => statusMessage({ job, fireAt: monday + n, state: 'running' }))
    await world.executor.publish(messages[0]!)
    // The bus loses everything else that the executors say.
    for (const message of messages.slice(1)) world.executor.record(message)
    world.executor.record({ ...messages[0]!, seq: 2, state: 'succeeded' })
    await world.clock.advance(30_000)
    await until(async () => (await statusOf(messages[7]!.executionId)) === 'RUNNING')
    await until(async () => (await statusOf(messages[0]!.executionId)) === 'SUCCESS')
    const { body } = await world.call<{ data: unknown[] }>('GET', `/jobs/${job.id}/executions`)
    expect(body.data).toHaveLength(8)
  })

  it('begins one minute before the end of the last round', async () => {
    const job = await create()
    const late = statusMessage({ job, fireAt: monday + 100, state: 'succeeded' })
    const old = statusMessage({ job, fireAt: monday + 200, state: 'succeeded' })
    const lastRoundAt = world.clock.now()
    world.executor.record(late, lastRoundAt - 59_000)
    world.executor.record(old, lastRoundAt - 61_000)
    await world.clock.advance(30_000)
    await until(async () => (await statusOf(late.executionId)) === 'SUCCESS')
    expect((await world.call('GET', `/executions/${old.executionId}`)).status).toBe(404)
  })

  it('waits for executors that are away, and logs it once', async () => {
    const job = await create()
    await world.executor.leave()
    world.executor.record(statusMessage({ job, state: 'succeeded' }))
    await world.clock.advance(90_000)
    await until(() => world.lines.some((line) => line.includes('reconcile executions')))
    await world.executor.join()
    await until(async () => {
      await world.clock.advance(30_000)
      return (await statusOf(statusMessage({ job }).executionId)) === 'SUCCESS'
    })
    expect(world.lines.filter((line) => line.includes('"loop":"reconcile executions"'))).toHaveLength(1)
  })
})

describe('the routes for the reconciler of the scheduler', () => {
  const world = useWorld()
  const inject = (method: 'GET' | 'POST', url: string, payload?: object) =>
    world.service.app.inject({
      method,
      url,
      headers: { authorization: `Bearer ${world.serviceTokens.sign('scheduler-service')}` },
      ...(payload ? { payload } : {}),
    })

  it('are the versions since a time, and the whole jobs', async () => {
    const { body: job } = await world.call<JobView>('POST', '/jobs', { jobType: 'DUMMY' })
    await world.call('POST', `/jobs/${job.id}/cancel`)
    const changes = await inject('GET', `/internal/jobs/changes?since=${monday}`)
    expect(changes.json().data).toMatchObject([{ id: job.id, version: 2 }])
    const { next } = (await inject('GET', '/internal/jobs/changes?limit=1')).json()
    const end = { data: [], next: null }
    expect((await inject('GET', `/internal/jobs/changes?cursor=${encodeURIComponent(next)}`)).json()).toEqual(end)
    expect((await inject('GET', '/internal/jobs/changes?cursor=none')).statusCode).toBe(400)
    const fetched = await inject('POST', '/internal/jobs/fetch', { ids: [job.id] })
    expect(fetched.json().data).toMatchObject([{ jobId: job.id, version: 2, state: 'cancelled' }])
  })

  it('are for services only', async () => {
    expect((await world.call('GET', '/internal/jobs/changes', undefined, { roles: ['admin'] })).status).toBe(401)
    expect((await world.call('POST', '/internal/jobs/fetch', { ids: ['x'] }, { roles: ['admin'] })).status).toBe(401)
  })
})
