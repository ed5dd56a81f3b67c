import type { ExecutionView, JobView } from '@belfry/contracts'
import { describe, expect, it } from 'vitest'
import { copiesBefore } from '../src/domain/retention.ts'
import { monday, statusMessage } from './fixtures.ts'
import { until, useWorld } from './world.ts'

const day = 86_400_000

describe('the copy of an execution', () => {
  it.each([7, 30])('outlives the execution itself, which goes after %i days', (days) => {
    const before = copiesBefore(monday, days * day)
    expect(before).toBeLessThan(monday - days * day)
    expect(before).toBeGreaterThan(monday - (days + 1) * day)
  })
})

describe('after the retention', () => {
  const world = useWorld()

  it('an execution is not found any more, its job is, and what came later, too', async () => {
    const { body: made } = await world.call<JobView>('POST', '/jobs', { jobType: 'DUMMY' })
    const job = await world.stores.jobs.find('usr-a', made.id)
    if (!job) throw new Error('the job is gone')
    const { body: trigger } = await world.call<ExecutionView>('POST', `/jobs/${job.id}/trigger`, {})
    const old = statusMessage({ job, state: 'failed', endedAt: monday })
    const open = statusMessage({ job, fireAt: monday + 1, state: 'running' })
    await world.executor.tell(old)
    await world.executor.tell(open)
    const statusOf = async (id: string) => (await world.call('GET', `/executions/${id}`)).status
    await until(async () => (await statusOf(old.executionId)) === 200)

    world.clock.step(31 * day)
    const recent = statusMessage({ job, fireAt: world.clock.now(), state: 'succeeded', endedAt: world.clock.now() })
    await world.executor.tell(recent)
    await until(async () => {
      await world.clock.advance(600_000)
      return (await statusOf(old.executionId)) === 404
    })
    const left = [open, recent].map((one) => one.executionId)
    for (const id of [...left, trigger.id]) expect(await statusOf(id)).toBe(200)
    expect((await world.call<{ data: unknown[] }>('GET', '/dead-letters')).body.data).toEqual([])
    expect((await world.call<JobView>('GET', `/jobs/${job.id}`)).status).toBe(200)
  })
})
