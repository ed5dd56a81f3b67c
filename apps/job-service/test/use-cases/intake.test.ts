import { isRefusal, type JobView } from '@belfry/contracts'
import { createManualClock } from '@belfry/service'
import { describe, expect, it, onTestFinished } from 'vitest'
import { redriveId } from '../../src/domain/execution.ts'
import { createIntake } from '../../src/use-cases/intake.ts'
import { monday, statusMessage } from '../fixtures.ts'
import { openWorld, until } from '../world.ts'

/** An intake of ten rows, twenty for what is needed soon, over an outflow that the test moves. */
function open() {
  const clock = createManualClock()
  let waiting = 0
  let onRoom = () => {}
  const outflow = {
    waiting: () => waiting,
    onRoom: (listener: () => void) => {
      onRoom = listener
    },
  }
  const intake = createIntake({ clock, outflow, rows: 10, mostRows: 20, holdMs: 1000 })
  const taken: string[] = []
  const run = (name: string, items: number, { ownerId = 'usr-a', isSoon = false } = {}) =>
    intake
      .run({ ownerId, items, isSoon }, async () => {
        taken.push(name)
        waiting += items
        return name
      })
      .then((answer) => (isRefusal(answer) ? `${answer.code} ${answer.retryAfterS}` : answer))
  const publish = async (rows: number) => {
    waiting -= rows
    onRoom()
    await clock.advance(0)
  }
  return { clock, taken, run, publish }
}

describe('the intake', () => {
  it('holds calls while too much waits to be published, and takes them as it goes', async () => {
    const { taken, run, publish, clock } = open()
    await Promise.all([run('a', 4), run('b', 6)])
    const held = [run('c', 5), run('d', 5)]
    await clock.advance(0)
    expect(taken).toEqual(['a', 'b'])
    await publish(5)
    expect(taken).toEqual(['a', 'b', 'c'])
    await publish(5)
    expect(await Promise.all(held)).toEqual(['c', 'd'])
  })

  it('refuses a call that was held too long, and asks for another try', async () => {
    const { taken, run, clock } = open()
    await run('a', 10)
    const held = run('b', 1)
    await clock.advance(999)
    expect(taken).toEqual(['a'])
    await clock.advance(1)
    expect(await held).toBe('too-many-requests 1')
    expect(taken).toEqual(['a'])
  })

  it('lets what is needed soon pass those that are held, within a bound of its own', async () => {
    const { taken, run, clock } = open()
    await run('a', 10)
    const held = [run('b', 1), run('soon', 10, { isSoon: true }), run('too many', 1, { isSoon: true })]
    await clock.advance(0)
    expect(taken).toEqual(['a', 'soon'])
    await clock.advance(1000)
    expect(await Promise.all(held)).toEqual(['too-many-requests 1', 'soon', 'too-many-requests 1'])
  })

  it('takes what is needed soon and was held before what was held earlier and has no room yet', async () => {
    const { taken, run, publish, clock } = open()
    await Promise.all([run('a', 10), run('soon', 10, { isSoon: true })])
    const held = [
      run('later', 5),
      run('held soon', 5, { isSoon: true }),
      run('other soon', 1, { ownerId: 'usr-b', isSoon: true }),
    ]
    await clock.advance(0)
    expect(taken).toEqual(['a', 'soon'])
    await publish(6)
    expect(taken).toEqual(['a', 'soon', 'held soon', 'other soon'])
    await publish(15)
    await Promise.all(held)
    expect(taken.at(-1)).toBe('later')
  })

  it('takes a call that is larger than its bound when nothing waits', async () => {
    const { run } = open()
    expect(await run('large', 1000)).toBe('large')
  })

  it('takes held calls of the owners in turn', async () => {
    const { taken, run, publish, clock } = open()
    await run('first', 10)
    const many = ['a1', 'a2', 'a3'].map((name) => run(name, 1))
    const few = run('b1', 1, { ownerId: 'usr-b' })
    await clock.advance(0)
    await publish(2)
    expect(taken.slice(1).sort()).toEqual(['a1', 'b1'])
    await publish(8)
    await Promise.all([...many, few])
  })
})

/** So many iterations of the event loop that a call has come as far as it can. */
async function iterations(): Promise<void> {
  for (let left = 50; left > 0; left--) await new Promise((resolve) => setImmediate(resolve))
}

describe('new jobs while others wait for the scheduler', () => {
  it('are held and refused, but for those that are due soon', async () => {
    const world = await openWorld({ jobIntakeRows: 1, jobIntakeHoldMs: 10 })
    onTestFinished(world.close)
    const create = async (more: object = {}) =>
      (await world.call('POST', '/jobs', { jobType: 'DUMMY', ...more })) as { status: number; headers: object }
    // The relay waits 20 ms for others.
    expect((await create()).status).toBe(201)
    const held = [create(), world.call('POST', '/jobs/batch', [{ jobType: 'DUMMY' }] as never)]
    await iterations()
    expect((await create({ delay: '1s' })).status).toBe(201)
    await world.clock.advance(10)
    for (const answer of await Promise.all(held)) {
      expect([answer.status, (answer.headers as Record<string, string>)['retry-after']]).toEqual([429, '1'])
    }
    await world.clock.advance(10)
    await until(() => world.published.length === 2)
    expect((await create()).status).toBe(201)
  })

  it('reach the scheduler before those that are due later', async () => {
    const world = await openWorld()
    onTestFinished(world.close)
    const runAt = new Date(world.clock.now() + 86_400_000).toISOString()
    const items = [{ runAt }, { schedule: '0 0 1 1 *' }, {}, { delay: '2s' }, { schedule: '* * * * * *' }]
    const { body } = await world.call<{ results: { job: { id: string } }[] }>(
      'POST',
      '/jobs/batch',
      items.map((item) => ({ jobType: 'DUMMY', ...item })) as never,
    )
    await world.clock.advance(20)
    await until(() => world.published.length === items.length)
    const ids = body.results.map(({ job }) => job.id)
    expect(world.published.map(({ jobId }) => ids.indexOf(jobId))).toEqual([3, 4, 0, 1, 2])
  })
})

describe('executions of the past while triggers wait for the executors', () => {
  it('are held and refused like triggers', async () => {
    const world = await openWorld({ jobIntakeTriggers: 1, jobIntakeHoldMs: 10 })
    onTestFinished(world.close)
    const { body: job } = await world.call<JobView>('POST', '/jobs', { jobType: 'DUMMY', schedule: '* * * * *' })
    const stored = (await world.stores.jobs.find('usr-a', job.id))!
    const failed = statusMessage({ job: stored, fireAt: monday - 60_000, state: 'failed', endedAt: monday })
    await world.stores.executions.applyStatuses([failed])
    const slow = Promise.withResolvers<void>()
    world.executor.state.commandsTaken = slow.promise
    expect((await world.call('POST', `/jobs/${job.id}/trigger`)).status).toBe(202)
    let answered = 0
    const call = async (path: string, body: object) => {
      const answer = await world.call('POST', path, body)
      answered += 1
      return answer
    }
    const asked = [
      call(`/jobs/${job.id}/backfill`, { from: '-1h' }),
      call('/dead-letters/redrive', { ids: [failed.executionId] }),
    ] as const
    await until(async () => {
      await world.clock.advance(10)
      return answered === 2
    })
    const [backfilled, redriven] = await Promise.all(asked)
    expect(backfilled.status).toBe(429)
    expect(redriven.body).toMatchObject({ counts: { refused: 1 }, results: [{ code: 'too-many-requests' }] })
    expect((await world.stores.executions.readRowIds([redriveId(failed.executionId)]))[0]).toBeUndefined()
    slow.resolve()
    // The waits above may have taken longer than the bus has for a send; the command then comes by its repetition.
    await until(async () => {
      await world.clock.advance(100)
      return world.executor.state.commands.length > 0
    })
  })
})
