import { type JobView, jobStatusView, jobView, type Problem } from '@belfry/contracts'
import { describe, expect, it } from 'vitest'
import { jobIdOf, minted, monday, statusMessage } from '../fixtures.ts'
import { openWorld, pointersOf, until, useWorld, weakTag } from '../world.ts'

describe('a job over the API', () => {
  const world = useWorld()
  const create = async (body: Record<string, unknown>) => {
    const answer = await world.call<JobView>('POST', '/jobs', { jobType: 'DUMMY', ...body })
    expect(answer.status, JSON.stringify(answer.body)).toBe(201)
    return answer
  }

  it('is answered whole, with its location and version', async () => {
    const { body, headers } = await create({ schedule: '*/5 * * * *', params: { durationMs: 1 }, tags: ['sales'] })
    expect(jobView.parse(body)).toEqual(body)
    expect(headers).toMatchObject({ location: `/jobs/${body.id}`, etag: weakTag(1) })
    expect(body).toMatchObject({
      name: 'DUMMY',
      key: null,
      schedule: { cron: '*/5 * * * *', timezone: 'UTC' },
      runAt: null,
      status: 'CREATED',
      state: 'active',
      version: 1,
      timeout: '1h',
      retry: { maxRetries: 3, backoff: 'exponential', delay: '5s', factor: 2, maxDelay: '5m', jitter: true },
      overlap: { policy: 'skip', limit: 1 },
      nextRunAt: '2026-11-02T09:20:00.000Z',
      nextRunLocal: '2026-11-02T09:20:00+00:00[UTC]',
      lastExecution: null,
      ownerId: 'usr-a',
      createdAt: new Date(monday).toISOString(),
      tags: ['sales'],
    })
    const read = await world.call('GET', `/jobs/${body.id}`)
    expect(read.headers.etag).toEqual(weakTag(1))
    expect(read.body).toEqual(body)
  })

  it('shows its times in its own zone', async () => {
    const { body } = await create({ schedule: { cron: '30 2 * * *', timezone: 'Europe/Berlin' } })
    expect(body.nextRunLocal).toBe('2026-11-03T02:30:00+01:00[Europe/Berlin]')
    expect(body.nextRunAt).toBe('2026-11-03T01:30:00.000Z')
  })

  it('shows an interval with its anchor', async () => {
    const { body } = await create({ schedule: { every: '90s' } })
    expect(body.schedule).toEqual({ every: '90s', anchorAt: new Date(monday).toISOString(), timezone: 'UTC' })
    expect(body.nextRunAt).toBe(new Date(monday + 90_000).toISOString())
  })

  it('is CREATED until it is published to the scheduler', async () => {
    const { body } = await create({ runAt: '2026-12-01T09:00:00Z' })
    expect(body.status).toBe('CREATED')
    await world.clock.advance(20)
    await until(() => world.published.some((job) => job.jobId === body.id))
    await until(async () => (await world.call<JobView>('GET', `/jobs/${body.id}`)).body.status === 'SCHEDULED')
    expect(world.published.find((job) => job.jobId === body.id)).toMatchObject({ version: 1, state: 'active' })
  })

  it('shows the status of its execution, and is completed when its one-shot has ended', async () => {
    const { body } = await create({ runAt: '2026-11-02T09:16:00Z' })
    await world.clock.advance(20)
    const stored = await until(async () => {
      const job = await world.stores.jobs.find('usr-a', body.id)
      return job?.isPublished && job
    })
    const fireAt = Date.UTC(2026, 10, 2, 9, 16)
    await world.executor.publish(statusMessage({ job: stored, fireAt, state: 'running' }))
    expect((await world.call('GET', `/jobs/${body.id}`)).body).toMatchObject({ status: 'RUNNING', state: 'active' })
    const endedAt = fireAt + 5
    await world.executor.publish(statusMessage({ job: stored, fireAt, state: 'succeeded', seq: 2, endedAt }))
    const { body: done } = await world.call<JobView>('GET', `/jobs/${body.id}`)
    expect(done).toMatchObject({ status: 'SUCCESS', state: 'completed' })
    expect(done.lastExecution).toMatchObject({ status: 'SUCCESS', fireAt: '2026-11-02T09:16:00.000Z' })
    expect(done.lastExecution?.endedAt).toBe(new Date(endedAt).toISOString())
  })

  it('shows its status with the running execution and its failures in a row', async () => {
    const { body } = await create({ schedule: '* * * * *', key: 'status-job' })
    const job = await world.stores.jobs.find('usr-a', body.id)
    if (!job) throw new Error('the job is gone')
    const at = (minutes: number) => monday + minutes * 60_000
    await world.executor.publish(
      statusMessage({ job, fireAt: at(0), state: 'succeeded' }),
      statusMessage({ job, fireAt: at(1), state: 'failed' }),
      statusMessage({ job, fireAt: at(2), state: 'failed' }),
      statusMessage({ job, fireAt: at(3), state: 'running' }),
    )
    const { body: status } = await world.call('GET', '/jobs/status-job/status')
    expect(jobStatusView.parse(status)).toEqual(status)
    expect(status).toMatchObject({
      jobId: body.id,
      key: 'status-job',
      consecutiveFailures: 2,
      currentExecution: { status: 'RUNNING', fireAt: new Date(at(3)).toISOString() },
      lastExecution: { status: 'FAILED', fireAt: new Date(at(2)).toISOString() },
    })
  })

  it('is reached by its key, also when PUT made it', async () => {
    const made = await world.call<JobView>('PUT', '/jobs/job-100', { jobType: 'DUMMY' })
    expect(made.status).toBe(201)
    expect(made.headers).toMatchObject({ location: `/jobs/${made.body.id}`, etag: weakTag(1) })
    expect(made.body).toMatchObject({ key: 'job-100', name: 'job-100' })
    expect((await world.call('GET', '/jobs/job-100/status')).body).toMatchObject({ jobId: made.body.id })
    expect((await world.call('GET', '/jobs/job-100')).body).toMatchObject({ id: made.body.id })
  })

  it.each([
    ['manual', {}],
    ['delay', { delay: '10m', params: { durationMs: -0 } }],
    ['interval', { schedule: { every: '90s' }, retry: { maxRetries: 2 }, overlap: { policy: 'skip' } }],
    ['seeded', { schedule: 'H H * * *' }],
    ['once', { scheduledTime: '2026-11-02T09:16:00' }],
  ])('stays as it is when the same PUT is repeated, under its key and its id: %s', async (name, more) => {
    const put = (ref: string) => world.call<JobView>('PUT', `/jobs/${ref}`, { jobType: 'DUMMY', ...more })
    const first = await put(`same-${name}`)
    expect(first.status).toBe(201)
    await world.clock.advance(120_000)
    const again = [await put(`same-${name}`), await put(first.body.id)]
    for (const answer of again) {
      expect([answer.status, answer.headers.etag, answer.headers.location]).toEqual([
        200,
        weakTag(1),
        `/jobs/${first.body.id}`,
      ])
      expect(answer.body).toMatchObject({ id: first.body.id, version: 1, runAt: first.body.runAt })
      expect(answer.body.schedule).toEqual(first.body.schedule)
    }
    expect((await world.call<{ data: unknown[] }>('GET', `/jobs?q=same-${name}`)).body.data).toHaveLength(1)
  })

  it('is made once by many equal PUTs at the same time', async () => {
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => world.call<JobView>('PUT', '/jobs/job-race', { jobType: 'DUMMY', delay: '1h' })),
    )
    expect(answers.map((answer) => answer.status).toSorted()).toEqual([200, 200, 200, 200, 200, 200, 200, 201])
    expect(new Set(answers.map((answer) => answer.body.id)).size).toBe(1)
  })

  it('is not made by POST under a key that another one has', async () => {
    await world.call('PUT', '/jobs/job-101', { jobType: 'DUMMY', schedule: '@daily' })
    const posted = await world.call('POST', '/jobs', { jobType: 'DUMMY', key: 'job-101' })
    expect(posted.status).toBe(409)
    expect(pointersOf(posted.body)).toEqual(['/key'])
  })

  it('leaves its key to a new job once it is cancelled, and is found by it only while there is none', async () => {
    const put = (body = {}) => world.call<JobView>('PUT', '/jobs/job-102', { jobType: 'DUMMY', ...body })
    const byKey = async () => (await world.call<JobView>('GET', '/jobs/job-102')).body
    const first = await put()
    await world.call('POST', '/jobs/job-102/trigger')
    await world.call('POST', '/jobs/job-102/cancel')
    expect(await byKey()).toMatchObject({ id: first.body.id, status: 'CANCELLED' })
    const second = await put()
    expect([second.status, second.body.version]).toEqual([201, 1])
    expect(second.body.id).not.toBe(first.body.id)
    expect(await byKey()).toMatchObject({ id: second.body.id, state: 'active' })
    // A trigger by key is one of the new job, although the old one was triggered by the same key.
    const trigger = await world.call('POST', '/jobs/job-102/trigger')
    expect([trigger.status, trigger.body.jobId]).toEqual([202, second.body.id])
    await world.call('POST', '/jobs/job-102/cancel')
    const posted = await world.call<JobView>('POST', '/jobs', { jobType: 'DUMMY', key: 'job-102' })
    expect(posted.status).toBe(201)
    await world.call('POST', '/jobs/job-102/cancel')
    expect(await byKey()).toMatchObject({ id: posted.body.id, status: 'CANCELLED' })
    expect((await world.call('PUT', `/jobs/${first.body.id}`, { jobType: 'DUMMY' })).status).toBe(409)
  })

  it.each([['UPPER'], ['a b'], ['x'.repeat(65)], ['key-01900000-0000-7000-8000-000000000000'], ['%00']])(
    'takes no key like %s',
    async (key) => {
      const answer = await world.call('PUT', `/jobs/${encodeURIComponent(key)}`, { jobType: 'DUMMY' })
      expect(answer.status).toBe(400)
      expect(pointersOf(answer.body)).toEqual([':id'])
    },
  )

  it('warns of assumptions', async () => {
    const { body } = await create({ scheduledTime: '2024-01-01T10:00:00' })
    expect(body.warnings.map((warning) => warning.code)).toEqual(['timezone-assumed', 'in-the-past'])
    expect(body.nextRunAt).toBe('2024-01-01T10:00:00.000Z')
  })

  it('is not created for a viewer', async () => {
    const answer = await world.call<Problem>('POST', '/jobs', { jobType: 'DUMMY' }, { roles: ['viewer'] })
    expect([answer.status, answer.body.code]).toEqual([403, 'forbidden'])
    expect((await world.call('GET', '/jobs', undefined, { roles: ['viewer'] })).status).toBe(200)
  })

  it('that comes with the system is created once: not again after a crash, a restart or its cancel', async () => {
    const as = { user: 'usr-first' }
    const hello = { ownerId: 'usr-first', minted: minted(0xf00), key: 'hello', body: { jobType: 'DUMMY', delay: '1h' } }
    const { createOnce } = world.service.jobs
    expect(await createOnce(hello)).toMatchObject({ key: 'hello', version: 1, id: jobIdOf(0xf00) })
    // As after a crash between the job and the note that it was made.
    await world.stores.cursors.write('made hello', 0)
    expect(await createOnce(hello)).toMatchObject({ id: jobIdOf(0xf00), version: 1 })
    expect(await createOnce(hello)).toBeNull()
    expect((await world.call('POST', '/jobs/hello/cancel', undefined, as)).status).toBe(200)
    expect(await createOnce(hello)).toBeNull()
    const { body } = await world.call<{ data: JobView[] }>('GET', '/jobs', undefined, as)
    expect(body.data.map((job) => [job.key, job.status])).toEqual([['hello', 'CANCELLED']])
  })

  it('that comes with the system gives way to a job of its owner with its key', async () => {
    await world.call('PUT', '/jobs/welcome', { jobType: 'DUMMY' }, { user: 'usr-first' })
    const welcome = { ownerId: 'usr-first', minted: minted(0xf01), key: 'welcome', body: { jobType: 'DUMMY' } }
    expect(await world.service.jobs.createOnce(welcome)).toMatchObject({ code: 'conflict' })
    expect(await world.service.jobs.createOnce(welcome)).toBeNull()
  })
})

describe('the list of job types', () => {
  const world = useWorld({ jobTypesAgainMs: 10_000 })

  it('is fetched again for an unknown type, but not at every call', async () => {
    const asks = () => world.executor.state.typeAsks
    const make = (jobType: string) => world.call('POST', '/jobs', { jobType })
    await world.clock.advance(10_000)
    const before = asks()
    expect((await make('NEWER')).status).toBe(422)
    expect((await make('NEWER')).status).toBe(422)
    expect(asks()).toBe(before + 1)
    world.executor.state.types = [...world.executor.state.types, { ...world.executor.state.types[0]!, type: 'NEWER' }]
    await world.clock.advance(10_000)
    expect((await make('NEWER')).status).toBe(201)
  })

  it('is fetched at the first request when there is none yet', async () => {
    const early = await openWorld({}, { hasExecutor: false })
    const make = () => early.call<Problem>('POST', '/jobs', { jobType: 'DUMMY' })
    const refused = await make()
    expect([refused.status, refused.body.code, refused.headers['retry-after']]).toEqual([503, 'unavailable', '1'])
    await early.executor.join()
    await early.pass(1)
    expect((await make()).status).toBe(201)
    await early.close()
  })

  it('stays the last good one while no executor is registered', async () => {
    await world.executor.leave()
    await world.clock.advance(60_000)
    expect((await world.call('POST', '/jobs', { jobType: 'DUMMY' })).status).toBe(201)
    await world.executor.join()
  })
})
