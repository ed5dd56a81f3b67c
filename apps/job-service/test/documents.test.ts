import type { ExecutionView, FencedJobView, JobView } from '@belfry/contracts'
import { describe, expect, it } from 'vitest'
import { statusMessage } from './fixtures.ts'
import { createDocumentStores } from './store/document-stores.ts'
import { mongoUrl, openPassingStores } from './store/mongo.ts'
import { listAll, until, useWorld } from './world.ts'

const databases = {
  'documents in memory': async () => createDocumentStores(),
  ...(mongoUrl !== undefined && { MongoDB: () => openPassingStores() }),
}

describe.each(Object.entries(databases))('job-service on %s', (_name, open) => {
  const world = useWorld({}, { open })

  it('creates, lists, triggers, shows and cancels a job', async () => {
    const { body: job } = await world.call<JobView>('POST', '/jobs', { jobType: 'DUMMY', schedule: '@daily' })
    await world.clock.advance(1000)
    await until(() => world.published.some(({ jobId }) => jobId === job.id))
    for (let n = 0; n < 4; n++) await world.call('PUT', `/jobs/key-${n}`, { jobType: 'DUMMY' })
    expect(await listAll<JobView>(world, '/jobs', 2)).toHaveLength(5)

    const { body: execution } = await world.call<ExecutionView>('POST', `/jobs/${job.id}/trigger`)
    await until(() => world.executor.state.commands.some(({ executionId }) => executionId === execution.id))
    const stored = await world.stores.jobs.find('usr-a', job.id)
    const ended = {
      executionId: execution.id,
      state: 'succeeded',
      fireAt: world.clock.now(),
      endedAt: world.clock.now(),
    } as const
    await world.executor.publish(statusMessage({ ...ended, ...(stored && { job: stored }) }))
    const shown = await world.call<ExecutionView>('GET', `/executions/${execution.id}`)
    expect(shown.body).toMatchObject({ status: 'SUCCESS', params: {} })
    expect((await listAll<ExecutionView>(world, '/executions', 1)).map(({ id }) => id)).toEqual([execution.id])

    const { status, body } = await world.call<FencedJobView>('POST', `/jobs/${job.id}/cancel`)
    expect([status, body.state, body.effective]).toEqual([200, 'cancelled', 'now'])
    expect((await world.call('POST', `/jobs/${job.id}/trigger`)).status).toBe(409)
    expect((await world.call('GET', '/jobs?cursor=WzFd')).status).toBe(400)
  })
})
