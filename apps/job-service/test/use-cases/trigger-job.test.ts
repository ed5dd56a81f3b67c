import { type ExecutionView, executionView, type JobView, type Problem } from '@belfry/contracts'
import { describe, expect, it } from 'vitest'
import { monday, statusMessage } from '../fixtures.ts'
import { openWorld, pointersOf, until, useWorld, type World } from '../world.ts'

async function createJob(world: World, body: Record<string, unknown> = {}): Promise<JobView> {
  const { status, body: job } = await world.call<JobView>('POST', '/jobs', { jobType: 'DUMMY', ...body })
  expect(status, JSON.stringify(job)).toBe(201)
  return job
}

const commandsOf = (world: World, jobId: string) =>
  world.executor.state.commands.filter((command) => command.jobId === jobId)

describe('a trigger', () => {
  const world = useWorld()

  it('answers its execution, and its command reaches the executors', async () => {
    const job = await createJob(world, { params: { durationMs: 7 } })
    const now = world.clock.now()
    const { status, headers, body } = await world.call<ExecutionView>('POST', `/jobs/${job.id}/trigger`)
    expect(status).toBe(202)
    expect(headers.location).toBe(`/executions/${body.id}`)
    expect(executionView.parse(body)).toEqual(body)
    expect(body).toMatchObject({ jobId: job.id, jobName: 'DUMMY', status: 'SCHEDULED', cause: 'manual', attempts: [] })
    expect(body.fireAt).toBe(new Date(now).toISOString())
    const [command] = await until(() => commandsOf(world, job.id).length > 0 && commandsOf(world, job.id))
    expect(command).toMatchObject({ executionId: body.id, version: 1, params: { durationMs: 7 }, fireAt: now })
    expect((await world.call('GET', `/executions/${body.id}`)).body).toEqual(body)
  })

  it('takes params and a reason of its own', async () => {
    const job = await createJob(world)
    const asked = { params: { durationMs: 1 }, reason: 'to see it run' }
    const { body } = await world.call<ExecutionView>('POST', `/jobs/${job.id}/trigger`, asked)
    expect(body.reason).toBe('to see it run')
    const [command] = await until(() => commandsOf(world, job.id).length > 0 && commandsOf(world, job.id))
    expect(command?.params).toEqual({ durationMs: 1 })
    await world.executor.publish(statusMessage({ job: await stored(job), executionId: body.id, state: 'succeeded' }))
    expect((await world.call('GET', `/executions/${body.id}`)).body).toMatchObject({
      status: 'SUCCESS',
      reason: 'to see it run',
    })
  })

  it('is refused when its params do not fit the type, and nothing is stored', async () => {
    const job = await createJob(world)
    const answer = await world.call('POST', `/jobs/${job.id}/trigger`, { params: { durationMs: 'long', sped: 1 } })
    expect(answer.status).toBe(422)
    expect(pointersOf(answer.body).sort()).toEqual(['/params/durationMs', '/params/sped'])
    const { body } = await world.call<{ data: unknown[] }>('GET', `/jobs/${job.id}/executions`)
    expect(body.data).toEqual([])
  })

  it('is refused once the job is cancelled, with what is still allowed', async () => {
    const job = await createJob(world)
    await world.call('POST', `/jobs/${job.id}/trigger`)
    await world.call('POST', `/jobs/${job.id}/cancel`)
    const { status, body } = await world.call<Problem>('POST', `/jobs/${job.id}/trigger`)
    expect([status, body.code, body.allowed]).toEqual([409, 'illegal-transition', ['delete']])
  })

  it('shows the outcome of its execution', async () => {
    const job = await createJob(world)
    const { body } = await world.call<ExecutionView>('POST', `/jobs/${job.id}/trigger`)
    const [startedAt, endedAt] = [monday + 3, monday + 10]
    const message = statusMessage({
      job: await stored(job),
      executionId: body.id,
      fireAt: monday,
      state: 'succeeded',
      endedAt,
    })
    const timeline = { ...message.timeline, startedAt }
    await world.executor.publish({
      ...message,
      timeline,
      artifacts: [{ name: 'a b.csv', contentType: 'text/csv', bytes: 3 }],
    })
    const { body: shown } = await world.call<ExecutionView>('GET', `/executions/${body.id}`)
    expect(shown).toMatchObject({ status: 'SUCCESS', durationMs: 7, latenessMs: 3, nextAttemptAt: null })
    expect(shown.links).toEqual({
      self: `/executions/${body.id}`,
      job: `/jobs/${job.id}`,
      retry: `/executions/${body.id}/retry`,
      logs: `/executions/${body.id}/logs`,
      'artifact:a b.csv': `/executions/${body.id}/artifacts/a%20b.csv`,
    })
    expect((await world.call('GET', `/jobs/${job.id}`)).body).toMatchObject({ lastExecution: { id: body.id } })
  })

  it('is stored and sent for each of many callers at once', async () => {
    const job = await createJob(world)
    const answers = await Promise.all(
      Array.from({ length: 64 }, () => world.call<ExecutionView>('POST', `/jobs/${job.id}/trigger`)),
    )
    expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([202]))
    const ids = new Set(answers.map((answer) => answer.body.id))
    expect(ids.size).toBe(64)
    await until(() => commandsOf(world, job.id).length === 64)
    expect(new Set(commandsOf(world, job.id).map((command) => command.executionId))).toEqual(ids)
  })

  const stored = async (job: JobView) => {
    const found = await world.stores.jobs.find(job.ownerId, job.id)
    if (!found) throw new Error('the job is gone')
    return found
  }
})

describe('an Idempotency-Key', () => {
  const world = useWorld()
  const keyed = (key: string) => ({ headers: { 'idempotency-key': key } })

  it('makes one execution of many triggers, and the same answer', async () => {
    const job = await createJob(world)
    const path = `/jobs/${job.id}/trigger`
    const first = await world.call('POST', path, { reason: 'x' }, keyed('trigger-1'))
    await world.clock.advance(1000)
    const second = await world.call('POST', path, { reason: 'x' }, keyed('trigger-1'))
    expect(second.body).toEqual(first.body)
    expect([second.status, second.headers['idempotency-replayed'], second.headers.location]).toEqual([
      202,
      'true',
      first.headers.location,
    ])
    expect((await world.call('POST', path, { reason: 'y' }, keyed('trigger-1'))).status).toBe(422)
    const { body } = await world.call<{ data: unknown[] }>('GET', `/jobs/${job.id}/executions`)
    expect(body.data).toHaveLength(1)
  })

  it('makes one job of many creations', async () => {
    const body = { jobType: 'DUMMY', name: 'only one' }
    const first = await world.call<JobView>('POST', '/jobs', body, keyed('create-1'))
    const second = await world.call<JobView>('POST', '/jobs', body, keyed('create-1'))
    expect(second.body).toEqual(first.body)
    const list = await world.call<{ data: unknown[] }>('GET', '/jobs?q=only%20one')
    expect(list.body.data).toHaveLength(1)
  })

  it('answers with the job that it made, also when that is cancelled and another one has its key', async () => {
    const body = { jobType: 'DUMMY', key: 'keyed-once' }
    const first = await world.call<JobView>('POST', '/jobs', body, keyed('create-3'))
    await world.call('POST', '/jobs/keyed-once/cancel')
    const other = await world.call<JobView>('POST', '/jobs', body, keyed('create-4'))
    expect(other.status).toBe(201)
    const again = await world.call<JobView>('POST', '/jobs', body, keyed('create-3'))
    expect([again.status, again.body.id]).toEqual([201, first.body.id])
  })

  it('is free again when the call was refused', async () => {
    expect((await world.call('POST', '/jobs', { jobType: 'NOPE' }, keyed('create-2'))).status).toBe(422)
    expect((await world.call('POST', '/jobs', { jobType: 'DUMMY' }, keyed('create-2'))).status).toBe(201)
  })

  it('finds what a try has stored that crashed after its write', async () => {
    const job = await createJob(world)
    const minted = '01900000-0000-7000-8000-0000000000aa'
    const open = { madeAt: monday, triedBy: 'a process that died', triedAt: monday, answer: null, mintedId: minted }
    // What a crash leaves behind: the request is open, its execution stored, the answer never sent.
    const key = 'trigger-2'
    const path = `/jobs/${job.id}/trigger`
    const first = await world.call<ExecutionView>('POST', path, undefined, keyed(key))
    const record = await world.stores.requests.insert({ ...open, id: await requestId(path, key), bodyHash: '' }, 0)
    if (!record) throw new Error('the request was not kept')
    await world.stores.requests.insert({ ...record, answer: null, triedBy: open.triedBy }, record.madeAt + 1)
    await world.clock.advance(60_000)
    const second = await world.call<ExecutionView>('POST', path, undefined, keyed(key))
    expect(second.body.id).toBe(first.body.id)
    expect(second.body.fireAt).toBe(first.body.fireAt)
    const { body } = await world.call<{ data: unknown[] }>('GET', `${path.replace('trigger', 'executions')}`)
    expect(body.data).toHaveLength(1)
  })

  /** As the Idempotency-Key rule names a request: by user, method, path and key. */
  const requestId = async (path: string, key: string) => {
    const { createHash } = await import('node:crypto')
    return createHash('sha256').update(['usr-a', 'POST', path, key].join('\n')).digest('base64url')
  }
})

describe('a command without an answer', () => {
  const world = useWorld()

  it('is sent again until a job-status answers it', async () => {
    const job = await createJob(world)
    const { body } = await world.call<ExecutionView>('POST', `/jobs/${job.id}/trigger`)
    const sent = () => commandsOf(world, job.id).length
    await until(() => sent() === 1)
    const stored = await world.stores.jobs.find('usr-a', job.id)
    await world.pass(4)
    expect(sent()).toBe(1)
    await world.pass(3)
    await until(() => sent() === 2)
    await world.executor.publish(statusMessage({ job: stored!, executionId: body.id, state: 'running' }))
    await world.pass(30)
    expect(sent()).toBe(2)
  })

  it('counts against the backlog, and triggers beyond it are refused', async () => {
    const small = await openWorld({ jobTriggerBacklog: 3 })
    const job = await createJob(small)
    small.executor.state.takesCommands = false
    const trigger = () => small.call<Problem>('POST', `/jobs/${job.id}/trigger`)
    for (let n = 0; n < 3; n++) expect((await trigger()).status).toBe(202)
    await until(async () => (await trigger()).status === 429)
    const refused = await trigger()
    expect([refused.status, refused.body.code, refused.headers['retry-after']]).toEqual([429, 'too-many-requests', '1'])
    small.executor.state.takesCommands = true
    await small.pass(7)
    await until(() => new Set(commandsOf(small, job.id).map((command) => command.executionId)).size === 3)
    expect((await trigger()).status).toBe(202)
    await small.close()
  })

  it('no longer fills the backlog when the bus works again and nothing is left to be sent', async () => {
    const small = await openWorld({ jobTriggerBacklog: 2 })
    const job = await createJob(small)
    small.executor.state.takesCommands = false
    const trigger = () => small.call<ExecutionView>('POST', `/jobs/${job.id}/trigger`)
    const ids = [(await trigger()).body.id, (await trigger()).body.id]
    await until(async () => (await trigger()).status === 429)
    // The executors had stored them all the same, and say so.
    const stored = await small.stores.jobs.find('usr-a', job.id)
    for (const executionId of ids)
      await small.executor.publish(statusMessage({ job: stored!, executionId, state: 'ready' }))
    small.executor.state.takesCommands = true
    await small.pass(6)
    expect((await trigger()).status).toBe(202)
    await small.close()
  })
})
