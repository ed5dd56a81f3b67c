import { type FencedJobView, fencedJobView, type JobView, type Problem } from '@belfry/contracts'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type Job, pausedJob } from '../../src/domain/job.ts'
import { monday } from '../fixtures.ts'
import { pointersOf, until, useWorld, weakTag } from '../world.ts'

describe('a change of a job', () => {
  const world = useWorld()
  const create = async (body: object = {}) =>
    (await world.call<JobView>('POST', '/jobs', { jobType: 'DUMMY', schedule: '*/5 * * * *', ...body })).body
  const post = <T = FencedJobView>(id: string, operation: string, body?: Record<string, unknown>, headers = {}) =>
    world.call<T>('POST', `/jobs/${id}/${operation}`, body, { headers })
  const patch = <T = FencedJobView>(id: string, body: Record<string, unknown>, headers = {}) =>
    world.call<T>('PATCH', `/jobs/${id}`, body, { headers })
  const read = async (id: string) => (await world.call<JobView>('GET', `/jobs/${id}`)).body
  const fencesOf = (jobId: string) => world.executor.state.fences.filter((fence) => fence.jobId === jobId)

  it('by PATCH is effective once the executors have confirmed it, and lists what may still run', async () => {
    const job = await create({ params: { durationMs: 5, payload: { a: 1 } } })
    world.executor.state.inFlight = [{ executionId: 'exe-1-x', epoch: 3, status: 'RUNNING' }]
    const { status, headers, body } = await patch(job.id, { name: 'hourly', schedule: '0 * * * *' })
    world.executor.state.inFlight = []
    expect([status, headers.etag, headers.location]).toEqual([200, weakTag(2), `/jobs/${job.id}`])
    expect(fencedJobView.parse(body)).toEqual(body)
    expect(body).toMatchObject({
      name: 'hourly',
      version: 2,
      schedule: { cron: '0 * * * *', timezone: 'UTC' },
      params: { durationMs: 5, payload: { a: 1 } },
      nextRunAt: '2026-11-02T10:00:00.000Z',
      effective: 'now',
      inFlight: [{ executionId: 'exe-1-x', epoch: 3, status: 'RUNNING' }],
    })
    expect(fencesOf(job.id)).toEqual([{ jobId: job.id, versions: [2] }])
    await world.clock.advance(20)
    await until(() => world.published.some((one) => one.jobId === job.id && one.version === 2))
  })

  it('by PATCH merges objects, and takes a field back to its default with null', async () => {
    const job = await create({ params: { durationMs: 5, payload: { a: 1, b: 2 } }, priority: 2, tags: ['x'] })
    const { body } = await patch(job.id, {
      params: { payload: { b: null, c: 3 } },
      priority: null,
      retry: { maxRetries: 9 },
    })
    expect(body).toMatchObject({ params: { durationMs: 5, payload: { a: 1, c: 3 } }, priority: 5, tags: ['x'] })
    expect(body.retry).toEqual({ ...job.retry, maxRetries: 9 })
    expect(body.params?.payload).toEqual({ a: 1, c: 3 })
  })

  it('by PATCH that changes nothing makes no new version', async () => {
    const job = await create({ schedule: { every: '90s' }, retry: { delay: '90s' }, timeout: '1h' })
    await world.clock.advance(7_000)
    for (const body of [{}, { name: 'DUMMY' }, { schedule: { every: '90s' } }, { retry: { delay: '90s' } }]) {
      const answer = await patch(job.id, body)
      expect([answer.status, answer.body.version, answer.body.effective]).toEqual([200, 1, 'now'])
    }
    expect(await read(job.id)).toEqual({ ...job, status: 'SCHEDULED' })
    expect(fencesOf(job.id)).toEqual([])
  })

  it.each([
    [{ schedule: '*/5 0-20 * * MON-FRI', misfire: { policy: 'run-all', within: '90s', cap: 7 }, jitter: '1500ms' }],
    [{ schedule: { every: '90s' }, startAt: '2026-12-01T00:00:00Z', endAt: '2027-12-01T00:00:00Z', maxRuns: 9 }],
    [{ schedule: { cron: 'H H * * *', timezone: 'Asia/Kolkata' }, overlap: { policy: 'queue' } }],
    [{ schedule: '@every 10m', overlap: { policy: 'allow', limit: 3 }, onLostLease: 'fail' }],
    [{ runAt: '2026-12-01T09:00:00.123Z', expiresAfter: '90m', overlap: { policy: 'allow' } }],
    [
      {
        scheduledTime: '2026-12-01T09:00:00',
        retry: { backoff: 'fixed', delay: '1ms', maxDelay: '1d', jitter: false },
      },
    ],
    [
      {
        schedule: null,
        timeout: '90s',
        tags: ['a', 'b'],
        priority: 9,
        name: 'x',
        overlap: { policy: 'skip', limit: 2 },
      },
    ],
  ])('by PATCH leaves the rest of a job as it is: %j', async (body) => {
    const job = await create({ schedule: undefined, ...body })
    expect(job).toMatchObject({ version: 1 })
    const { version, links, updatedAt, status, name, warnings, ...rest } = job
    expect((await patch(job.id, {})).body.version).toBe(1)
    const renamed = await patch(job.id, { name: 'renamed' })
    expect(renamed.body).toMatchObject({ ...rest, name: 'renamed', version: 2 })
    expect((await patch(job.id, { name })).body).toMatchObject(rest)
  })

  it('by PATCH keeps the anchor of an interval that stays as long, and begins another one anew', async () => {
    const job = await create({ schedule: { every: '90s' } })
    await world.clock.advance(7_000)
    const renamed = (await patch(job.id, { name: 'other' })).body
    expect(renamed.schedule).toEqual(job.schedule)
    const other = (await patch(job.id, { schedule: { every: '2m' } })).body
    expect(other.schedule).toEqual({ every: '2m', anchorAt: other.updatedAt, timezone: 'UTC' })
  })

  it.each([
    [{ runAt: '2026-12-01T09:00:00Z' }, { schedule: null, runAt: '2026-12-01T09:00:00.000Z' }],
    [{ schedule: { every: '1h' } }, { schedule: { every: '1h' }, runAt: null }],
    [{ schedule: { timezone: 'Europe/Berlin' } }, { schedule: { cron: '*/5 * * * *', timezone: 'Europe/Berlin' } }],
    [{ schedule: null }, { schedule: null, runAt: null, nextRunAt: null }],
  ])('by PATCH with %j replaces what says when the job runs', async (body, expected) => {
    const job = await create()
    expect((await patch(job.id, body)).body).toMatchObject(expected)
  })

  it('by PATCH does not say of a one-shot that is over that it runs at once', async () => {
    const job = await create({ schedule: undefined, runAt: '2026-11-02T09:00:00Z' })
    expect(job.warnings.map(({ code }) => code)).toEqual(['in-the-past'])
    expect((await patch(job.id, { name: 'over' })).body.warnings).toEqual([])
    const again = await patch(job.id, { runAt: '2026-11-02T09:01:00Z' })
    expect(again.body.warnings.map(({ code }) => code)).toEqual(['in-the-past'])
  })

  it('by PATCH takes other fields of a job whose schedule is nearly or wholly over', async () => {
    const at = (ms: number) => new Date(world.clock.now() + ms).toISOString()
    const nearly = await create({ schedule: { every: '1h' }, endAt: at(5_400_000) })
    const over = await create({ schedule: { every: '1m' }, endAt: at(90_000) })
    await world.clock.advance(2_400_000)
    for (const { id } of [nearly, over]) expect((await patch(id, { name: 'late' })).status).toBe(200)
    for (const [id, endAt, status] of [
      [nearly.id, at(1_300_000), 200],
      [nearly.id, at(1_100_000), 422],
      [over.id, at(50_000), 422],
      [over.id, at(90_000), 200],
    ] as const) {
      const answer = await patch<Problem>(id, { endAt })
      expect([answer.status, pointersOf(answer.body)]).toEqual([status, status === 200 ? [] : ['/endAt']])
    }
  })

  it('by PATCH counts a delay from the change on', async () => {
    const job = await create({ schedule: undefined, delay: '1h' })
    await world.clock.advance(10_000)
    const { body } = await patch(job.id, { delay: '1h' })
    expect(body.runAt).toBe(new Date(Date.parse(body.updatedAt) + 3_600_000).toISOString())
  })

  it.each([
    [{ schedule: '0 0 31 2 *' }, 422, ['/schedule']],
    [{ schedule: '61 * * * *' }, 400, ['/schedule']],
    [{ schedule: '* * * * *', runAt: '2027-01-01T00:00:00Z' }, 400, ['/runAt', '/runAt']],
    [{ params: { durationMs: 'long' } }, 422, ['/params/durationMs']],
    [{ jobType: 'DUMY' }, 422, ['/jobType']],
    [{ naem: 'x', timeout: '1' }, 400, ['/timeout', '/naem']],
    [{ jobType: null }, 400, ['/jobType']],
    [{ key: 'other' }, 400, ['/key']],
    [{ retry: { delay: '10m' } }, 400, ['/retry/maxDelay']],
  ])('by PATCH with %j is refused with %i, naming %j, and nothing changes', async (body, status, pointers) => {
    const job = await create({ params: { durationMs: 5 } })
    const answer = await patch<Problem>(job.id, body)
    expect([answer.status, [...new Set(pointersOf(answer.body))]]).toEqual([status, [...new Set(pointers)]])
    expect(await read(job.id)).toEqual(job)
    expect(fencesOf(job.id)).toEqual([])
  })

  it('by PUT replaces the whole definition, and the same body again changes nothing', async () => {
    const put = (body: Record<string, unknown>) => world.call<FencedJobView>('PUT', '/jobs/replaced', body)
    const first = await put({ jobType: 'DUMMY', delay: '10m', priority: 1, params: { durationMs: 1 } })
    expect(first.status).toBe(201)
    await world.clock.advance(5_000)
    const second = await put({ jobType: 'DUMMY', delay: '20m', tags: ['new'] })
    expect([second.status, second.headers.etag]).toEqual([200, weakTag(2)])
    expect(second.body).toMatchObject({ id: first.body.id, version: 2, priority: 5, params: {}, tags: ['new'] })
    expect(second.body.runAt).toBe(new Date(Date.parse(second.body.updatedAt) + 1_200_000).toISOString())
    await world.clock.advance(5_000)
    const third = await put({ jobType: 'DUMMY', delay: '20m', tags: ['new'] })
    expect([third.status, third.body.version, third.body.runAt]).toEqual([200, 2, second.body.runAt])
  })

  it('to paused keeps fire times back until it is resumed', async () => {
    const job = await create()
    const paused = await post(job.id, 'pause')
    expect([paused.status, paused.body.effective]).toEqual([200, 'now'])
    expect(paused.body).toMatchObject({ state: 'paused', status: 'PAUSED', pauseUntil: null, nextRunAt: null })
    expect(Object.keys(paused.body.links)).toContain('resume')
    expect((await post(job.id, 'pause')).body.version).toBe(2)
    const resumed = await post(job.id, 'resume')
    expect([resumed.status, resumed.body.version]).toEqual([200, 3])
    expect(resumed.body).toMatchObject({ state: 'active', nextRunAt: expect.any(String) })
    expect(Object.keys(resumed.body.links)).not.toContain('resume')
    expect((await post(job.id, 'resume')).body.version).toBe(3)
    expect(fencesOf(job.id).map(({ versions }) => versions)).toEqual([[2], [2], [2, 3], [2, 3]])
  })

  it('to paused ends by itself at the given moment', async () => {
    const job = await create({ schedule: '* * * * *' })
    const end = new Date(Math.ceil(world.clock.now() / 60_000 + 1) * 60_000)
    const { body } = await post(job.id, 'pause', { until: end.toISOString() })
    expect(body).toMatchObject({ state: 'paused', pauseUntil: end.toISOString() })
    await world.pass(Math.ceil((end.getTime() - world.clock.now()) / 1000) + 1)
    const after = await until(async () => {
      const found = await world.stores.jobs.find('usr-a', job.id)
      return found?.state === 'active' && found
    })
    expect(after).toMatchObject({ version: 3, pauseUntil: null, changedAt: end.getTime() - 1 })
    expect(fencesOf(job.id).at(-1)?.versions).toEqual([2, 3])
  })

  it.each([
    ['update', (id: string) => patch(id, { name: 'late' }), { state: 'active', spec: { name: 'late' } }],
    ['pause', (id: string) => post(id, 'pause'), { state: 'paused' }],
    ['cancel', (id: string) => post(id, 'cancel'), { state: 'cancelled' }],
    ['update', (id: string) => world.call('PUT', `/jobs/${id}`, { jobType: 'DUMMY' }), { state: 'active' }],
  ])('of a job whose pause is over ends the pause at its moment first: %s', async (kind, run, expected) => {
    const job = await create({ schedule: '* * * * *' })
    const end = world.clock.now() + 120_000
    const found = (await world.stores.jobs.find('usr-a', job.id)) ?? expect.fail('no such job')
    const paused = pausedJob(found, end, world.clock.now()) as Job
    await world.stores.jobs.compareAndSet(found.rowId, 1, paused, Number.MAX_SAFE_INTEGER)
    world.clock.step(120_400)
    expect((await run(job.id)).status).toBe(200)
    const after = (await world.stores.jobs.find('usr-a', job.id)) ?? expect.fail('no such job')
    expect(after).toMatchObject({ version: 4, changedAt: end + 400, ...expected })
    expect(after.changes.slice(2)).toMatchObject([
      { version: 3, kind: 'resume', changedAt: end - 1 },
      { version: 4, kind, changedAt: end + 400 },
    ])
  })

  it.each([
    [{ until: new Date(monday).toISOString() }, 422],
    [{ until: 'tomorrow' }, 400],
  ])('to paused until %j is refused, naming the field, and nothing changes', async (body, status) => {
    const job = await create()
    const answer = await post<Problem>(job.id, 'pause', body)
    expect([answer.status, pointersOf(answer.body)]).toEqual([status, ['/until']])
    expect(await read(job.id)).toEqual(job)
  })

  it('to deleted leaves nothing to be seen but its executions, and frees its key', async () => {
    const job = await create({ key: 'to-delete' })
    const execution = (await post<{ id: string }>(job.id, 'trigger')).body.id
    const remove = () => world.call<FencedJobView>('DELETE', `/jobs/${job.id}`)
    const { status, body } = await remove()
    expect(status).toBe(200)
    expect(body).toMatchObject({ id: job.id, state: 'deleted', version: 2, effective: 'now', nextRunAt: null })
    for (const path of [job.id, 'to-delete', `${job.id}/status`]) {
      expect((await world.call('GET', `/jobs/${path}`)).status, path).toBe(404)
    }
    expect((await world.call<{ data: { id: string }[] }>('GET', '/jobs?q=to-delete')).body.data).toEqual([])
    expect((await world.call('GET', `/executions/${execution}`)).status).toBe(200)
    const ofJob = await world.call<{ data: { id: string }[] }>('GET', `/jobs/${job.id}/executions`)
    expect(ofJob.body.data.map(({ id }) => id)).toEqual([execution])
    for (const operation of ['pause', 'resume', 'cancel', 'trigger'])
      expect((await post(job.id, operation)).status, operation).toBe(404)
    expect((await patch(job.id, {})).status).toBe(404)
    const again = await remove()
    expect([again.status, again.body.version, again.body.state]).toEqual([200, 2, 'deleted'])
    expect((await world.call('DELETE', '/jobs/to-delete')).status).toBe(200)
    const made = await world.call<JobView>('PUT', '/jobs/to-delete', { jobType: 'DUMMY' })
    expect(made.status).toBe(201)
    expect(made.body.id).not.toBe(job.id)
  })

  it('of a cancelled job is refused with what is allowed', async () => {
    const job = await create()
    await post(job.id, 'cancel')
    const answers = [
      await patch<Problem>(job.id, { name: 'x' }),
      await post<Problem>(job.id, 'pause'),
      await post<Problem>(job.id, 'resume'),
      await world.call<Problem>('PUT', `/jobs/${job.id}`, { jobType: 'DUMMY' }),
    ]
    for (const { status, body } of answers)
      expect([status, body.code, body.allowed]).toEqual([409, 'illegal-transition', ['delete']])
    expect((await world.call('DELETE', `/jobs/${job.id}`)).status).toBe(200)
  })

  it('is pending while no executor can be reached, and its fence is repeated', async () => {
    const job = await create()
    await world.executor.leave()
    const { status, body } = await patch(job.id, { name: 'late' })
    expect([status, body.effective, body.inFlight, body.name]).toEqual([202, 'pending', [], 'late'])
    await world.executor.join()
    await world.pass(12)
    await until(async () => (await world.stores.jobs.find('usr-a', job.id))?.fencedVersion === 2)
    expect((await patch(job.id, { name: 'late' })).body).toMatchObject({ version: 2, effective: 'now' })
  })

  it('to paused until a past moment says first that there is no such job, or that it is cancelled', async () => {
    const body = { until: new Date(monday).toISOString() }
    const job = await create()
    await post(job.id, 'cancel')
    expect((await post<Problem>(job.id, 'pause', body)).status).toBe(409)
    expect((await post<Problem>('no-such-job', 'pause', body)).status).toBe(404)
  })

  it('that many ask for at once is written once for each, and refused only when too many wait', async () => {
    const job = await create()
    const writes: string[] = []
    const { compareAndSet } = world.stores.jobs
    world.stores.jobs.compareAndSet = (...args) => {
      writes.push(job.id)
      return compareAndSet(...args)
    }
    onTestFinished(() => void Object.assign(world.stores.jobs, { compareAndSet }))
    const names = Array.from({ length: 130 }, (_, n) => `name ${n}`)
    const answers = await Promise.all(names.map((name) => patch<Problem>(job.id, { name })))
    const refused = answers.filter(({ status }) => status !== 200)
    expect(new Set(refused.map(({ body }) => body.code))).toEqual(new Set(['too-many-requests']))
    expect(writes).toHaveLength(names.length - refused.length)
  })

  it('comes one after the other when several are asked for at once', async () => {
    const job = await create()
    const answers = await Promise.all([
      patch(job.id, { name: 'a' }),
      post(job.id, 'pause'),
      patch(job.id, { priority: 1 }),
    ])
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
    expect(await read(job.id)).toMatchObject({ version: 4, name: 'a', priority: 1, state: 'paused' })
  })

  it('may come a hundred times in a row', async () => {
    const job = await create()
    for (let n = 0; n < 100; n++) {
      const { status, body } = await patch(job.id, { name: `name ${n}` })
      expect([status, body.version], JSON.stringify(body)).toEqual([200, n + 2])
      await world.clock.advance(20)
      await until(() => world.published.some((one) => one.jobId === job.id && one.version === n + 2))
    }
    expect(world.scheduler.state.versionAsks.filter((id) => id === job.id).length).toBeLessThan(10)
    expect((await world.stores.jobs.find('usr-a', job.id))?.changes.length).toBeLessThanOrEqual(32)
  })

  it('is refused with 429 while the scheduler does not come after', async () => {
    const job = await create()
    await world.scheduler.leave()
    for (let n = 0; n < 31; n++) expect((await patch(job.id, { name: `name ${n}` })).status).toBe(200)
    const refused = await patch<Problem>(job.id, { name: 'one too many' })
    expect([refused.status, refused.body.code]).toEqual([429, 'too-many-requests'])
    expect((await read(job.id)).name).toBe('name 30')
    await world.scheduler.join()
    await world.clock.advance(20)
    await until(async () => (await patch(job.id, { name: 'and on' })).status === 200)
  })
})

describe('If-Match', () => {
  const world = useWorld()
  const create = async () =>
    (await world.call<JobView>('POST', '/jobs', { jobType: 'DUMMY', schedule: '0 3 * * *' })).body
  const rename = (id: string, ifMatch: string, name = 'renamed') =>
    world.call<FencedJobView & Problem>('PATCH', `/jobs/${id}`, { name }, { headers: { 'if-match': ifMatch } })

  it.each(['"1"', 'W/"1"', 'W/"1.3f2a"', '*', '"9", "1"', '"of,others",W/"1"'])(
    '%s lets a change through',
    async (tag) => {
      const answer = await rename((await create()).id, tag)
      expect([answer.status, answer.headers.etag]).toEqual([200, weakTag(2)])
    },
  )

  it('of another version is refused with 412 and the fields that differ', async () => {
    const job = await create()
    await rename(job.id, '"1"', 'theirs')
    const mine = { jobType: 'DUMMY', schedule: '0 3 * * *', priority: 2, name: 'mine' }
    const options = { headers: { 'if-match': '"1"' } }
    for (const method of ['PUT', 'PATCH'] as const) {
      const { status, body } = await world.call<Problem>(method, `/jobs/${job.id}`, mine, options)
      expect([status, body.code, pointersOf(body)]).toEqual([412, 'version-mismatch', ['/name', '/priority']])
    }
    expect((await world.call<JobView>('GET', `/jobs/${job.id}`)).body).toMatchObject({ version: 2, name: 'theirs' })
  })

  it('of another version is refused with both versions where the call has no fields', async () => {
    const job = await create()
    const options = { headers: { 'if-match': 'W/"3.x"' } }
    const calls = [
      ['POST', '/pause'],
      ['POST', '/resume'],
      ['POST', '/cancel'],
      ['DELETE', ''],
    ] as const
    for (const [method, path] of calls) {
      const { status, body } = await world.call<Problem>(method, `/jobs/${job.id}${path}`, undefined, options)
      expect([status, pointersOf(body)]).toEqual([412, ['/version']])
      expect(body.errors?.[0]?.detail).toBe('If-Match names version 3, the job is at version 1')
    }
    expect((await world.call<JobView>('GET', `/jobs/${job.id}`)).body.version).toBe(1)
  })

  it('on a PUT finds no job to replace', async () => {
    const options = { headers: { 'if-match': '*' } }
    const { status, body } = await world.call<Problem>('PUT', '/jobs/not-there', { jobType: 'DUMMY' }, options)
    expect([status, pointersOf(body)]).toEqual([412, ['/version']])
    expect((await world.call('GET', '/jobs/not-there')).status).toBe(404)
  })

  it.each(['7', '"7', 'w/"7"', '"7" "8"', '', '*, "7"'])('%j is malformed', async (tag) => {
    const { status, body } = await rename((await create()).id, tag)
    expect([status, pointersOf(body)]).toEqual([400, ['If-Match']])
  })
})
