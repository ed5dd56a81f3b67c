import { createManualClock } from '@belfry/service'
import { openMemoryDatabase } from '@belfry/storage/sqlite'
import type { Handler } from '@belfry/worker'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createSqliteStores, migrations } from '../../src/store/sqlite/index.ts'
import { command, execution, executionId, executions, start } from '../samples.ts'
import { countedStore } from '../store/counted-store.ts'
import { type Call, openWorld, testHandler } from '../world.ts'

const ofType = (jobType: string, number = 1, ms = 100) =>
  command({ jobType, executionId: executionId(number), fireAt: start + ms })

/** A job type beside TEST. */
const another = (type: string, slots: Handler['slots'] = 'cpu'): Handler => ({
  ...testHandler(() => 'done'),
  type,
  slots,
})

/** Executors on one database, one after the other or together, of which some have the job type NEW. */
async function openDatabase() {
  const db = await openMemoryDatabase(migrations)
  onTestFinished(() => db.close())
  return { db, clock: createManualClock(start) }
}

describe('an execution of a job type that this executor does not have', () => {
  it('is stored, answered and not claimed', async () => {
    const world = await openWorld()
    await world.command(ofType('NEW'))
    await world.pass(3000, 50)
    expect(await world.read(executionId())).toMatchObject({ state: 'ready', pool: 'other', seq: 1, epoch: 0 })
    expect(world.statuses.map((one) => one.state)).toEqual(['ready'])
  })

  it('is run by one that has the type, on time, with a slot of the pool of its handler', async () => {
    const { db, clock } = await openDatabase()
    const config = { mode: 'distributed' } as const
    const without = await openWorld({ db, clock, config })
    const having = await openWorld({ db, clock, config, handlers: [another('NEW')] })
    await without.command(ofType('NEW', 1, 2500), ofType('TEST', 2, 2500))
    // Of those that come to the executor with the type, half are in the share of the other one.
    await having.command(...Array.from({ length: 10 }, (_, n) => ofType('NEW', n + 11, 2500)))
    await without.pass(2900, 10)
    await having.settle()
    const numbers = [1, ...Array.from({ length: 10 }, (_, n) => n + 11)]
    for (const number of numbers) {
      const record = await without.read(executionId(number))
      expect(record).toMatchObject({ state: 'succeeded', pool: 'cpu', result: 'done', attempts: [{ epoch: 1 }] })
      const lateMs = (record.attempts[0]?.startedAt ?? 0) - start - 2500
      if (number === 1) expect(lateMs).toBe(0)
      // A few of those that are handed over are found only by the next search.
      else expect(lateMs).toBeLessThan(250)
    }
    expect([having.calls.length + without.calls.length]).toEqual([1])
    await without.stop()
    await having.stop()
  })

  it('is run after a restart with the type, and so is what an earlier version has stored', async () => {
    const { db, clock } = await openDatabase()
    const stores = createSqliteStores(db, clock)
    await stores.executions.insertMany([execution({ id: executionId(2), jobType: 'NEW', runAt: start })], start)
    const world = await openWorld({ db, clock })
    await world.command(ofType('NEW'))
    await world.pass(1000, 50)
    expect(await world.read(executionId(2))).toMatchObject({ state: 'ready', pool: 'other', failures: 0 })
    await world.stop()
    const next = await openWorld({ db, clock, handlers: [another('NEW', 'io')] })
    await next.pass(1500, 50)
    for (const number of [1, 2])
      expect(await next.read(executionId(number))).toMatchObject({ state: 'succeeded', pool: 'io' })
  })

  it('does not fill the pages of due work, however many there are', async () => {
    const { db, clock } = await openDatabase()
    const stores = createSqliteStores(db, clock)
    const old = executions(50, (n) => ({ id: executionId(n), jobType: 'GONE', runAt: start - 9000, priority: 1 }))
    await stores.executions.insertMany(old, start)
    await stores.executions.insertMany([execution({ id: executionId(99), runAt: start })], start)
    const world = await openWorld({ db, clock, config: { executorPollRows: 5 } })
    await world.pass(4000, 50)
    expect(world.calls).toHaveLength(1)
    expect(await world.read(executionId(50))).toMatchObject({ state: 'ready', pool: 'other' })
  })

  it('goes back to the others when it is to be retried by an executor without the type', async () => {
    const { db, clock } = await openDatabase()
    const failing: Handler = { ...another('NEW'), run: async () => Promise.reject(new Error('no')) }
    const world = await openWorld({ db, clock, handlers: [failing] })
    await world.command(ofType('NEW'))
    await world.pass(200, 10)
    expect(await world.read(executionId())).toMatchObject({ state: 'ready', failures: 1, pool: 'cpu' })
    await world.stop()
    const next = await openWorld({ db, clock })
    await next.pass(7000, 50)
    expect(await next.read(executionId())).toMatchObject({ state: 'ready', failures: 1, pool: 'other' })
  })
})

/** Takes an hour. */
const hourLong = (type: string, slots: Handler['slots']): Handler => ({
  ...another(type, slots),
  run: (_params, { clock }) => new Promise((resolve) => clock.callAfter(3_600_000, () => resolve(null))),
})

describe('what other executors have left', () => {
  it('is searched for at each poll, though a search takes some time', async () => {
    const { db, clock } = await openDatabase()
    let searchedMs = 0
    const passing = { ...clock, monotonic: () => clock.monotonic() + searchedMs }
    const { counts, wrapStores } = countedStore('listDueOfTypes', () => {
      searchedMs += 5
    })
    const world = await openWorld({ db, clock: passing, wrapStores })
    // A poll of the sole owner of a store looks at all only while something is ready.
    await world.command(ofType('TEST', 1, 60_000))
    await world.pass(1000, 5)
    counts.calls = 0
    await world.pass(2000, 5)
    expect(counts.calls).toBe(8)
  })
})

describe('what other executors have left, of a job type whose slots are all taken', () => {
  it('is not searched for until a slot is free, however much of it is due', async () => {
    const { db, clock } = await openDatabase()
    const stores = createSqliteStores(db, clock)
    const left = executions(30, (n) => ({ id: executionId(n), jobType: 'NEW', pool: 'other', runAt: start }))
    await stores.executions.insertMany(left, start)
    const { counts, wrapStores } = countedStore('listDueOfTypes')
    const config = { executorConcurrency: 2, executorClaimAhead: 1, executorPollRows: 5, executorOwnerShare: 1 }
    const world = await openWorld({ db, clock, config, wrapStores, handlers: [hourLong('NEW', 'cpu')] })
    await world.pass(1000, 5)
    counts.calls = 0
    await world.pass(2000, 5)
    // Eight polls, each of which asks for the other pool only.
    expect(counts.calls).toBeLessThanOrEqual(10)
    await world.command(ofType('TEST', 99, 3000))
    await world.pass(500, 5)
    expect(world.calls).toHaveLength(1)
  })
})

describe('an execution that may not start after a moment', () => {
  const until = (jobType: string, number: number) => ({ ...ofType(jobType, number), expiresAt: start + 2000 })

  it('ends EXPIRED while it waits for its job type, a slot, or an overlap place, and starts nowhere', async () => {
    const world = await openWorld({
      config: { executorIoConcurrency: 2, executorClaimAhead: 1 },
      run: ({ context }) => new Promise((resolve) => context.clock.callAfter(60_000, () => resolve(null))),
    })
    const queue = { ...command().policy, overlap: { policy: 'queue', limit: 1 } } as const
    await world.command({ ...ofType('TEST', 1, 0), policy: queue }, ofType('TEST', 2, 10))
    await world.pass(20, 10)
    await world.command({ ...until('TEST', 3), policy: queue }, until('NEW', 4))
    await world.pass(200, 10)
    expect(await world.read(executionId(3))).toMatchObject({ state: 'ready', blockedBy: executionId(1) })
    await world.command(until('TEST', 5), until('TEST', 6), until('TEST', 7))
    await world.pass(1700, 50)
    for (const number of [3, 4, 5, 6, 7])
      expect(['ready', 'running']).toContain((await world.read(executionId(number))).state)
    await world.pass(1500, 50)
    for (const number of [3, 4, 5, 6, 7])
      expect(await world.read(executionId(number))).toMatchObject({ state: 'expired', attempts: [], failures: 0 })
    expect(world.calls).toHaveLength(2)
  })

  it('expires when the process was away until later', async () => {
    const { db, clock } = await openDatabase()
    const world = await openWorld({ db, clock })
    await world.command({ ...ofType('TEST', 1, 1000), expiresAt: start + 2000 })
    await world.kill()
    await clock.advance(5000)
    const next = await openWorld({ db, clock })
    await next.pass(1000, 50)
    expect(await next.read(executionId())).toMatchObject({ state: 'expired' })
    expect(next.calls).toEqual([])
  })

  it('expires when the process died after the claim and before the start, and was away until later', async () => {
    const { db, clock } = await openDatabase()
    const config = { executorIoConcurrency: 1 }
    const run = ({ context }: Call) => new Promise((resolve) => context.clock.callAfter(60_000, () => resolve(null)))
    const world = await openWorld({ db, clock, config, run })
    await world.command(ofType('TEST', 1, 0))
    await world.pass(50, 10)
    await world.command({ ...ofType('TEST', 2, 200), expiresAt: start + 2000 })
    await world.pass(500, 10)
    expect(await world.read(executionId(2))).toMatchObject({ state: 'running', attempts: [{ startedAt: null }] })
    await world.kill()
    await clock.advance(5000)
    const next = await openWorld({ db, clock, config, run })
    await next.pass(1500, 50)
    expect(await next.read(executionId(2))).toMatchObject({ state: 'expired', losses: 0, attempts: [] })
    expect(next.calls).toHaveLength(1)
  })

  it('is retried however late, once it has started in time', async () => {
    const world = await openWorld({
      run: ({ context }) => {
        if (context.epoch === 1) throw new Error('once')
        return 'done'
      },
    })
    await world.command(until('TEST', 1))
    await world.pass(8000, 50)
    expect(await world.read(executionId())).toMatchObject({ state: 'succeeded', failures: 1 })
  })
})
