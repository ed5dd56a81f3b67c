import { type FencedJobView, fencedJobView, type JobView } from '@belfry/contracts'
import { describe, expect, it } from 'vitest'
import { until, useWorld, weakTag } from '../world.ts'

describe('a cancel', () => {
  const world = useWorld()
  const create = async () => (await world.call<JobView>('POST', '/jobs', { jobType: 'DUMMY', delay: '1h' })).body
  const cancel = (id: string) => world.call<FencedJobView>('POST', `/jobs/${id}/cancel`)
  const fencesOf = (jobId: string) => world.executor.state.fences.filter((fence) => fence.jobId === jobId)

  it('is effective once the executors have confirmed it, and lists what is still running', async () => {
    const job = await create()
    world.executor.state.inFlight = [{ executionId: 'exe-1-x', epoch: 3, status: 'RUNNING' }]
    const { status, headers, body } = await cancel(job.id)
    world.executor.state.inFlight = []
    expect([status, headers.etag]).toEqual([200, weakTag(2)])
    expect(fencedJobView.parse(body)).toEqual(body)
    expect(body).toMatchObject({
      status: 'CANCELLED',
      state: 'cancelled',
      version: 2,
      effective: 'now',
      nextRunAt: null,
    })
    expect(body.inFlight).toEqual([{ executionId: 'exe-1-x', epoch: 3, status: 'RUNNING' }])
    expect(fencesOf(job.id)).toEqual([{ jobId: job.id, versions: [2] }])
    await world.clock.advance(20)
    await until(() => world.published.some((one) => one.jobId === job.id && one.state === 'cancelled'))
  })

  it('changes nothing when it is repeated, but asks the executors what is running now', async () => {
    const job = await create()
    await cancel(job.id)
    const { status, body } = await cancel(job.id)
    expect([status, body.version, body.effective]).toEqual([200, 2, 'now'])
    expect(fencesOf(job.id)).toHaveLength(2)
  })

  it('is pending while no executor can be reached, and its fence is repeated until one confirms it', async () => {
    const job = await create()
    await world.executor.leave()
    const { status, body } = await cancel(job.id)
    expect([status, body.effective, body.inFlight, body.state]).toEqual([202, 'pending', [], 'cancelled'])
    await world.pass(7)
    await until(() => world.lines.some((line) => line.includes('still unknown to the executors')))
    expect(fencesOf(job.id)).toEqual([])
    await world.executor.join()
    expect((await world.stores.jobs.find('usr-a', job.id))?.fencedVersion).toBe(1)
    await world.pass(12)
    await until(async () => (await world.stores.jobs.find('usr-a', job.id))?.fencedVersion === 2)
    expect(fencesOf(job.id)).toEqual([{ jobId: job.id, versions: [2] }])
    await world.pass(70)
    expect(fencesOf(job.id)).toHaveLength(1)
  })

  it('is pending after two seconds when the executors are slow, below the three that the gateway waits', async () => {
    const job = await create()
    const { promise, resolve } = Promise.withResolvers<void>()
    world.executor.state.fenceAnswers = promise
    const answer = cancel(job.id)
    await until(() => fencesOf(job.id).length === 1)
    await world.clock.advance(2000)
    const { status, body } = await answer
    expect([status, body.effective, body.state]).toEqual([202, 'pending', 'cancelled'])
    world.executor.state.fenceAnswers = Promise.resolve()
    resolve()
    await world.pass(12)
    await until(async () => (await world.stores.jobs.find('usr-a', job.id))?.fencedVersion === 2)
  })

  it('can be requested by several clients at once', async () => {
    const job = await create()
    const answers = await Promise.all([cancel(job.id), cancel(job.id), cancel(job.id)])
    expect(answers.map(({ status, body }) => [status, body.version])).toEqual([
      [200, 2],
      [200, 2],
      [200, 2],
    ])
  })
})
