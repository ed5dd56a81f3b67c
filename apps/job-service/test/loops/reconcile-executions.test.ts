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

  it('finds executions never heard of, and what became of others, within 30 s', async () => {
    const job = await create()
    const said = Array.from({ length: 8 }, (_, n) => statusMessage({ job, fireAt: monday + n, state: 'running' }))
    await world.executor.tell(said[0]!)
    // The bus loses everything else that the executors say.
    for (const message of said.slice(1)) world.executor.keep(message)
    world.executor.keep({ ...said[0]!, seq: 2, state: 'succeeded' })
    await world.clock.advance(30_000)
    await until(async () => (await statusOf(said[7]!.executionId)) === 'RUNNING')
    await until(async () => (await statusOf(said[0]!.executionId)) === 'SUCCESS')
    const { body } = await world.call<{ data: unknown[] }>('GET', `/jobs/${job.id}/executions`)
    expect(body.data).toHaveLength(8)
  })

  it('goes on from the last round, less a minute', async () => {
    const job = await create()
    const late = statusMessage({ job, fireAt: monday + 100, state: 'succeeded' })
    const old = statusMessage({ job, fireAt: monday + 200, state: 'succeeded' })
    const lastRoundAt = world.clock.now()
    world.executor.keep(late, lastRoundAt - 59_000)
    world.executor.keep(old, lastRoundAt - 61_000)
    await world.clock.advance(30_000)
    await until(async () => (await statusOf(late.executionId)) === 'SUCCESS')
    expect((await world.call('GET', `/executions/${old.executionId}`)).status).toBe(404)
  })

  it('waits for executors that are away, and says so once', async () => {
    const job = await create()
    await world.executor.leave()
    world.executor.keep(statusMessage({ job, state: 'succeeded' }))
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

describe('what the scheduler reconciles with', () => {
  const world = useWorld()
  const inject = (method: 'GET' | 'POST', url: string, payload?: object) =>
    world.service.app.inject({
      method,
      url,
      headers: { authorization: `Bearer ${world.serviceTokens.sign('scheduler-service')}` },
      ...(payload ? { payload } : {}),
    })

  it('is every version since a time, and the whole jobs', async () => {
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

  it('is for services alone', async () => {
    expect((await world.call('GET', '/internal/jobs/changes', undefined, { roles: ['admin'] })).status).toBe(401)
    expect((await world.call('POST', '/internal/jobs/fetch', { ids: ['x'] }, { roles: ['admin'] })).status).toBe(401)
  })
})
