import {
  type ExecutionView,
  executionView,
  type JobView,
  jobExecuteMessage,
  type Page,
  type Problem,
  type RedriveReply,
  redriveReply,
} from '@belfry/contracts'
import { describe, expect, it, onTestFinished } from 'vitest'
import { redriveId } from '../../src/domain/execution.ts'
import { monday, statusMessage } from '../fixtures.ts'
import { listAll, openWorld, pointersOf, until, useWorld, type World } from '../world.ts'

const create = async (world: World, body: object = {}) =>
  (await world.call<JobView>('POST', '/jobs', { jobType: 'DUMMY', schedule: '* * * * *', ...body })).body

const stored = async (world: World, id: string) => {
  const job = await world.stores.jobs.find('usr-a', id)
  if (!job) throw new Error('the job is gone')
  return job
}

/** Failed fire times of a job: so many, a minute apart, from a minute on. */
async function fail(world: World, jobId: string, count: number, from = 0): Promise<string[]> {
  const job = await stored(world, jobId)
  const failed = Array.from({ length: count }, (_, n) =>
    statusMessage({ job, fireAt: monday + (from + n) * 60_000, state: 'failed', endedAt: monday + 86_400_000 }),
  )
  await world.executor.publish(...failed)
  return failed.map(({ executionId }) => executionId)
}

const commandOf = (world: World, id: string) =>
  until(() => world.executor.state.commands.find(({ executionId }) => executionId === id))

describe('a retry of an execution', () => {
  const world = useWorld()
  const retry = (id: string, body?: Record<string, unknown>, headers = {}) =>
    world.call<ExecutionView & Omit<Problem, 'status'>>('POST', `/executions/${id}/retry`, body, { headers })
  const read = async (id: string) => (await world.call<ExecutionView>('GET', `/executions/${id}`)).body

  it('is a new execution at the version of the job now, and each names the other', async () => {
    const job = await create(world, { params: { durationMs: 1 } })
    const [id = ''] = await fail(world, job.id, 1)
    await world.call('PATCH', `/jobs/${job.id}`, { params: { durationMs: 2 } })
    const { status, body, headers } = await retry(id, { reason: 'the target is mended' })
    expect([status, headers.location]).toEqual([202, `/executions/${body.id}`])
    expect(executionView.parse(body)).toEqual(body)
    const about = { cause: 'retry', retryOf: id, retriedBy: null, jobVersion: 2, reason: 'the target is mended' }
    expect(body).toMatchObject({ ...about, status: 'SCHEDULED', params: { durationMs: 2 } })
    expect(await read(body.id)).toEqual(body)
    expect(await read(id)).toMatchObject({ status: 'FAILED', retriedBy: body.id })
    const command = await commandOf(world, body.id)
    expect(jobExecuteMessage.parse(command)).toEqual(command)
    expect(command).toMatchObject({ cause: 'retry', retryOf: id, version: 2, params: { durationMs: 2 } })
  })

  it('has the params that the trigger of the original brought, unless it brings others', async () => {
    const job = await create(world, { params: { durationMs: 1 } })
    const trigger = await world.call<ExecutionView>('POST', `/jobs/${job.id}/trigger`, { params: { durationMs: 7 } })
    const { id } = trigger.body
    const failed = { job: await stored(world, job.id), executionId: id, state: 'failed', cause: 'manual' } as const
    await world.executor.publish(statusMessage({ ...failed, endedAt: monday + 5 }))
    expect((await retry(id)).body.params).toEqual({ durationMs: 7 })
    expect((await retry(id, { params: { durationMs: 8 } })).body.params).toEqual({ durationMs: 8 })
    const refused = await retry(id, { params: { durationMs: 'long' } })
    expect([refused.status, pointersOf(refused.body)]).toEqual([422, ['/params/durationMs']])
  })

  it('is made once for an Idempotency-Key', async () => {
    const job = await create(world)
    const [id = ''] = await fail(world, job.id, 1)
    const headers = { 'idempotency-key': 'again' }
    const first = await retry(id, {}, headers)
    const second = await retry(id, {}, headers)
    expect([second.status, second.body.id, second.headers['idempotency-replayed']]).toEqual([
      202,
      first.body.id,
      'true',
    ])
    expect((await read(id)).retriedBy).toBe(first.body.id)
  })

  it('is refused while the original has not ended, and names what is allowed', async () => {
    const job = await create(world)
    const { body } = await world.call<ExecutionView>('POST', `/jobs/${job.id}/trigger`)
    const refused = await retry(body.id)
    expect([refused.status, refused.body.code, refused.body.allowed]).toEqual([409, 'illegal-transition', ['cancel']])
    expect(Object.keys(body.links)).toContain('cancel')
  })

  it('is refused for a job that is cancelled or deleted', async () => {
    const job = await create(world)
    const [id = ''] = await fail(world, job.id, 1)
    await world.call('POST', `/jobs/${job.id}/cancel`)
    expect(await retry(id)).toMatchObject({ status: 409, body: { code: 'illegal-transition', allowed: ['delete'] } })
    await world.call('DELETE', `/jobs/${job.id}`)
    expect(await retry(id)).toMatchObject({ status: 409, body: { code: 'illegal-transition', allowed: [] } })
  })

  it('of an execution that is not there is 404', async () => {
    expect((await retry(redriveId('exe-1-01900000-0000-7000-8000-000000000000'))).status).toBe(404)
  })
})

describe('a redrive of dead letters', () => {
  const world = useWorld()
  const redrive = async (body: Record<string, unknown>, user = 'usr-a') => {
    const answer = await world.call<RedriveReply & Omit<Problem, 'status'>>('POST', '/dead-letters/redrive', body, {
      user,
    })
    if (answer.status === 200) expect(redriveReply.parse(answer.body)).toEqual(answer.body)
    return answer
  }
  const deadLetters = async () => (await listAll<{ id: string }>(world, '/dead-letters', 50)).map(({ id }) => id)
  const executionsOf = (jobId: string) => listAll<ExecutionView>(world, `/jobs/${jobId}/executions`, 200)

  it('runs each once, however often and from wherever it is asked for', async () => {
    const job = await create(world, { params: { durationMs: 3 } })
    const ids = await fail(world, job.id, 5)
    const ask = () => redrive({ ids, reason: 'mended' })
    const answers = await Promise.all([ask(), ask(), ask()])
    const again = await ask()
    expect(again.body.counts).toEqual({ redriven: 0, alreadyRedriven: 5, refused: 0 })
    for (const { status, body } of [...answers, again]) {
      expect(status).toBe(200)
      expect(body.results.map(({ id, executionId }) => [id, executionId])).toEqual(ids.map((id) => [id, redriveId(id)]))
    }
    const made = (await executionsOf(job.id)).filter(({ retryOf }) => retryOf !== null)
    expect(made.map(({ retryOf }) => retryOf).toSorted()).toEqual(ids.toSorted())
    expect(made[0]).toMatchObject({ cause: 'retry', reason: 'mended', status: 'SCHEDULED' })
    for (const { id } of made) expect(await commandOf(world, id)).toMatchObject({ params: { durationMs: 3 } })
    const sent = world.executor.state.commands.filter(({ jobId }) => jobId === job.id)
    expect(sent).toHaveLength(5)
  })

  it('takes those that fit a filter, newest first, and goes on in the next call', async () => {
    const job = await create(world, { key: 'filtered' })
    const other = await create(world)
    const [old = '', ...ids] = await fail(world, job.id, 4)
    const others = await fail(world, other.id, 2)
    const from = new Date(monday + 60_000).toISOString()
    const dry = await redrive({ filter: { jobId: 'filtered', from }, dryRun: true })
    expect(dry.body).toMatchObject({ dryRun: true, more: false, counts: { redriven: 3 } })
    expect(dry.body.results.map(({ id, executionId }) => [id, executionId])).toEqual(
      ids.toReversed().map((id) => [id, null]),
    )
    expect((await deadLetters()).filter((id) => ids.includes(id))).toHaveLength(3)
    const first = await redrive({ filter: { jobId: job.id, from }, limit: 2 })
    expect([first.body.more, first.body.results.map(({ id }) => id)]).toEqual([true, [ids[2], ids[1]]])
    const second = await redrive({ filter: { jobId: job.id, from }, limit: 2 })
    expect([second.body.more, second.body.results.map(({ id }) => id)]).toEqual([false, [ids[0]]])
    expect((await redrive({ filter: { jobId: job.id, from } })).body.results).toEqual([])
    expect((await deadLetters()).toSorted()).toEqual([old, ...others].toSorted())
    const to = new Date(monday).toISOString()
    const oldest = await redrive({ filter: { jobType: 'DUMMY', to } })
    expect(oldest.body.results.map(({ id }) => id).toSorted()).toEqual([old, others[0]].toSorted())
    await redrive({ filter: {} })
    expect(await deadLetters()).toEqual([])
  })

  it('queues no more commands than the backlog holds; the others are sent from the store', async () => {
    const small = await openWorld({ jobTriggerBacklog: 4 })
    onTestFinished(small.close)
    const job = await create(small)
    await fail(small, job.id, 10)
    const { body } = await small.call<RedriveReply>('POST', '/dead-letters/redrive', { filter: { jobId: job.id } })
    expect(body.counts).toEqual({ redriven: 10, alreadyRedriven: 0, refused: 0 })
    const sent = () => new Set(small.executor.state.commands.map(({ executionId }) => executionId)).size
    await until(() => sent() >= 4)
    expect(sent()).toBe(4)
    await small.pass(7)
    await until(() => sent() === 10)
  })

  it('finds after a crash what the first call has made, and marks it', async () => {
    const job = await create(world)
    const ids = await fail(world, job.id, 3)
    const { markRetried } = world.stores.executions
    world.stores.executions.markRetried = () => Promise.reject(new Error('the process dies'))
    expect((await redrive({ ids })).status).toBe(500)
    world.stores.executions.markRetried = markRetried
    expect((await deadLetters()).filter((id) => ids.includes(id))).toHaveLength(3)
    const again = await redrive({ filter: { jobId: job.id } })
    expect(again.body.counts).toEqual({ redriven: 0, alreadyRedriven: 3, refused: 0 })
    expect((await deadLetters()).filter((id) => ids.includes(id))).toEqual([])
    expect((await executionsOf(job.id)).filter(({ retryOf }) => retryOf !== null)).toHaveLength(3)
  })

  it('says of each why it is refused', async () => {
    const job = await create(world)
    const [failed = ''] = await fail(world, job.id, 1)
    const running = (await world.call<ExecutionView>('POST', `/jobs/${job.id}/trigger`)).body.id
    const gone = redriveId(failed)
    const cancelled = await create(world)
    const [ofCancelled = ''] = await fail(world, cancelled.id, 1, 7)
    await world.call('POST', `/jobs/${cancelled.id}/cancel`)
    const { body } = await redrive({ ids: [running, gone, ofCancelled] })
    expect(body.results.map(({ id, code }) => [id, code])).toEqual([
      [running, 'illegal-transition'],
      [gone, 'not-found'],
      [ofCancelled, 'illegal-transition'],
    ])
    expect(body.counts).toEqual({ redriven: 0, alreadyRedriven: 0, refused: 3 })
    const foreign = await redrive({ ids: [failed] }, 'usr-b')
    expect(foreign.body.results[0]?.code).toBe('not-found')
  })

  it('leaves out what was run again by hand', async () => {
    const job = await create(world)
    const [id = ''] = await fail(world, job.id, 1)
    const retried = await world.call<ExecutionView>('POST', `/executions/${id}/retry`)
    const { body } = await redrive({ ids: [id] })
    expect(body.results).toMatchObject([{ outcome: 'already-redriven', executionId: retried.body.id }])
    expect(await deadLetters()).not.toContain(id)
  })

  it('runs again what failed once more', async () => {
    const job = await create(world)
    const [id = ''] = await fail(world, job.id, 1)
    await redrive({ ids: [id] })
    const executionId = redriveId(id)
    const failed = {
      job: await stored(world, job.id),
      executionId,
      state: 'failed',
      cause: 'retry',
      retryOf: id,
    } as const
    await world.executor.publish(statusMessage({ ...failed, fireAt: world.clock.now(), endedAt: world.clock.now() }))
    const { body } = await redrive({ filter: { jobId: job.id } })
    expect(body.results).toMatchObject([{ id: executionId, outcome: 'redriven', executionId: redriveId(executionId) }])
  })

  it('takes a thousand in one call', async () => {
    const job = await create(world)
    const ids = await fail(world, job.id, 1000)
    const begin = performance.now()
    const { body } = await redrive({ filter: { jobId: job.id } })
    expect(body).toMatchObject({ counts: { redriven: 1000, alreadyRedriven: 0, refused: 0 }, more: false })
    expect(performance.now() - begin).toBeLessThan(10_000)
    const made = (await executionsOf(job.id)).flatMap(({ retryOf }) => retryOf ?? [])
    expect(made.toSorted()).toEqual(ids.toSorted())
  })

  it.each([
    [{}, ['/filter']],
    [{ ids: ['exe-1-01900000-0000-7000-8000-000000000000'], filter: {} }, ['/filter']],
    [{ ids: ['nonsense'] }, ['/ids/0']],
    [{ filter: { jobTyp: 'x' }, limit: 1001 }, ['/filter/jobTyp', '/limit']],
  ])('of %j is refused, naming %j', async (body, pointers) => {
    const answer = await redrive(body)
    expect([answer.status, pointersOf(answer.body)]).toEqual([400, pointers])
  })
})

describe('a cancel of an execution', () => {
  const world = useWorld()
  const cancel = (id: string) => world.call<ExecutionView & Omit<Problem, 'status'>>('POST', `/executions/${id}/cancel`)
  const trigger = async (jobId: string) => (await world.call<ExecutionView>('POST', `/jobs/${jobId}/trigger`)).body.id

  it('takes the command along that no executor has answered, so that it cannot start later', async () => {
    const job = await create(world)
    const id = await trigger(job.id)
    const { status, body } = await cancel(id)
    expect([status, body.status]).toEqual([200, 'CANCELLED'])
    expect(world.executor.state.cancels.at(-1)).toEqual({ id, hasCommand: true })
    const again = await cancel(id)
    expect([again.status, again.body]).toEqual([200, body])
    expect(world.executor.state.cancels.at(-1)).toEqual({ id, hasCommand: false })
  })

  it('asks a run to stop, and is accepted while it does not', async () => {
    const job = await create(world)
    const running = statusMessage({ job: await stored(world, job.id), state: 'running' })
    await world.executor.publish(running)
    const { status, body } = await cancel(running.executionId)
    expect([status, body.status]).toEqual([202, 'RUNNING'])
    expect(world.executor.state.cancels.at(-1)).toEqual({ id: running.executionId, hasCommand: false })
  })

  it.each(['succeeded', 'failed', 'skipped'] as const)('of one that has %s is refused', async (state) => {
    const job = await create(world)
    const ended = statusMessage({ job: await stored(world, job.id), state, endedAt: monday + 5 })
    await world.executor.publish(ended)
    const { status, body } = await cancel(ended.executionId)
    expect([status, body.code, body.allowed]).toEqual([409, 'illegal-transition', ['retry']])
  })

  it.each(['cancelled', 'superseded'] as const)('of one that a change has closed (%s) is firm', async (state) => {
    const job = await create(world)
    const closed = statusMessage({ job: await stored(world, job.id), state, endedAt: monday + 5 })
    await world.executor.publish(closed)
    const { status, body } = await cancel(closed.executionId)
    expect([status, body.status]).toEqual([200, 'CANCELLED'])
    expect(world.executor.state.cancels.at(-1)).toEqual({ id: closed.executionId, hasCommand: false })
  })

  it('of one that has ended at the executors meanwhile is refused, too', async () => {
    const job = await create(world)
    const about = { job: await stored(world, job.id) }
    const ready = statusMessage(about)
    await world.executor.publish(ready)
    world.executor.record(statusMessage({ ...about, state: 'succeeded', seq: 2 }))
    const refused = { code: 'illegal-transition', allowed: ['retry'] }
    expect(await cancel(ready.executionId)).toMatchObject({ status: 409, body: refused })
  })

  it('is 503 while no executor can be reached, and changes nothing', async () => {
    const id = await trigger((await create(world)).id)
    await world.executor.leave()
    expect((await cancel(id)).status).toBe(503)
    await world.executor.join()
    expect((await world.call<ExecutionView>('GET', `/executions/${id}`)).body.status).toBe('SCHEDULED')
  })

  it('of an execution that is not there is 404', async () => {
    expect((await cancel(redriveId('exe-1-01900000-0000-7000-8000-000000000000'))).status).toBe(404)
  })
})

describe('dead letters', () => {
  const world = useWorld()
  it('are those that failed and were not run again, page by page', async () => {
    const job = await create(world)
    const [first = '', second = ''] = await fail(world, job.id, 2)
    await world.call('POST', `/executions/${first}/retry`)
    const { body } = await world.call<Page<ExecutionView>>('GET', '/dead-letters')
    expect(body.data.map(({ id }) => id)).toEqual([second])
  })
})
