import { createManualClock } from '@belfry/service'
import { type Database, openMemoryDatabase } from '@belfry/storage/sqlite'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createStartTimers } from '../../src/dispatch/start-timers.ts'
import { unreadParams } from '../../src/executions/execution.ts'
import { migrations } from '../../src/store/sqlite/index.ts'
import { command, execution, executionId, jobId, policy, sampleRowId, start } from '../samples.ts'
import { type Call, openWorld, type World, type WorldOptions } from '../world.ts'

const large = (number: number, bytes = 10_000) => ({ number, text: 'x'.repeat(bytes) })
const due = (number: number, inMs: number, params: Record<string, unknown> = large(number)) =>
  command({ executionId: executionId(number), fireAt: start + inMs, params })
const numbers = (world: World) => world.calls.map(({ params }) => params.number as number).sort((a, b) => a - b)

async function openDatabase(): Promise<Database> {
  const db = await openMemoryDatabase(migrations)
  onTestFinished(() => db.close())
  return db
}

/** Makes a part of an execution's row unreadable, as no Belfry would. */
async function spoil(db: Database, table: 'executions' | 'largeParams', number: number): Promise<void> {
  const column = table === 'executions' ? 'command' : 'body'
  const sql = `UPDATE ${table} SET ${column} = '{' WHERE n = (SELECT n FROM executions WHERE id = ?)`
  await db.writeEach('test.spoil', db.statement(sql), [[executionId(number)]])
}

describe('large params', () => {
  it('wait in the store, and are there when the attempt starts on time', async () => {
    const world = await openWorld()
    await world.command(due(1, 3000), due(2, 100), due(3, 0))
    await world.pass(3100, 10)
    expect(world.calls.map(({ params, at }) => [params, at - start])).toEqual([
      [large(3), 0],
      [large(2), 100],
      [large(1), 3000],
    ])
    expect(await world.read(executionId(1))).toMatchObject({ state: 'succeeded', params: unreadParams })
  })

  it('are there in each attempt, and after a restart', async () => {
    const db = await openDatabase()
    const clock = createManualClock(start)
    const options: WorldOptions = {
      db,
      clock,
      config: { executorPageBytes: 1 },
      run: ({ context }) => {
        if (context.epoch === 1) throw new Error('broken')
      },
    }
    const first = await openWorld(options)
    await first.command(...[1, 2, 3].map((number) => due(number, 0)))
    await first.pass(100, 10)
    await first.stop()
    const second = await openWorld(options)
    await second.pass(6000, 50)
    const tries = [...first.calls, ...second.calls]
    expect(tries.map(({ params }) => params)).toEqual([1, 2, 3, 1, 2, 3].map((number) => large(number)))
  })

  it('stay with an attempt whose record changes before its start is recorded', async () => {
    const config = { executorIoConcurrency: 1 }
    const run = ({ context }: Call) => new Promise((resolve) => context.clock.callAfter(100, () => resolve('done')))
    const world = await openWorld({ config, run })
    const atMostOnce = { policy: policy({ onLostLease: 'fail' as const }) }
    await world.command(...[1, 2].map((number) => ({ ...due(number, 0), ...atMostOnce })))
    await world.pass(50, 10)
    const change = world.db.statement('UPDATE executions SET seq = seq + 1 WHERE id = ? AND state = 1')
    await world.db.writeEach('test.change', change, [[executionId(2)]])
    await world.pass(300, 10)
    expect(world.calls.map(({ params }) => params)).toEqual([large(1), large(2)])
    expect(await world.read(executionId(2))).toMatchObject({ state: 'succeeded' })
  })

  it('that cannot be read end no execution but their own, with a reason', async () => {
    const world = await openWorld()
    await world.command(...[1, 2, 3].map((number) => due(number, 1000)))
    await spoil(world.db, 'largeParams', 2)
    await world.pass(1100, 10)
    expect(numbers(world)).toEqual([1, 3])
    expect(await world.read(executionId(2))).toMatchObject({ state: 'failed', error: { code: 'params-unreadable' } })
  })

  it('take up no memory while their executions wait for their time', () => {
    const clock = createManualClock(start)
    const timers = createStartTimers({
      clock,
      lead: { ms: () => 10, observe: () => undefined },
      claimer: { claimSoon: () => undefined, hasType: () => true },
      held: new Map(),
      soonMs: 500,
      bounds: { count: 100, size: 20_000, ownerShare: 1 },
    })
    for (let number = 1; number <= 9; number++) {
      const rowId = sampleRowId(number)
      const waiting = execution({ id: executionId(number), runAt: start + 100, params: unreadParams })
      timers.add([{ rowId, execution: waiting, size: 250_000 }])
    }
    expect(timers.room()).toEqual({ count: 91, full: [] })
  })
})

describe('what an executor holds', () => {
  it('is bounded by bytes as well, in whatever way its executions come, and everything runs', async () => {
    let [open, most] = [0, 0]
    const world = await openWorld({
      config: { executorHeldBytes: 60_000, executorRoomWaitMs: 0 },
      run: async ({ context }) => {
        most = Math.max(most, ++open)
        await new Promise<void>((resolve) => context.clock.callAfter(50, resolve))
        open -= 1
      },
    })
    const some = Array.from({ length: 12 }, (_, index) => index + 1)
    // Half of them are due when they come, the others wait for their time. Each takes up 11 KB of the 45 for what is held.
    await world.command(...some.map((number) => due(number, number % 2 ? 0 : 300)))
    await world.pass(2500, 10)
    expect(numbers(world)).toEqual(some)
    expect(most).toBe(5)
  })
})

describe('an execution that cannot be read', () => {
  it('stops no other, is reported once, and is looked at again later', async () => {
    const world = await openWorld({ config: { executorAsideMs: 5000, executorPollRows: 1 } })
    await world.command(...[1, 2, 3].map((number) => due(number, 2000)))
    await spoil(world.db, 'executions', 1)
    await world.pass(2500, 10)
    expect(numbers(world)).toEqual([2, 3])
    expect(await world.metric('belfry_unreadable_rows{')).toEqual([
      'belfry_unreadable_rows{service="executor-service",table="executions"} 1',
    ])
    const whole = world.db.statement(`UPDATE executions SET command = (SELECT command FROM executions WHERE id = ?)
      WHERE id = ?`)
    await world.db.writeEach('test.mend', whole, [[executionId(2), executionId(1)]])
    await world.pass(6000, 50)
    expect(world.calls.map(({ context }) => context.executionId)).toContain(executionId(1))
  })

  it('is never passed over by a fence, which cannot know what it closes', async () => {
    const world = await openWorld({ run: () => new Promise(() => undefined) })
    await world.command(...[1, 2, 3].map((number) => due(number, 0)))
    await world.pass(50)
    await spoil(world.db, 'executions', 1)
    const schedule = { kind: 'manual' } as const
    const changes = [{ version: 2, changedAt: start, kind: 'cancel', schedule }]
    const answer = await world.internal('PUT', `/internal/admissions/${jobId()}`, { changes })
    expect(answer.statusCode).toBe(500)
  })

  it('stops no other from being taken over or published', async () => {
    const db = await openDatabase()
    const clock = createManualClock(start)
    const dying = await openWorld({ db, clock, run: () => new Promise(() => undefined) })
    await dying.command(...[1, 2, 3].map((number) => due(number, 0)))
    await spoil(db, 'executions', 2)
    const next = await openWorld({ db, clock })
    await next.pass(1500, 50)
    expect(numbers(next)).toEqual([1, 3])
    expect(new Set(next.statuses.map(({ executionId: id }) => id))).toEqual(new Set([executionId(1), executionId(3)]))
  })
})

describe('what job-service fetches', () => {
  const fetch = async (world: World, ids: readonly string[]) =>
    (await world.internal('POST', '/internal/executions/fetch', { ids })).json()

  it('is cut by bytes, names what was left out and what cannot be read, and holds no params', async () => {
    const world = await openWorld({ config: { executorFetchBytes: 1500 }, run: () => 'r'.repeat(1000) })
    await world.command(...[1, 2, 3, 4].map((number) => due(number, 0)))
    await world.pass(100)
    await spoil(world.db, 'executions', 1)
    const ids = [9, 1, 2, 3, 4].map((number) => executionId(number))
    const { data, left, unreadable } = await fetch(world, ids)
    const fetched = data.map(({ executionId: id }: { executionId: string }) => id)
    expect(unreadable).toEqual([executionId(1)])
    expect(fetched.length).toBeGreaterThan(0)
    expect([...fetched, ...left]).toEqual([2, 3, 4].map((number) => executionId(number)))
    expect(left.length).toBeGreaterThan(0)
    expect(JSON.stringify(data)).not.toContain('xxx')
  })
})
