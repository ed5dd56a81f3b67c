import { type ExecutionView, type JobStatusView, type JobView, jobStatusView, type Page } from '@belfry/contracts'
import { describe, expect, it } from 'vitest'
import type { StoredJob } from '../../src/store/ports.ts'
import { monday, type StatusWish, statusMessage } from '../fixtures.ts'
import { until, useWorld, type World } from '../world.ts'

const minute = 60_000
const iso = (at: number) => new Date(at).toISOString()

/** A published job, and the job-status messages about it. */
async function openJob(world: World, body: Record<string, unknown>) {
  const { body: made } = await world.call<JobView>('POST', '/jobs', { jobType: 'DUMMY', ...body })
  await world.clock.advance(20)
  const job = await until(async () => {
    const found = await world.stores.jobs.find('usr-a', made.id)
    return found?.isPublished && found
  })
  return {
    job,
    publish: (...wishes: StatusWish[]) =>
      world.executor.publish(...wishes.map((wish) => statusMessage({ job, ...wish }))),
    shown: async () => (await world.call<JobView>('GET', `/jobs/${job.id}`)).body,
    status: async () => (await world.call<JobStatusView>('GET', `/jobs/${job.id}/status`)).body,
  }
}

/** The ids of the listed jobs with this status. */
async function listed(world: World, status: string): Promise<string[]> {
  return (await world.call<Page<JobView>>('GET', `/jobs?status=${status}`)).body.data.map((job) => job.id)
}

describe('a job whose executions fail', () => {
  const world = useWorld()

  it('is FAILED in every view, also while its next fire time is handed over', async () => {
    const { job, publish, shown, status } = await openJob(world, { schedule: '* * * * *' })
    const failedAt = monday + minute
    await publish({ fireAt: failedAt, state: 'failed', seq: 2, endedAt: failedAt + 9 }, { fireAt: failedAt + minute })
    const last = { status: 'FAILED', fireAt: iso(failedAt), endedAt: iso(failedAt + 9) }
    expect(await shown()).toMatchObject({ status: 'FAILED', lastExecution: last })
    expect(await status()).toMatchObject({ status: 'FAILED', lastExecution: last, currentExecution: null })
    expect(await listed(world, 'FAILED')).toContain(job.id)
    expect(await listed(world, 'SCHEDULED')).not.toContain(job.id)
  })

  it('is RETRYING while its newest execution waits for a retry, and RUNNING while one is running, also an older one', async () => {
    const { job, publish, shown, status } = await openJob(world, { schedule: '* * * * *' })
    const at = (minutes: number) => monday + minutes * minute
    await publish({ fireAt: at(1), state: 'running' }, { fireAt: at(2), state: 'ready', failures: 1 })
    const running = { status: 'RUNNING', fireAt: iso(at(1)) }
    expect(await status()).toMatchObject({ status: 'RUNNING', currentExecution: running, lastExecution: null })
    expect(await listed(world, 'RUNNING')).toEqual([job.id])
    await publish({ fireAt: at(1), state: 'succeeded', seq: 2, endedAt: at(3) }, { fireAt: at(3) })
    expect(await status()).toMatchObject({ status: 'RETRYING', currentExecution: null })
    expect((await shown()).lastExecution).toMatchObject({ status: 'SUCCESS' })
    expect(await listed(world, 'RETRYING')).toEqual([job.id])
    await publish({ fireAt: at(2), state: 'failed', seq: 2, endedAt: at(3) })
    expect(jobStatusView.parse(await status())).toMatchObject({ status: 'FAILED', consecutiveFailures: 1 })
  })
})

describe('the next fire time', () => {
  const world = useWorld()
  const nextOf = async ({ shown, status }: Awaited<ReturnType<typeof openJob>>) => {
    const [{ nextRunAt }, short] = [await shown(), await status()]
    expect(short.nextRunAt).toBe(nextRunAt)
    return nextRunAt
  }

  it('is the fire time that was handed over until that has started, then the one after it', async () => {
    const opened = await openJob(world, { schedule: '* * * * *' })
    const now = world.clock.now()
    const fireAt = Math.ceil(now / minute) * minute
    await opened.publish({ fireAt })
    await world.clock.advance(fireAt + 500 - now)
    expect(await nextOf(opened)).toBe(iso(fireAt))
    await opened.publish({ fireAt, state: 'running', seq: 2 })
    expect(await nextOf(opened)).toBe(iso(fireAt + minute))
  })

  it('is the one of the scheduler when the clock is set back', async () => {
    const opened = await openJob(world, { schedule: '* * * * *' })
    const fireAt = Math.ceil(world.clock.now() / minute) * minute
    await opened.publish({ fireAt, state: 'succeeded', endedAt: fireAt + 1 })
    world.clock.step(-60 * minute)
    expect(await nextOf(opened)).toBe(iso(fireAt + minute))
    world.clock.step(60 * minute)
  })
})

describe('an execution that waits for a slot', () => {
  const world = useWorld({ jobSlotWaitMs: 1000 })
  const shownOf = async (job: StoredJob) =>
    (await world.call<Page<ExecutionView>>('GET', `/jobs/${job.id}/executions`)).body.data.map((one) => [
      one.status,
      one.waitingFor,
    ])

  it('is SCHEDULED and shows what it waits for, once its time is past', async () => {
    const { job, publish, status } = await openJob(world, { schedule: '* * * * *' })
    const fireAt = world.clock.now() + 100
    await publish({ fireAt })
    await world.clock.advance(1100)
    expect(await shownOf(job)).toEqual([['SCHEDULED', null]])
    await world.clock.advance(1)
    expect(await shownOf(job)).toEqual([['SCHEDULED', 'slot']])
    expect(await status()).toMatchObject({ status: 'SCHEDULED', currentExecution: null, nextRunAt: iso(fireAt) })
    await publish({ fireAt, state: 'ready', failures: 1, seq: 2 })
    expect(await shownOf(job)).toEqual([['RETRYING', 'slot']])
    await publish({ fireAt, state: 'running', failures: 1, seq: 3 })
    expect(await shownOf(job)).toEqual([['RUNNING', null]])
    await publish({ fireAt, state: 'succeeded', seq: 4, endedAt: fireAt + 1 })
    expect(await shownOf(job)).toEqual([['SUCCESS', null]])
  })

  it('waits for an executor that has its job type, where none has it', async () => {
    const { job } = await openJob(world, { schedule: '* * * * *' })
    const message = statusMessage({ job, fireAt: world.clock.now() + 100, state: 'ready' })
    await world.executor.publish({ ...message, jobType: 'GONE' })
    await world.clock.advance(1101)
    expect(await shownOf(job)).toEqual([['SCHEDULED', 'job-type']])
    const { data } = (await world.call<Page<ExecutionView>>('GET', `/jobs/${job.id}/executions`)).body
    expect(data[0]?.statusReason).toBe('The execution waits for an executor that has the job type GONE.')
  })

  it('has no attempt while it is claimed and has not started', async () => {
    const { job } = await openJob(world, { schedule: '* * * * *' })
    const message = statusMessage({ job, fireAt: world.clock.now() + 100, state: 'running' })
    const attemptsOf = async () =>
      (await world.call<ExecutionView>('GET', `/executions/${message.executionId}`)).body.attempts.length
    const claimed = message.attempts.map((one) => ({ ...one, startedAt: null }))
    await world.executor.publish({ ...message, attempts: claimed })
    expect(await attemptsOf()).toBe(0)
    await world.executor.publish({ ...message, seq: 2 })
    expect(await attemptsOf()).toBe(1)
  })

  it('does not wait for a slot before its first job-status', async () => {
    const { job } = await openJob(world, {})
    world.executor.state.takesCommands = false
    await world.call('POST', `/jobs/${job.id}/trigger`)
    await world.clock.advance(2000)
    expect(await shownOf(job)).toEqual([['SCHEDULED', null]])
    world.executor.state.takesCommands = true
  })
})

describe('a recurring job with an end', () => {
  const world = useWorld()

  it('is completed, and has no next run, once the scheduler has issued all runs that `maxRuns` allows', async () => {
    const { job, publish, shown, status } = await openJob(world, { schedule: '* * * * *', maxRuns: 2 })
    expect(await shown()).toMatchObject({ state: 'active', maxRuns: 2, nextRunAt: iso(monday + minute) })
    const [first, second] = [monday + minute, monday + 2 * minute]
    await publish({ fireAt: first, state: 'succeeded', endedAt: first }, { fireAt: second })
    const issued = { id: job.id, version: job.version, fired: 2, lastFireAt: second, nextFireAt: null, pending: [] }
    world.scheduler.state.runs.push(issued)
    expect(await shown()).toMatchObject({ state: 'active', nextRunAt: iso(second) })
    await publish({ fireAt: second, state: 'succeeded', seq: 2, endedAt: second })
    const completed = { state: 'completed', status: 'SUCCESS', nextRunAt: null }
    expect(await shown()).toMatchObject(completed)
    expect(await status()).toMatchObject(completed)
    const { body } = await world.call<Page<JobView>>('GET', '/jobs')
    expect(body.data.find(({ id }) => id === job.id)).toMatchObject(completed)
    const next = await world.call('GET', `/jobs/${job.id}/next-runs`)
    expect(next.body).toMatchObject({ data: [], reason: 'completed' })
  })

  it('lists as many next runs as it has left', async () => {
    const { job } = await openJob(world, { schedule: '* * * * *', maxRuns: 5 })
    const now = world.clock.now()
    const [last, next] = [1, 2].map((n) => monday + Math.ceil((now - monday) / minute + n) * minute)
    const runs = {
      id: job.id,
      version: job.version,
      fired: 3,
      lastFireAt: last ?? null,
      nextFireAt: next ?? null,
      pending: [],
    }
    world.scheduler.state.runs.push(runs)
    const { body } = await world.call<{ data: { at: string }[] }>('GET', `/jobs/${job.id}/next-runs?count=9`)
    expect(body.data.at(-1)?.at).toBe(iso((next as number) + minute))
  })

  it('is not completed while the scheduler is behind', async () => {
    const { job, shown } = await openJob(world, { schedule: '* * * * *', maxRuns: 1 })
    await world.clock.advance(5 * minute)
    const runs = {
      id: job.id,
      version: job.version,
      fired: 0,
      lastFireAt: null,
      nextFireAt: job.createdAt + minute,
      pending: [],
    }
    world.scheduler.state.runs.push(runs)
    expect(await shown()).toMatchObject({ state: 'active', nextRunAt: expect.any(String) })
  })

  it('is not completed by what is true of another version', async () => {
    const { job, shown } = await openJob(world, { schedule: '* * * * *', maxRuns: 2 })
    const newer = { id: job.id, version: job.version + 1, fired: 2, lastFireAt: null, nextFireAt: null, pending: [] }
    world.scheduler.state.runs.push(newer)
    expect(await shown()).toMatchObject({ state: 'active' })
  })

  it('shows as if runs were left while the scheduler does not answer', async () => {
    const { shown } = await openJob(world, { schedule: '* * * * *', maxRuns: 2 })
    await world.scheduler.leave()
    expect(await shown()).toMatchObject({ state: 'active', nextRunAt: expect.any(String) })
    await world.scheduler.join()
  })

  it('is completed when its endAt has passed, without a question to the scheduler', async () => {
    const asks = world.scheduler.state.runsAsks
    const endAt = iso(world.clock.now() + 2 * minute)
    const { shown } = await openJob(world, { schedule: '* * * * *', endAt })
    expect(await shown()).toMatchObject({ state: 'active', endAt })
    await world.clock.advance(2 * minute)
    expect(await shown()).toMatchObject({ state: 'completed', nextRunAt: null })
    expect(world.scheduler.state.runsAsks).toBe(asks)
  })
})
