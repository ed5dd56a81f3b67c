import { isRefusal } from '@belfry/contracts'
import { createLog, createManualClock, createMetrics } from '@belfry/service'
import { openMemoryDatabase } from '@belfry/storage/sqlite'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createExecutionChanges } from '../../src/executions/changes.ts'
import type { Execution } from '../../src/executions/execution.ts'
import { claim, maxLosses } from '../../src/executions/transitions.ts'
import { createRescue } from '../../src/membership/rescue.ts'
import { createExecutorMetrics } from '../../src/metrics.ts'
import type { Stored, Stores } from '../../src/store/ports.ts'
import { createSqliteStores, migrations } from '../../src/store/sqlite/index.ts'
import { command, execution, executionId, policy, runningExecution, start } from '../samples.ts'
import { type Call, openWorld } from '../world.ts'

const inMs = (ms: number) => ({ fireAt: start + ms })
const claimed = (from: Execution, owner: string) => {
  const to = claim(from, { owner })
  if (isRefusal(to)) throw new Error(to.detail)
  return to
}
async function openStores() {
  const db = await openMemoryDatabase(migrations)
  onTestFinished(() => db.close())
  return { db, stores: createSqliteStores(db, createManualClock()) }
}

const obedient = ({ context }: Call) =>
  new Promise((_, reject) => context.signal.addEventListener('abort', () => reject(context.signal.reason)))

describe('a command that comes again', () => {
  it('changes nothing and is answered with the state that is there', async () => {
    const world = await openWorld()
    await world.command(command(inMs(0)))
    await world.pass(100)
    const before = await world.read(executionId())
    world.statuses.length = 0
    await world.command(command(inMs(0)), command(inMs(0)))
    await world.pass(1100)
    expect(await world.read(executionId())).toEqual(before)
    expect(world.calls).toHaveLength(1)
    expect(world.statuses.map((one) => [one.state, one.seq])).toEqual([['succeeded', before.seq]])
    expect(await world.metric('belfry_duplicate_deliveries_total')).toEqual([expect.stringMatching(/ 2$/)])
  })

  it('twice in one batch runs once', async () => {
    const world = await openWorld()
    await world.command(command(inMs(0)), command(inMs(0)), command({ ...inMs(0), version: 2 }))
    await world.pass(300)
    expect(world.calls).toHaveLength(1)
  })

  it('is refused while the store is, and runs when it is sent again', async () => {
    const world = await openWorld()
    world.failing.add('executions.insert')
    await expect(world.command(command(inMs(0)))).rejects.toThrow('did not store')
    world.failing.clear()
    await world.command(command(inMs(0)))
    expect(world.calls).toHaveLength(1)
    expect(await world.metric('belfry_executor_slots{pool="io",state="claimed"')).toEqual([])
  })
})

describe('a batch of which the store takes only a part', () => {
  it('starts what it has taken: nothing of it counts as lost', async () => {
    const world = await openWorld()
    const [there, fresh] = [command({ ...inMs(100_000) }), { ...inMs(0), executionId: executionId(2) }]
    await world.command(there)
    world.failing.add('executions.republish')
    const batch = [there, command({ ...fresh, policy: policy({ onLostLease: 'fail' }) })]
    await expect(world.command(...batch)).rejects.toThrow('did not store')
    await world.pass(100)
    expect(world.calls).toHaveLength(1)
    expect(await world.read(executionId(2))).toMatchObject({ state: 'succeeded', losses: 0, inDoubt: [] })
  })
})

describe('a restart', () => {
  it('runs at once what was interrupted, with the same key and nothing in doubt', async () => {
    const { db, stores } = await openStores()
    await stores.executors.enlist('killed', null)
    await stores.executions.insertMany([claimed(execution({ runAt: start, fireAt: start }), 'killed')], start)
    const world = await openWorld({ db })
    await world.pass(5)
    expect(world.calls.map((one) => [one.context.idempotencyKey, one.context.epoch])).toEqual([[executionId(), 2]])
    const record = await world.read(executionId())
    expect(record).toMatchObject({ state: 'succeeded', losses: 1, failures: 0, inDoubt: [] })
    expect(record.attempts.map((one) => one.outcome)).toEqual(['lost', 'succeeded'])
    expect((await stores.executors.list()).map((one) => one.instance)).not.toContain('killed')
    await world.pass(30)
    expect(world.statuses.at(-1)).toMatchObject({ state: 'succeeded', losses: 1 })
  })

  it('does not run again what must run at most once, or has finished', async () => {
    const { db, stores } = await openStores()
    const once = runningExecution({ policy: policy({ onLostLease: 'fail' }), owner: 'killed' })
    const done = execution({ id: executionId(2), state: 'succeeded', endedAt: start })
    await stores.executions.insertMany([once, done], start)
    const world = await openWorld({ db })
    await world.pass(1500, 5)
    expect(world.calls).toEqual([])
    expect(await world.read(executionId())).toMatchObject({ state: 'lost' })
  })

  it('starts on time what was waiting, and publishes what was not published', async () => {
    const { db, stores } = await openStores()
    await stores.executions.insertMany([execution({ runAt: start + 700, fireAt: start + 700 })], start)
    const world = await openWorld({ db })
    await world.pass(800)
    expect(world.calls.map((one) => one.at)).toEqual([start + 700])
    expect(world.statuses[0]).toMatchObject({ state: 'ready', seq: 1 })
  })
})

describe('a stop', () => {
  it('hands back what has not started, and lets started attempts finish', async () => {
    const { db, stores } = await openStores()
    const world = await openWorld({
      db,
      config: { executorClaimLeadMinMs: 40, executorClaimLeadMaxMs: 50, executorIoConcurrency: 1 },
      run: ({ context }) => new Promise((resolve) => context.clock.callAfter(300, () => resolve('done'))),
    })
    await world.command(
      command({ executionId: executionId(1), ...inMs(0) }),
      command({ executionId: executionId(2), ...inMs(0) }),
      command({ executionId: executionId(3), ...inMs(120) }),
      command({ executionId: executionId(4), ...inMs(5000) }),
    )
    await world.pass(100)
    expect(await world.read(executionId(3))).toMatchObject({ state: 'running' })
    await world.stop()
    const records = await Promise.all([1, 2, 3, 4].map((number) => world.read(executionId(number))))
    expect(records.map((one) => one.state)).toEqual(['succeeded', 'ready', 'ready', 'ready'])
    expect(records[2]).toMatchObject({ owner: null, attempts: [], failures: 0, losses: 0 })
    expect(world.calls).toHaveLength(1)
    expect(await stores.executors.list()).toEqual([])
    expect(world.statuses.filter((one) => one.state === 'succeeded')).toHaveLength(1)
    await world.stop()
  })

  it('interrupts an attempt that lasts too long, however often, without a charge', async () => {
    const { db } = await openStores()
    const clock = createManualClock(start)
    const stops = maxLosses + 2
    for (let n = 0; n < stops; n++) {
      const world = await openWorld({ db, clock, config: { shutdownGraceMs: 100 }, run: obedient })
      if (n === 0) await world.command(command(inMs(0)))
      await world.pass(10)
      await world.stop()
      expect(await world.read(executionId())).toMatchObject({ state: 'ready', failures: 0, losses: 0, inDoubt: [] })
    }
    const last = await openWorld({ db, clock })
    await last.pass(5)
    const record = await last.read(executionId())
    expect(record).toMatchObject({ state: 'succeeded', losses: 0, epoch: stops + 1 })
    const interrupted = Array.from({ length: stops }, () => 'interrupted')
    expect(record.attempts.map((one) => one.outcome)).toEqual([...interrupted, 'succeeded'])
    await last.pass(30)
    expect(last.statuses.at(-1)?.timeline.startedAt).toBe(start)
  })

  it('counts a success that comes after the abort', async () => {
    const world = await openWorld({
      config: { shutdownGraceMs: 100 },
      run: ({ context }) => new Promise((resolve) => context.signal.addEventListener('abort', () => resolve('done'))),
    })
    await world.command(command(inMs(0)))
    await world.stop()
    expect(await world.read(executionId())).toMatchObject({ state: 'succeeded', result: 'done' })
  })

  it('ends an execution that was cancelled meanwhile', async () => {
    const config = { shutdownGraceMs: 100, executorAbortGraceMs: 100 }
    const world = await openWorld({ config, run: () => new Promise(() => undefined) })
    await world.command(command(inMs(0)))
    const [stored] = await world.stores.executions.find([executionId()])
    const { rowId, execution: from } = stored!
    const to = { ...from, cancelRequested: true, seq: from.seq + 1 }
    await world.stores.executions.compareAndSetMany('close', [{ rowId, from, to }], start)
    await world.stop()
    const record = await world.read(executionId())
    expect(record).toMatchObject({ state: 'cancelled', losses: 0, attempts: [{ outcome: 'cancelled' }] })
  })
})

describe('an attempt that ignores its abort when the executor stops', () => {
  it('is interrupted after the grace time, and its epoch stays in doubt', async () => {
    const { db } = await openStores()
    const config = { shutdownGraceMs: 100, executorAbortGraceMs: 100 }
    const world = await openWorld({ db, config, run: () => new Promise(() => undefined) })
    await world.command(command(inMs(0)))
    await world.stop()
    const record = await world.read(executionId())
    expect(record).toMatchObject({ state: 'ready', inDoubt: [{ epoch: 1 }], failures: 0, losses: 0 })
    expect(record.attempts.map((one) => one.outcome)).toEqual(['interrupted'])
  })
})

describe('a store that fails for a while', () => {
  it.each(['executions.claim', 'admissions.place'])('at %s makes a start late, not lost or doubled', async (verb) => {
    const world = await openWorld()
    await world.command(command({ ...inMs(300), policy: policy({ overlap: { policy: 'skip', limit: 1 } }) }))
    world.failing.add(verb)
    await world.pass(500, 5)
    expect(world.calls).toEqual([])
    world.failing.clear()
    await world.pass(3000, 5)
    expect(world.calls).toHaveLength(1)
    expect(await world.read(executionId())).toMatchObject({ state: 'succeeded', failures: 0, losses: 0 })
  })

  it('at the finish keeps the result until it is stored', async () => {
    const world = await openWorld({ run: () => 'kept' })
    world.failing.add('executions.finish')
    await world.command(command(inMs(0)))
    await world.pass(2000, 10)
    expect(await world.read(executionId())).toMatchObject({ state: 'running' })
    world.failing.clear()
    await world.pass(1100, 10)
    expect(await world.read(executionId())).toMatchObject({ state: 'succeeded', result: 'kept', losses: 0 })
    expect(world.calls).toHaveLength(1)
  })
})

describe('the heartbeat', () => {
  it('aborts an attempt whose cancel another executor has stored', async () => {
    const world = await openWorld({
      run: ({ context }) =>
        new Promise((_, reject) => context.signal.addEventListener('abort', () => reject(context.signal.reason))),
    })
    await world.command(command(inMs(0)))
    const [stored] = await world.stores.executions.find([executionId()])
    const { rowId, execution: from } = stored!
    const to = { ...from, cancelRequested: true, seq: from.seq + 1 }
    await world.stores.executions.compareAndSetMany('close', [{ rowId, from, to }], start)
    await world.pass(600, 10)
    expect(await world.read(executionId())).toMatchObject({ state: 'cancelled' })
  })

  it('gives back a claim without an attempt, after two beats', async () => {
    const world = await openWorld({ config: { mode: 'distributed', executorBeatMs: 500, executorLeaseMs: 2000 } })
    await world.pass(10)
    const [me] = await world.stores.executors.list()
    await world.stores.executions.insertMany([claimed(execution({ runAt: start, fireAt: start }), me!.instance)], start)
    await world.pass(900, 10)
    expect(world.calls).toEqual([])
    await world.pass(700, 10)
    expect(world.calls.map((one) => one.context.epoch)).toEqual([2])
  })

  it('of an executor that was taken for dead aborts its attempts; their results do not count', async () => {
    const results: ((value: string) => void)[] = []
    const config = { mode: 'distributed' as const, executorAbortGraceMs: 100 }
    const world = await openWorld({ config, run: () => new Promise((resolve) => results.push(resolve)) })
    await world.command(command(inMs(0)))
    const [me] = await world.stores.executors.list()
    await world.stores.executors.remove(me!.instance)
    // Its own rescue gives the execution back, since its owner has no row.
    await world.pass(900, 10)
    expect(world.calls.map((one) => one.context.epoch)).toEqual([1, 2])
    expect(world.calls[0]?.context.signal.aborted).toBe(true)
    results[0]?.('too late')
    await world.pass(20)
    expect(await world.read(executionId())).toMatchObject({ state: 'running', epoch: 2, inDoubt: [] })
    results[1]?.('in time')
    await world.pass(20)
    expect(await world.read(executionId())).toMatchObject({ state: 'succeeded', result: 'in time' })
  })
})

describe('the rescue', () => {
  const running = [claimed(execution(), 'me'), claimed(execution({ id: executionId(2) }), 'other')]

  async function openRescue(given?: Stores, executions = running) {
    const stores = given ?? (await openStores()).stores
    const clock = createManualClock(start)
    const log = createLog({ level: 'silent' })
    const metrics = createExecutorMetrics(createMetrics().forService('executor-service'), new Set(['TEST']))
    const givenBack: Stored[] = []
    const changes = createExecutionChanges()
    changes.subscribe((stored) => void givenBack.push(...stored))
    const rescue = createRescue({
      stores,
      clock,
      log,
      metrics,
      identity: { name: 'me' },
      leaseMs: 900,
      page: { rows: 200, bytes: 1e6 },
      changes,
    })
    for (const instance of ['me', 'other']) await stores.executors.enlist(instance, null)
    await stores.executions.insertMany(executions, start)
    const look = async (afterMs: number) => {
      await clock.advance(afterMs)
      await rescue.runOnce()
      return givenBack.map((one) => one.execution.id)
    }
    return { stores, rescue, look }
  }

  it('gives back the executions of an executor that has been silent for a lease, and never its own', async () => {
    const { look, stores } = await openRescue()
    for (const at of [0, 300, 300]) expect(await look(at)).toEqual([])
    expect(await look(300)).toEqual([executionId(2)])
    const [lost] = await stores.executions.find([executionId(2)])
    expect(lost?.execution).toMatchObject({ state: 'ready', losses: 1, inDoubt: [{ epoch: 1, lostAt: start + 900 }] })
    expect(await stores.executors.beat('other')).toBe(false)
  })

  it('leaves an executor as it is that beats', async () => {
    const { look, stores, rescue } = await openRescue()
    for (let i = 0; i < 10; i++) {
      await stores.executors.beat('other')
      expect(await look(300)).toEqual([])
    }
    expect(rescue.share()).toEqual({ index: 0, instances: 2 })
  })

  it('takes no executor for gone that enlists and claims between its reads', async () => {
    const { stores } = await openStores()
    let isLate = false
    /** After the first read of an iteration another executor appears, and claims at once. */
    const enlistAfter = async <T>(read: Promise<T>): Promise<T> => {
      const answer = await read
      if (isLate) return answer
      isLate = true
      await stores.executors.enlist('late', null)
      await stores.executions.insertMany([claimed(execution(), 'late')], start)
      return answer
    }
    const racing = {
      ...stores,
      executors: { ...stores.executors, list: () => enlistAfter(stores.executors.list()) },
      executions: {
        ...stores.executions,
        listRunningOwners: () => enlistAfter(stores.executions.listRunningOwners()),
      },
    }
    const { rescue } = await openRescue(racing, [])
    await rescue.runOnce()
    await rescue.runOnce()
    const [record] = await stores.executions.find([executionId()])
    expect([isLate, record?.execution]).toEqual([true, claimed(execution(), 'late')])
  })

  it('learns no more than a third of a lease from a read that comes late, and forgets nothing', async () => {
    const { look } = await openRescue()
    for (const at of [0, 200, 5000]) expect(await look(at)).toEqual([])
    expect(await look(300)).toEqual([])
    expect(await look(100)).toEqual([executionId(2)])
  })

  it('by two executors at once gives each execution back once', async () => {
    const { stores } = await openStores()
    const many = Array.from({ length: 50 }, (_, n) => claimed(execution({ id: executionId(n + 1) }), 'other'))
    const one = await openRescue(stores, many)
    const two = await openRescue(stores, [])
    let found: string[][] = []
    for (const at of [0, 300, 300, 300, 300]) found = await Promise.all([one.look(at), two.look(at)])
    expect(found.flat().toSorted()).toEqual(many.map(({ id }) => id).toSorted())
    const records = await stores.executions.find(many.map(({ id }) => id))
    expect(records.map((record) => record?.execution.losses)).toEqual(many.map(() => 1))
  })

  it('gives back what appears under the name of an executor that is gone, and removes its record in the end', async () => {
    const { look, stores } = await openRescue()
    for (const at of [0, 300, 300, 300]) await look(at)
    expect((await stores.executors.list()).find((one) => one.instance === 'other')?.gone).toBe(true)
    // Its insert was under way for long.
    await stores.executions.insertMany([claimed(execution({ id: executionId(3) }), 'other')], start)
    expect(await look(300)).toEqual([executionId(2), executionId(3)])
    await look(600_000)
    expect((await stores.executors.list()).map((one) => one.instance)).toEqual(['me'])
    await stores.executions.insertMany([claimed(execution({ id: executionId(4) }), 'other')], start)
    expect(await look(300)).toEqual([executionId(2), executionId(3), executionId(4)])
    expect(await stores.executors.beat('other')).toBe(false)
  })

  it('gives back page by page', async () => {
    const { stores } = await openStores()
    const many = Array.from({ length: 450 }, (_, n) => claimed(execution({ id: executionId(n + 1) }), 'other'))
    const { rescue, look } = await openRescue(stores, many)
    for (const at of [0, 300, 300]) await look(at)
    expect(await look(300)).toHaveLength(200)
    expect(await rescue.runOnce()).toBe(true)
    expect(await rescue.runOnce()).toBe(false)
    expect(await look(0)).toHaveLength(450)
  })
})
