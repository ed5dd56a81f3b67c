import type { ExecutionView, JobStatusView, JobView } from '@belfry/contracts'
import { describe, expect, it } from 'vitest'
import { statusMessage } from '../fixtures.ts'
import { openWorld, until, useWorld } from '../world.ts'

describe('a call that waits for an end', () => {
  const world = useWorld({ jobWaiters: 5, jobWaitersOfUser: 3 })
  const trigger = async () => {
    const { body: job } = await world.call<JobView>('POST', '/jobs', { jobType: 'DUMMY' })
    const { body } = await world.call<ExecutionView>('POST', `/jobs/${job.id}/trigger`)
    // The job is given to the scheduler: without that its status is CREATED.
    await world.pass(1)
    const stored = (await world.stores.jobs.find('usr-a', job.id))!
    const end = statusMessage({
      job: stored,
      executionId: body.id,
      cause: 'manual',
      state: 'succeeded',
      fireAt: world.clock.now(),
    })
    return { job: stored, executionId: body.id, end }
  }
  const wait = <T extends object>(path: string, prefer: string | null = 'wait=20', user = 'usr-a') => {
    let answered = false
    const headers: Record<string, string> = prefer === null ? {} : { prefer }
    const answer = world.call<T>('GET', `${path}?until=terminal`, undefined, { user, headers })
    const settled = answer.finally(() => {
      answered = true
    })
    return { answer: settled, isAnswered: () => answered }
  }
  const asked = async (count: number) => until(() => world.clock.pending() >= count)

  it('is answered as soon as an executor publishes the end', async () => {
    const { job, executionId, end } = await trigger()
    const before = world.clock.pending()
    const ofExecution = wait<ExecutionView>(`/executions/${executionId}`)
    const ofJob = wait<JobStatusView>(`/jobs/${job.id}/status`)
    await asked(before + 2)
    expect([ofExecution.isAnswered(), ofJob.isAnswered()]).toEqual([false, false])
    await world.executor.publish(end)
    const [execution, status] = await Promise.all([ofExecution.answer, ofJob.answer])
    expect([execution.body.status, status.body.status]).toEqual(['SUCCESS', 'SUCCESS'])
    expect(execution.headers['preference-applied']).toBe('wait=20')
  })

  it('is answered as soon as a cancel has ended the execution', async () => {
    const { executionId } = await trigger()
    const before = world.clock.pending()
    const waiting = wait<ExecutionView>(`/executions/${executionId}`)
    await asked(before + 1)
    expect((await world.call('POST', `/executions/${executionId}/cancel`)).status).toBe(200)
    expect((await waiting.answer).body.status).toBe('CANCELLED')
  })

  it('is answered at once when the end is there, and when it does not ask to wait', async () => {
    const { job, executionId, end } = await trigger()
    expect(
      (await world.call('GET', `/executions/${executionId}`, undefined, { headers: { prefer: 'wait=20' } })).status,
    ).toBe(200)
    await world.executor.publish(end)
    expect((await wait<ExecutionView>(`/executions/${executionId}`).answer).body.status).toBe('SUCCESS')
    expect((await wait<JobStatusView>(`/jobs/${job.id}/status`).answer).body.status).toBe('SUCCESS')
  })

  it('waits for the end of a further trigger, and not for that of the one before it', async () => {
    const { job, end } = await trigger()
    await world.executor.publish(end)
    await world.pass(1)
    const { body } = await world.call<ExecutionView>('POST', `/jobs/${job.id}/trigger`)
    const before = world.clock.pending()
    const waiting = wait<JobStatusView>(`/jobs/${job.id}/status`)
    await asked(before + 1)
    expect(waiting.isAnswered()).toBe(false)
    const fireAt = Date.parse(body.fireAt)
    await world.executor.publish({
      ...statusMessage({ job, executionId: body.id, state: 'failed', fireAt }),
      cause: 'manual',
    })
    expect((await waiting.answer).body).toMatchObject({ status: 'FAILED', lastExecution: { id: body.id } })
  })

  it('finds an end that another instance has stored, at its next look', async () => {
    const { executionId, end } = await trigger()
    const before = world.clock.pending()
    const waiting = wait<ExecutionView>(`/executions/${executionId}`)
    await asked(before + 1)
    await world.stores.executions.applyStatuses([end])
    await world.clock.advance(249)
    expect(waiting.isAnswered()).toBe(false)
    await world.clock.advance(1)
    expect((await waiting.answer).body.status).toBe('SUCCESS')
  })

  it.each([
    ['wait=3', 3],
    ['respond-async, wait=4', 4],
    ['wait=99999', 20],
    [null, 2],
    ['wait=0', 0],
  ])('with Prefer: %s gives up after %i s, with the state as it is', async (prefer, seconds) => {
    const { executionId } = await trigger()
    const before = world.clock.pending()
    const waiting = wait<ExecutionView>(`/executions/${executionId}`, prefer)
    if (seconds > 0) {
      await asked(before + 1)
      await world.pass(seconds - 1)
      await world.clock.advance(999)
      expect(waiting.isAnswered()).toBe(false)
      await world.clock.advance(1)
    }
    const { status, body } = await waiting.answer
    expect([status, body.status]).toEqual([200, 'SCHEDULED'])
  })

  it('is refused beyond what one user, and all users, may have waiting', async () => {
    const { executionId, job, end } = await trigger()
    await world.call('PATCH', `/jobs/${job.id}`, { viewers: ['ben'] })
    const before = world.clock.pending()
    const own = [1, 2, 3].map(() => wait<ExecutionView>(`/executions/${executionId}`))
    await asked(before + 3)
    const fourth = await wait(`/executions/${executionId}`).answer
    expect([fourth.status, fourth.headers['retry-after']]).toEqual([429, '1'])
    const others = [1, 2].map(() => wait<ExecutionView>(`/executions/${executionId}`, 'wait=20', 'usr-b'))
    await asked(before + 5)
    expect((await wait(`/executions/${executionId}`, 'wait=20', 'usr-b').answer).status).toBe(429)
    await world.executor.publish(end)
    const answers = await Promise.all([...own, ...others].map(({ answer }) => answer))
    expect(answers.map(({ body }) => body.status)).toEqual(Array(5).fill('SUCCESS'))
  })

  it('is refused for what is not in reach, at once', async () => {
    const { executionId, job } = await trigger()
    const paths = [`/executions/${executionId}`, `/jobs/${job.id}/status`]
    const answers = await Promise.all(paths.map((path) => wait(path, 'wait=20', 'usr-c').answer))
    expect(answers.map(({ status }) => status)).toEqual([404, 404])
  })

  it('is answered with the state as it is when the service stops', async () => {
    const other = await openWorld()
    const { body: job } = await other.call<JobView>('POST', '/jobs', { jobType: 'DUMMY' })
    const before = other.clock.pending()
    const headers = { prefer: 'wait=20' }
    const waiting = other.call<JobStatusView>('GET', `/jobs/${job.id}/status?until=terminal`, undefined, { headers })
    await until(() => other.clock.pending() > before)
    const closed = other.close()
    expect((await waiting).status).toBe(200)
    await closed
  })
})
