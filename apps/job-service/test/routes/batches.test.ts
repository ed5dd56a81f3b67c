import {
  type ExecutionView,
  executionView,
  type JobView,
  jobBatchReply,
  jobView,
  type Problem,
  triggerBatchReply,
} from '@belfry/contracts'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createFailingStores } from '../failing-stores.ts'
import { openWorld, until, useWorld, type World } from '../world.ts'

interface Result {
  readonly status: number
  readonly id?: string
  readonly job?: JobView
  readonly execution?: ExecutionView
  readonly problem?: Problem
}
interface Answer {
  readonly counts: Record<string, number>
  readonly results: readonly Result[]
}

const createBatch = (world: World, items: readonly unknown[], headers: Record<string, string> = {}) =>
  world.call<Answer & Problem>('POST', '/jobs/batch', items as never, { headers })
const triggerBatch = (world: World, items: readonly unknown[], headers: Record<string, string> = {}) =>
  world.call<Answer & Problem>('POST', '/triggers/batch', items as never, { headers })

const dummies = (count: number) => Array.from({ length: count }, (_, n) => ({ jobType: 'DUMMY', name: `n${n}` }))
const statusesOf = ({ results }: Answer) => results.map(({ status }) => status)
const pointersIn = ({ problem }: Result) => problem?.errors?.map(({ pointer }) => pointer)

describe('POST /jobs/batch', () => {
  const world = useWorld()

  it('answers each job in its place, as POST /jobs shows it, and the scheduler gets all of them', async () => {
    const { status, body } = await createBatch(world, dummies(120))
    expect([status, body.counts]).toEqual([200, { created: 120, refused: 0 }])
    expect(jobBatchReply.parse(body)).toEqual(body)
    expect(body.results.map(({ job }) => job?.name)).toEqual(dummies(120).map(({ name }) => name))
    const ids = body.results.map(({ job }) => job?.id as string)
    expect(new Set(ids).size).toBe(120)
    expect(ids.toSorted()).toEqual(ids)
    expect(jobView.parse((await world.call('GET', `/jobs/${ids[7]}`)).body)).toMatchObject({ id: ids[7], name: 'n7' })
    await world.pass(1)
    expect(world.published.filter(({ jobId }) => ids.includes(jobId))).toHaveLength(120)
  })

  it('refuses items one by one, with their index in the pointers, and stores the others', async () => {
    const items = [
      { jobType: 'DUMMY', key: 'first' },
      { jobType: 'DUMMY', schedule: 'every tuesday', priorty: 3 },
      { jobType: 'NONE' },
      { jobType: 'DUMMY', params: { durationMs: 'long' } },
      7,
      { jobType: 'DUMMY', key: 'first' },
      { jobType: 'DUMMY', runAt: '2026-12-01T09:00:00Z' },
    ]
    const { status, body } = await createBatch(world, items)
    expect(status).toBe(200)
    expect(statusesOf(body)).toEqual([201, 400, 422, 422, 400, 409, 201])
    expect(body.counts).toEqual({ created: 2, refused: 5 })
    expect(pointersIn(body.results[1] as Result)?.sort()).toEqual(['/1/priorty', '/1/schedule'])
    expect(pointersIn(body.results[3] as Result)).toEqual(['/3/params/durationMs'])
    expect(pointersIn(body.results[4] as Result)).toEqual(['/4'])
    expect(body.results[5]?.problem).toMatchObject({ code: 'conflict', errors: [{ pointer: '/5/key', code: 'taken' }] })
    expect(jobBatchReply.parse(body)).toEqual(body)
  })

  it('takes 1 to 1,000 items in a list, and at most 4 MiB', async () => {
    expect((await createBatch(world, [])).status).toBe(400)
    expect((await createBatch(world, dummies(1001))).status).toBe(400)
    expect((await world.call('POST', '/jobs/batch', { jobType: 'DUMMY' })).status).toBe(400)
    const large = (count: number) =>
      Array.from({ length: count }, () => ({ jobType: 'NONE', name: 'x'.repeat(10_000) }))
    expect((await createBatch(world, large(300))).status).toBe(200)
    expect((await createBatch(world, large(420))).status).toBe(413)
  })

  it('answers the ids alone to a client that prefers that', async () => {
    const { headers, body } = await createBatch(world, [...dummies(1), { jobType: 'NONE' }], {
      prefer: 'return=minimal',
    })
    expect(headers['preference-applied']).toBe('return=minimal')
    expect(body.results[0]).toEqual({ status: 201, id: expect.stringMatching(/^job-/) })
    expect(body.results[1]?.problem?.code).toBe('impossible')
  })

  it('runs once under an Idempotency-Key', async () => {
    const headers = { 'idempotency-key': 'batch-1' }
    const first = await createBatch(world, dummies(3), headers)
    const second = await createBatch(world, dummies(3), headers)
    expect(second.body).toEqual(first.body)
    expect([first.headers['x-item-count'], second.headers['x-item-count']]).toEqual(['3', undefined])
    expect(second.headers['idempotency-replayed']).toBe('true')
    expect((await createBatch(world, dummies(4), headers)).status).toBe(422)
  })

  it('tries again under the same Idempotency-Key what there was no room for, and nothing else', async () => {
    const small = await openWorld({ jobMostPerUser: 2 })
    onTestFinished(small.close)
    const headers = { 'idempotency-key': 'batch-1' }
    const items = [{ jobType: 'DUMMY', delay: '1h' }, ...dummies(1), { jobType: 'NONE' }, ...dummies(1)]
    const first = (await createBatch(small, items, headers)).body
    expect(statusesOf(first)).toEqual([201, 201, 422, 429])
    await small.call('POST', `/jobs/${first.results[1]?.job?.id}/cancel`)
    await small.pass(1)
    const second = (await createBatch(small, items, headers)).body
    expect(statusesOf(second)).toEqual([201, 201, 422, 201])
    expect(second.results.slice(0, 2).map(({ job }) => job?.id)).toEqual(
      first.results.slice(0, 2).map(({ job }) => job?.id),
    )
    expect(second.results[0]?.job?.runAt).toBe(first.results[0]?.job?.runAt)
    const third = await createBatch(small, items, headers)
    expect([third.body, third.headers['idempotency-replayed']]).toEqual([second, 'true'])
  })

  it('counts each item against the quota of jobs', async () => {
    const small = await openWorld({ jobMostPerUser: 2 })
    onTestFinished(small.close)
    const { body } = await createBatch(small, dummies(4))
    expect(statusesOf(body)).toEqual([201, 201, 429, 429])
    expect(body.results[3]?.problem?.code).toBe('quota-exceeded')
  })

  it('finds what a first try has stored when its answer was lost', async () => {
    const failing = createFailingStores()
    const unlucky = await openWorld({}, { wrap: failing.wrap })
    onTestFinished(unlucky.close)
    failing.fail('jobs', 'createMany', 'lost after the write')
    const { body } = await createBatch(unlucky, dummies(2))
    expect(statusesOf(body)).toEqual([201, 201])
    const { body: list } = await unlucky.call<{ data: JobView[] }>('GET', '/jobs')
    expect(list.data.map(({ id }) => id).sort()).toEqual(body.results.map(({ job }) => job?.id).sort())
  })
})

describe('POST /triggers/batch', () => {
  const world = useWorld()
  const makeJobs = async (count: number) =>
    (await createBatch(world, dummies(count))).body.results.map(({ job }) => job as JobView)

  it('answers each execution in its place, and their commands reach the executors', async () => {
    const jobs = await makeJobs(60)
    const { status, body } = await triggerBatch(
      world,
      jobs.map(({ id }) => ({ jobId: id, reason: 'all of them' })),
    )
    expect([status, body.counts]).toEqual([200, { triggered: 60, refused: 0 }])
    expect(triggerBatchReply.parse(body)).toEqual(body)
    expect(body.results.map(({ execution }) => execution?.jobId)).toEqual(jobs.map(({ id }) => id))
    const first = body.results[0]?.execution as ExecutionView
    expect(first.reason).toBe('all of them')
    expect(executionView.parse((await world.call('GET', `/executions/${first.id}`)).body)).toEqual(first)
    const ids = new Set(body.results.map(({ execution }) => execution?.id))
    await until(() => world.executor.state.commands.filter(({ executionId }) => ids.has(executionId)).length === 60)
  })

  it('takes keys, params, and one job several times', async () => {
    await world.call('PUT', '/jobs/nightly', { jobType: 'DUMMY' })
    const { body } = await triggerBatch(world, [{ key: 'nightly' }, { key: 'nightly', params: { durationMs: 1 } }])
    expect(statusesOf(body)).toEqual([202, 202])
    expect(body.results.map(({ execution }) => execution?.params)).toEqual([{}, { durationMs: 1 }])
    expect(body.results[0]?.execution?.id).not.toBe(body.results[1]?.execution?.id)
  })

  it('shows params up to a bound, however many triggers of a large job there are', async () => {
    await world.call('POST', '/jobs', { jobType: 'DUMMY', key: 'large', params: { payload: 'x'.repeat(200_000) } })
    const { body } = await triggerBatch(
      world,
      Array.from({ length: 50 }, () => ({ key: 'large' })),
    )
    expect(body.counts).toEqual({ triggered: 50, refused: 0 })
    expect(triggerBatchReply.parse(body)).toEqual(body)
    const shown = body.results.map(({ execution }) => execution?.params !== undefined)
    expect([shown.filter(Boolean).length, shown[0], shown[49]]).toEqual([20, true, false])
  })

  it('refuses items one by one', async () => {
    const [job, other] = (await makeJobs(2)) as [JobView, JobView]
    await world.call('POST', `/jobs/${other.id}/cancel`)
    const { body } = await triggerBatch(world, [
      { jobId: job.id },
      { key: 'none' },
      { jobId: other.id },
      { jobId: job.id, key: 'both' },
      { reason: 'no job' },
      { jobId: job.id, params: { durationMs: 'long' } },
    ])
    expect(statusesOf(body)).toEqual([202, 404, 409, 400, 400, 422])
    expect(body.results.slice(3).map(pointersIn)).toEqual([['/3/key'], ['/4/jobId'], ['/5/params/durationMs']])
    expect(triggerBatchReply.parse(body)).toEqual(body)
  })

  it('is for jobs of the caller alone', async () => {
    const [job] = (await makeJobs(1)) as [JobView]
    const { body } = await world.call<Answer>('POST', '/triggers/batch', [{ jobId: job.id }] as never, {
      user: 'usr-b',
    })
    expect(statusesOf(body)).toEqual([404])
  })

  it('runs once under an Idempotency-Key, and finds what a first try has stored', async () => {
    const failing = createFailingStores()
    const unlucky = await openWorld({}, { wrap: failing.wrap })
    onTestFinished(unlucky.close)
    const made = (await createBatch(unlucky, dummies(2))).body.results.map(({ job }) => ({ jobId: job?.id }))
    failing.fail('executions', 'insertTriggers', 'lost after the write')
    const headers = { 'idempotency-key': 'run' }
    const { body } = await triggerBatch(unlucky, made, headers)
    expect(statusesOf(body)).toEqual([202, 202])
    expect((await triggerBatch(unlucky, made, headers)).body).toEqual(body)
    const { body: list } = await unlucky.call<{ data: ExecutionView[] }>('GET', '/executions')
    expect(list.data.map(({ id }) => id).sort()).toEqual(body.results.map(({ execution }) => execution?.id).sort())
  })
})
