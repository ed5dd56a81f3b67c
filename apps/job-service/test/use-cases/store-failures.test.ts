import type { ExecutionView, FencedJobView, JobView } from '@belfry/contracts'
import { soleShare } from '@belfry/storage'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createFailingStores, type Failure } from '../failing-stores.ts'
import { minted, statusMessage } from '../fixtures.ts'
import { openWorld, until } from '../world.ts'

async function open(settings: Parameters<typeof openWorld>[0] = {}) {
  const { fail, wrap } = createFailingStores()
  const world = await openWorld(settings, { wrap })
  onTestFinished(world.close)
  const jobs = async () => (await world.call<{ data: JobView[] }>('GET', '/jobs')).body.data
  const create = (body: object = {}, headers = {}) =>
    world.call<JobView>('POST', '/jobs', { jobType: 'DUMMY', ...body }, { headers })
  const trigger = (job: JobView, headers = {}) =>
    world.call<ExecutionView>('POST', `/jobs/${job.id}/trigger`, undefined, { headers })
  const cancel = (job: JobView) => world.call<FencedJobView>('POST', `/jobs/${job.id}/cancel`)
  const stored = async (job: JobView) => (await world.stores.jobs.find('usr-a', job.id)) ?? expect.fail('no such job')
  return { world, fail, jobs, create, trigger, cancel, stored }
}

const lost: Failure[] = ['lost after the write', 'lost before the write']

describe('a job that is created', () => {
  it.each(lost)('is there once when the answer is %s', async (failure) => {
    const { world, fail, jobs, create } = await open()
    fail('jobs', 'create', failure)
    const { status, body } = await create()
    expect([status, (await jobs()).map(({ id }) => id)]).toEqual([201, [body.id]])
    await world.pass(1)
    await until(() => world.published.some(({ jobId }) => jobId === body.id))
  })

  it.each(lost)('is not refused as one too many, or for its key, when the answer is %s', async (failure) => {
    const { fail, create } = await open({ jobMostPerUser: 1 })
    fail('jobs', 'create', failure)
    expect((await create({ key: 'only' })).status).toBe(201)
    expect((await create({ key: 'other' })).status).toBe(429)
  })

  it.each(lost)('is found by the retry of a request whose answer was %s twice', async (failure) => {
    const { fail, jobs, create } = await open()
    fail('jobs', 'create', failure, failure)
    const headers = { 'idempotency-key': 'one' }
    expect((await create({}, headers)).status).toBe(503)
    const { status, body } = await create({}, headers)
    expect([status, (await jobs()).map(({ id }) => id)]).toEqual([201, [body.id]])
  })

  it('is not there when the store is unavailable', async () => {
    const { fail, jobs, create } = await open()
    fail('jobs', 'create', 'unavailable')
    expect((await create()).status).toBe(503)
    expect(await jobs()).toEqual([])
  })

  it.each(lost)('under a key is new when the answer is %s, and is found by the same body', async (failure) => {
    const { world, fail, jobs } = await open()
    fail('jobs', 'create', failure)
    const put = async () => (await world.call('PUT', '/jobs/nightly', { jobType: 'DUMMY' })).status
    expect([await put(), await put(), (await jobs()).length]).toEqual([201, 200, 1])
  })

  it.each(['retake', 'storeAnswer', 'insert'])('is there once when requests.%s loses its answer', async (verb) => {
    const { fail, jobs, create } = await open()
    const headers = { 'idempotency-key': 'one' }
    fail('jobs', 'create', ...(verb === 'retake' ? (['unavailable'] as const) : []))
    if (verb === 'retake') expect((await create({}, headers)).status).toBe(503)
    fail('requests', verb, 'lost after the write')
    expect((await create({}, headers)).status).toBe(503)
    expect((await create({}, headers)).status).toBe(201)
    expect(await jobs()).toHaveLength(1)
  })

  it('with the system is made once when its mark is lost', async () => {
    const { world, fail, jobs } = await open()
    // A loop writes this one when it begins; the failure is meant for the next write.
    await until(() => world.stores.cursors.read('missed fire times'))
    const hello = { ownerId: 'usr-a', minted: minted(1), key: 'hello', body: { jobType: 'DUMMY' } }
    fail('cursors', 'write', 'lost before the write')
    await expect(world.service.jobs.createOnce(hello)).rejects.toMatchObject({ code: 'outcome-unknown' })
    expect(await world.service.jobs.createOnce(hello)).toMatchObject({ key: 'hello' })
    expect(await world.service.jobs.createOnce(hello)).toBeNull()
    expect(await jobs()).toHaveLength(1)
  })
})

describe('a job that is cancelled', () => {
  it.each(lost)('has one further version when the answer is %s', async (failure) => {
    const { fail, create, cancel, stored } = await open()
    const { body: job } = await create()
    fail('jobs', 'compareAndSet', failure)
    const { status, body } = await cancel(job)
    expect([status, body.state, body.version, body.effective]).toEqual([200, 'cancelled', 2, 'now'])
    expect(await stored(job)).toMatchObject({ version: 2, fencedVersion: 2 })
  })

  it('stays as it is when the store is unavailable, or does not answer at all', async () => {
    const { fail, create, cancel, stored } = await open()
    const { body: job } = await create()
    fail('jobs', 'compareAndSet', 'unavailable')
    expect((await cancel(job)).status).toBe(503)
    fail('jobs', 'compareAndSet', ...Array.from({ length: 5 }, (): Failure => 'lost before the write'))
    expect((await cancel(job)).status).toBe(503)
    expect(await stored(job)).toMatchObject({ version: 1, state: 'active' })
    expect((await cancel(job)).status).toBe(200)
  })

  it.each<Failure>([...lost, 'unavailable'])(
    'is pending until the mark of its fence is stored: %s',
    async (failure) => {
      const { world, fail, create, cancel, stored } = await open()
      const { body: job } = await create()
      fail('jobs', 'markFenced', failure)
      fail('jobs', 'postponeFenceIfUnchanged', failure)
      const { status, body } = await cancel(job)
      expect([status, body.effective]).toEqual([202, 'pending'])
      await world.pass(10)
      expect(await stored(job)).toMatchObject({ version: 2, fencedVersion: 2 })
      expect((await world.stores.jobs.listDueFences(Number.MAX_SAFE_INTEGER, 10, soleShare)).rows).toEqual([])
    },
  )

  it.each<Failure>([...lost, 'unavailable'])(
    'reaches the scheduler when its mark as published fails: %s',
    async (failure) => {
      const { world, fail, create, stored } = await open()
      fail('jobs', 'markPublished', failure)
      const { body: job } = await create()
      await world.pass(3)
      await until(async () => (await stored(job)).isPublished)
      expect(world.published.every(({ jobId, version }) => jobId === job.id && version === 1)).toBe(true)
    },
  )
})

describe('a job that is changed at a version', () => {
  it.each(lost)('is changed once, and not refused for the version, when the answer is %s', async (failure) => {
    const { world, fail, create, stored } = await open()
    const { body: job } = await create({ schedule: '0 3 * * *' })
    const options = { headers: { 'if-match': '"1"' } }
    fail('jobs', 'compareAndSet', failure)
    const patched = await world.call<FencedJobView>('PATCH', `/jobs/${job.id}`, { name: 'mine' }, options)
    expect([patched.status, patched.body.name, patched.body.version]).toEqual([200, 'mine', 2])
    fail('jobs', 'compareAndSet', failure)
    const paused = await world.call<FencedJobView>('POST', `/jobs/${job.id}/pause`, undefined, {
      headers: { 'if-match': '"2"' },
    })
    expect([paused.status, paused.body.state, paused.body.version]).toEqual([200, 'paused', 3])
    expect(await stored(job)).toMatchObject({ version: 3, fencedVersion: 3 })
    expect((await world.call('DELETE', `/jobs/${job.id}`, undefined, options)).status).toBe(412)
  })
})

describe('a trigger', () => {
  it.each(lost)('makes one execution when the answer is %s, whose command reaches the executors', async (failure) => {
    const { world, fail, create, trigger } = await open()
    const { body: job } = await create()
    fail('executions', 'insertTrigger', failure)
    const { status, body } = await trigger(job)
    expect(status).toBe(202)
    await world.pass(6)
    await until(() => world.executor.state.commands.length > 0)
    expect(new Set(world.executor.state.commands.map(({ executionId }) => executionId))).toEqual(new Set([body.id]))
    const list = await world.call<{ data: ExecutionView[] }>('GET', `/jobs/${job.id}/executions`)
    expect(list.body.data.map(({ id }) => id)).toEqual([body.id])
  })

  it('makes none when the store is unavailable, and one when it is tried again', async () => {
    const { world, fail, create, trigger } = await open()
    const { body: job } = await create()
    const headers = { 'idempotency-key': 'one' }
    fail('executions', 'insertTrigger', 'lost after the write')
    fail('executions', 'find', 'unavailable')
    expect((await trigger(job, headers)).status).toBe(503)
    expect((await trigger(job, headers)).status).toBe(202)
    const list = await world.call<{ data: ExecutionView[] }>('GET', `/jobs/${job.id}/executions`)
    expect(list.body.data).toHaveLength(1)
    fail('executions', 'insertTrigger', 'unavailable')
    expect((await trigger(job)).status).toBe(503)
  })

  it.each<Failure>([...lost, 'unavailable'])(
    'is sent again though the claim of its command fails: %s',
    async (failure) => {
      const { world, fail, create, trigger } = await open()
      const { body: job } = await create()
      world.executor.state.takesCommands = false
      const { body } = await trigger(job)
      await world.pass(1)
      world.executor.state.takesCommands = true
      fail('executions', 'postponeManyIfUnchanged', failure)
      await world.pass(20)
      await until(() => world.executor.state.commands.some(({ executionId }) => executionId === body.id))
    },
  )
})

describe('a job-status', () => {
  it.each<Failure>([...lost, 'unavailable'])('is applied when it comes again after a failure: %s', async (failure) => {
    const { world, fail, create, stored } = await open()
    const { body: job } = await create()
    const message = statusMessage({ job: await stored(job), state: 'succeeded', endedAt: world.clock.now() })
    fail('executions', 'applyStatuses', failure)
    await expect(world.executor.publish(message)).rejects.toThrow()
    await world.executor.publish(message)
    expect((await stored(job)).known.last).toMatchObject({ id: message.executionId, status: 'SUCCESS' })
    const list = await world.call<{ data: ExecutionView[] }>('GET', `/jobs/${job.id}/executions`)
    expect(list.body.data).toHaveLength(1)
  })
})
