import type { ExecutionView, JobView, Page } from '@belfry/contracts'
import { beforeAll, describe, expect, it } from 'vitest'
import { jobIdOf, statusMessage } from '../fixtures.ts'
import { useWorld } from '../world.ts'

describe('the jobs of another user', () => {
  const world = useWorld()
  const stranger = { user: 'usr-b' }
  let jobId: string
  let executionId: string
  beforeAll(async () => {
    const { body: job } = await world.call<JobView>('PUT', '/jobs/secret-key', { jobType: 'DUMMY' })
    const { body: execution } = await world.call<ExecutionView>('POST', `/jobs/${job.id}/trigger`)
    const stored = await world.stores.jobs.find('usr-a', job.id)
    await world.executor.publish(statusMessage({ job: stored!, executionId: execution.id, state: 'failed' }))
    jobId = job.id
    executionId = execution.id
  })

  const jobRoutes = [
    ['GET', ''],
    ['GET', '/status'],
    ['GET', '/executions'],
    ['POST', '/trigger'],
    ['POST', '/cancel'],
  ] as const

  it.each(jobRoutes)('%s /jobs/:id%s is not there', async (method, rest) => {
    for (const ref of [jobId, 'secret-key', jobIdOf(0xabc), 'nobodys-key']) {
      const answer = await world.call<{ detail: string }>(method, `/jobs/${ref}${rest}`, undefined, stranger)
      expect([answer.status, answer.body.detail]).toEqual([404, 'there is no such job'])
    }
  })

  it('an execution is not there', async () => {
    const answers = await Promise.all(
      [executionId, `exe-1-${jobIdOf(5).slice(4)}`].map((id) =>
        world.call('GET', `/executions/${id}`, undefined, stranger),
      ),
    )
    expect(answers.map((answer) => answer.status)).toEqual([404, 404])
  })

  it('a job id in the path of PUT is not there either, and the key is free', async () => {
    const put = (ref: string) => world.call('PUT', `/jobs/${ref}`, { jobType: 'DUMMY' }, stranger)
    expect((await put(jobId)).status).toBe(404)
    expect((await put(jobIdOf(0xabc))).status).toBe(404)
    expect((await put('secret-key')).status).toBe(201)
  })

  it.each(['/jobs', '/executions', '/dead-letters'])('is on no page of %s', async (path) => {
    const { body } = await world.call<Page<unknown>>('GET', path, undefined, { user: 'usr-c' })
    expect(body).toEqual({ data: [], page: { nextCursor: null, hasMore: false } })
    const mine = await world.call<Page<unknown>>('GET', path)
    expect(mine.body.data.length).toBeGreaterThan(0)
  })

  it('stays as it was', async () => {
    expect((await world.call<JobView>('GET', `/jobs/${jobId}`)).body).toMatchObject({ version: 1, state: 'active' })
    const { body } = await world.call<Page<unknown>>('GET', `/jobs/${jobId}/executions`)
    expect(body.data).toHaveLength(1)
  })

  it.each([
    ['GET', '/jobs'],
    ['POST', '/jobs'],
    ['GET', '/executions'],
    ['GET', '/dead-letters'],
    ...jobRoutes.map(([method, rest]) => [method, `/jobs/x${rest}`] as const),
  ] as const)('%s %s needs a token', async (method, url) => {
    const answer = await world.service.app.inject({ method, url })
    expect(answer.statusCode).toBe(401)
  })
})
