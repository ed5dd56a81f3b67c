import type { BackfillReply, ExecutionView, JobView } from '@belfry/contracts'
import { describe, expect, it } from 'vitest'
import { jobOf, monday, statusMessage } from '../fixtures.ts'
import { openWorld, pointersOf, useWorld } from '../world.ts'

const hour = 3_600_000
const iso = (at: number) => new Date(at).toISOString()
const nine = monday - 15 * 60_000

describe('a backfill', () => {
  const world = useWorld()
  let made = 0
  const make = async (more: object = {}) => {
    const body = { name: `b${made++}`, jobType: 'DUMMY', schedule: '0 * * * *', ...more }
    return (await world.call<JobView>('POST', '/jobs', body)).body
  }
  const run = (job: JobView, body: object, headers: Record<string, string> = {}) =>
    world.call<BackfillReply>('POST', `/jobs/${job.id}/backfill`, body, { headers })
  const outcomesOf = ({ results }: BackfillReply) =>
    results.map(({ fireAt, outcome }) => [(nine - Date.parse(fireAt)) / hour, outcome])
  const record = async (job: JobView, hoursAgo: number, state: 'succeeded' | 'skipped' | 'ready') => {
    const stored = (await world.stores.jobs.find('usr-a', job.id))!
    await world.stores.executions.applyStatuses([statusMessage({ job: stored, fireAt: nine - hoursAgo * hour, state })])
  }

  it('runs the fire times that have not run, each once, oldest first', async () => {
    const job = await make()
    await record(job, 1, 'succeeded')
    await record(job, 2, 'skipped')
    const body = { from: iso(nine - 3 * hour), to: iso(nine) }
    const dry = await run(job, { ...body, dryRun: true })
    const expected = [
      [3, 'planned'],
      [2, 'planned'],
      [1, 'already-run'],
      [0, 'planned'],
    ]
    expect([dry.status, outcomesOf(dry.body)]).toEqual([200, expected])
    expect(dry.body.results.map(({ executionId }) => executionId !== null)).toEqual([false, false, true, false])
    const sent = world.executor.state.commands.length
    const { status, body: answer } = await run(job, { ...body, reason: 'outage' })
    expect([status, outcomesOf(answer), answer.next]).toEqual([202, expected, null])
    expect(answer.counts).toEqual({ planned: 3, alreadyRun: 1, alreadyBackfilled: 0, stillScheduled: 0 })
    await world.pass(1)
    const commands = world.executor.state.commands.slice(sent)
    expect(commands.map(({ cause, fireAt, plannedAt }) => [cause, (nine - fireAt) / hour, plannedAt])).toEqual(
      [3, 2, 0].map((ago) => ['backfill', ago, monday]),
    )
    const again = await run(job, body)
    const done = [
      [3, 'already-backfilled'],
      [2, 'already-backfilled'],
      [1, 'already-run'],
      [0, 'already-backfilled'],
    ]
    expect(outcomesOf(again.body)).toEqual(done)
    const [first] = answer.results
    const { body: execution } = await world.call<ExecutionView>('GET', `/executions/${first?.executionId}`)
    expect(execution).toMatchObject({
      cause: 'backfill',
      fireAt: iso(nine - 3 * hour),
      reason: 'outage',
      latenessMs: null,
    })
    expect(world.executor.state.commands).toHaveLength(sent + 3)
  })

  it('leaves out what the schedule is going to run', async () => {
    const job = await make()
    await record(job, 1, 'ready')
    const { body } = await run(job, { from: '-2h' })
    expect(outcomesOf(body)).toEqual([
      [1, 'already-run'],
      [0, 'planned'],
    ])
  })

  it('leaves out what the executors or the scheduler have, and no status has shown yet', async () => {
    const job = await make()
    const stored = (await world.stores.jobs.find('usr-a', job.id))!
    for (const [ago, state] of [
      [4, 'running'],
      [3, 'skipped'],
    ] as const)
      world.executor.record(statusMessage({ job: stored, fireAt: nine - ago * hour, state }))
    const runs = { id: job.id, version: 1, fired: 9, lastFireAt: nine - hour, pending: [nine - hour] }
    world.scheduler.state.runs = [{ ...runs, nextFireAt: nine }]
    const { body } = await run(job, { from: '-5h' })
    expect(outcomesOf(body)).toEqual([
      [4, 'already-run'],
      [3, 'planned'],
      [2, 'planned'],
      [1, 'already-run'],
      [0, 'still-scheduled'],
    ])
    expect([body.counts.stillScheduled, body.results.at(-1)?.executionId]).toEqual([1, null])
    world.scheduler.state.runs = [{ ...runs, pending: [], nextFireAt: nine + hour }]
    world.executor.record(statusMessage({ job: stored, fireAt: nine - hour, state: 'succeeded' }))
    expect(outcomesOf((await run(job, { from: iso(nine - hour) })).body)).toEqual([
      [1, 'already-run'],
      [0, 'planned'],
    ])
    world.scheduler.state.runs = []
  })

  it('is refused while the scheduler does not answer, and makes nothing', async () => {
    const job = await make()
    await world.scheduler.leave()
    expect((await run(job, { from: '-1h' })).status).toBe(503)
    await world.scheduler.join()
    expect((await run(job, { from: '-1h' })).body.counts.planned).toBe(1)
  })

  it('with "again" runs them once more, and the same request only once', async () => {
    const job = await make()
    await record(job, 0, 'succeeded')
    const body = { from: iso(nine), to: iso(nine), again: true }
    const [one, same] = [
      await run(job, body, { 'idempotency-key': 'k' }),
      await run(job, body, { 'idempotency-key': 'k' }),
    ]
    const other = await run(job, body)
    expect(outcomesOf(one.body)).toEqual([[0, 'planned']])
    expect([same.body, same.headers['idempotency-replayed']]).toEqual([one.body, 'true'])
    expect(other.body.results[0]?.executionId).not.toBe(one.body.results[0]?.executionId)
  })

  it('takes so many fire times a call as are asked for, and says where the next one begins', async () => {
    const job = await make({ schedule: { every: '1m' }, startAt: iso(nine - 600_000) })
    const calls: number[] = []
    for (let from: string | null = iso(nine - 1_200_000); from !== null; ) {
      const { body }: { body: BackfillReply } = await run(job, { from, to: iso(nine), limit: 4 })
      calls.push(body.counts.planned)
      from = body.next
    }
    expect(calls).toEqual([4, 4, 3])
  })

  it.each([
    [{}, 'skip', 1],
    [{ overlap: { policy: 'queue', limit: 3 } }, 'queue', 3],
    [{ overlap: { policy: 'allow' } }, 'allow', undefined],
  ])('with %j lets its runs wait for each other instead of skipping them', async (more, _policy, limit) => {
    const job = await make(more)
    const sent = world.executor.state.commands.length
    await run(job, { from: iso(nine), to: iso(nine) })
    await world.pass(1)
    const [command] = world.executor.state.commands.slice(sent)
    const isLimited = limit !== undefined
    expect(command?.policy.overlap).toEqual({ policy: 'allow', limit: limit ?? 1, ...(isLimited && { isLimited }) })
  })

  it.each([
    [{ from: '-1h', to: iso(monday + hour) }, 422, ['/to']],
    [{ from: '-1h', to: '-2h' }, 422, ['/from']],
    [{}, 400, ['/from']],
    [{ from: '-1h', limit: 1001 }, 400, ['/limit']],
    [{ from: 'yesterday', color: 1 }, 400, ['/from', '/color']],
  ])('refuses %j', async (body, status, pointers) => {
    const answer = await run(await make(), body)
    expect([answer.status, pointersOf(answer.body)]).toEqual([status, pointers])
  })

  it('is for recurring jobs of the caller that are not cancelled', async () => {
    expect((await run(await make({ schedule: null }), { from: '-1h' })).status).toBe(422)
    const job = await make({ viewers: ['ben'] })
    for (const [user, status] of [
      ['usr-b', 403],
      ['usr-c', 404],
    ] as const)
      expect((await world.call('POST', `/jobs/${job.id}/backfill`, { from: '-1h' }, { user })).status).toBe(status)
    await world.call('POST', `/jobs/${job.id}/cancel`)
    expect((await run(job, { from: '-1h' })).status).toBe(409)
  })

  it('of a thousand fire times is stored in batches', async () => {
    const job = await make({ schedule: { every: '1s' }, startAt: iso(nine - 2_000_000) })
    const { body } = await run(job, { from: iso(nine - 2_000_000), to: iso(nine) })
    expect([body.counts.planned, body.next]).toEqual([1000, iso(nine - 1_000_000)])
    const stored = await world.stores.executions.readRowIds(body.results.map(({ executionId }) => String(executionId)))
    expect(stored.every((rowId) => rowId !== undefined)).toBe(true)
  })
})

describe('a backfill while the backlog of commands is full', () => {
  it('is refused before anything is stored; a dry run is not', async () => {
    const world = await openWorld({ jobTriggerBacklog: 1 })
    const job = jobOf({ schedule: { kind: 'cron', cron: '0 * * * *', timezone: 'UTC' } })
    await world.stores.jobs.create(job)
    world.executor.state.takesCommands = false
    const trigger = () => world.call('POST', `/jobs/${job.id}/trigger`)
    while ((await trigger()).status === 202) {}
    const run = (dryRun: boolean) => world.call('POST', `/jobs/${job.id}/backfill`, { from: '-3h', dryRun })
    expect([(await run(false)).status, (await run(true)).status]).toEqual([429, 200])
    world.executor.state.takesCommands = true
    await world.close()
  })
})
