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

  it('copies no execution again whose copy was purged, and still every newer state of one that has a copy', async () => {
    const job = await create()
    const longAgo = monday - 40 * 86_400_000
    const ended = (n: number, seq = 1) =>
      statusMessage({ job, fireAt: longAgo + n, seq, state: 'succeeded', endedAt: longAgo + n + 1 })
    await world.executor.publish(statusMessage({ job, fireAt: longAgo + 2, state: 'running' }))
    world.executor.record(ended(1))
    world.executor.record(ended(2, 2))
    const fresh = statusMessage({ job, fireAt: monday + 100, state: 'succeeded', endedAt: monday + 101 })
    world.executor.record(fresh)
    await world.clock.advance(30_000)
    await until(async () => (await statusOf(fresh.executionId)) === 'SUCCESS')
    expect(await statusOf(ended(2).executionId)).toBe('SUCCESS')
    expect((await world.call('GET', `/executions/${ended(1).executionId}`)).status).toBe(404)
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

  it('are the versions after a change number, and the whole jobs', async () => {
    const { body: job } = await world.call<JobView>('POST', '/jobs', { jobType: 'DUMMY' })
    await world.call('POST', `/jobs/${job.id}/cancel`)
    const page = (await inject('GET', '/internal/jobs/changes?limit=1')).json()
    const { head } = page
    expect(page).toEqual({ data: [{ id: job.id, version: 2, changeNo: head }], head, hasMore: true })
    const end = { data: [], head, hasMore: false }
    expect((await inject('GET', `/internal/jobs/changes?after=${head}`)).json()).toEqual(end)
    expect((await inject('GET', '/internal/jobs/changes?after=none')).statusCode).toBe(400)
    const fetched = await inject('POST', '/internal/jobs/fetch', { ids: [job.id] })
    expect(fetched.json().data).toMatchObject([{ jobId: job.id, version: 2, state: 'cancelled' }])
  })

  it('are for services only', async () => {
    expect((await world.call('GET', '/internal/jobs/changes', undefined, { roles: ['admin'] })).status).toBe(401)
    expect((await world.call('POST', '/internal/jobs/fetch', { ids: ['x'] }, { roles: ['admin'] })).status).toBe(401)
  })
})
