import { isRefusal, type JobChange } from '@belfry/contracts'
import { createManualClock } from '@belfry/service'
import { type Database, openMemoryDatabase, type SqlRow } from '@belfry/storage/sqlite'
import { describe, expect, it, onTestFinished } from 'vitest'
import { fence } from '../../src/admission/fence.ts'
import { createSettle } from '../../src/admission/settle.ts'
import { createExecutionChanges } from '../../src/executions/changes.ts'
import type { Execution } from '../../src/executions/execution.ts'
import { claim } from '../../src/executions/transitions.ts'
import type { Stored } from '../../src/store/ports.ts'
import { createSqliteStores, migrations } from '../../src/store/sqlite/index.ts'
import { command, executionId, executions, jobId, runningExecution, start } from '../samples.ts'
import { openWorld } from '../world.ts'

const change = (version: number, kind: JobChange['kind'], changedAt = start): JobChange => ({
  version,
  kind,
  changedAt,
  schedule: { kind: 'manual' },
})
const cancel = [change(2, 'cancel')]

/** Counts the messages to the store, and the rows that go there and come back. */
function countRows(db: Database) {
  const count = { calls: 0, rows: 0 }
  const counted = <R extends readonly unknown[]>(given: number, answer: Promise<R>): Promise<R> => {
    count.calls += 1
    count.rows += given
    return answer.then((rows) => {
      count.rows += rows.length
      return rows
    })
  }
  const counting: Database = {
    ...db,
    write: (verb, calls) => counted(calls.length, db.write(verb, calls)),
    writeEach: (verb, statement, rows) => counted(rows.length, db.writeEach(verb, statement, rows)),
    insertEach: (verb, statement, rows) => counted(rows.length, db.insertEach(verb, statement, rows)),
    read: (statement, params) => counted(0, db.read(statement, params)),
    readEach: (statement, rows: readonly SqlRow[]) => counted(rows.length, db.readEach(statement, rows)),
    readEachPage: (statement, rows: readonly SqlRow[], bytes) =>
      counted(rows.length, db.readEachPage(statement, rows, bytes)),
  }
  return { db: counting, count }
}

async function openStore() {
  const opened = await openMemoryDatabase(migrations)
  onTestFinished(() => opened.close())
  const { db, count } = countRows(opened)
  const stores = createSqliteStores(db, createManualClock())
  const changes = createExecutionChanges()
  changes.subscribe((some) => void closed.push(...some))
  const clock = createManualClock(start)
  const closed: Stored[] = []
  const states = db.statement('SELECT state, count(*) FROM executions WHERE jobNo = ? GROUP BY state')
  return {
    stores,
    count,
    async put(...all: Execution[]) {
      for (let from = 0; from < all.length; from += 5000)
        await stores.executions.insertMany(all.slice(from, from + 5000), start)
    },
    async fence(changes = cancel, job = jobId()) {
      const fenced = await fence(stores, job, changes, start)
      if (isRefusal(fenced)) throw new Error(fenced.detail)
      return fenced.reply
    },
    /** As a process does that has just started. */
    settle: (jobs = 8, rows = 200) => createSettle({ stores, changes, clock, jobs, rows }),
    closed,
    /** Makes the executions of the job unreadable. */
    async spoil(job: string) {
      const spoil = db.statement(`UPDATE executions SET command = '{' WHERE jobNo = ?`)
      await db.writeEach('test.spoil', spoil, [[Number.parseInt(job.slice(-12), 16)]])
    },
    /** How many executions there are of each state of the job. */
    async states(job = jobId()) {
      const rows = await db.read(states, [Number.parseInt(job.slice(-12), 16)])
      return Object.fromEntries(rows.map(([state, n]) => [['ready', 'running', '', '', 'cancelled'][Number(state)], n]))
    },
  }
}

describe('a fence over 100,000 waiting executions', () => {
  it('costs its caller no more than one over three, and all of them end afterwards, also after a crash', async () => {
    const store = await openStore()
    const running = runningExecution({ id: executionId(900_001) })
    await store.put(...executions(100_000, () => ({ runAt: start + 1_000_000 })), running)
    await store.put(...executions(3, (n) => ({ id: executionId(900_001 + n), jobId: jobId(2) })))
    const cost = async (job: string) => {
      Object.assign(store.count, { calls: 0, rows: 0 })
      const reply = await store.fence([change(2, 'pause')], job)
      return { ...store.count, inFlight: reply.inFlight.map((one) => one.executionId) }
    }
    const small = await cost(jobId(2))
    const large = await cost(jobId(1))
    expect(small.inFlight).toEqual([])
    expect(large.inFlight).toEqual([running.id])
    expect([large.calls, large.rows - 1]).toEqual([small.calls, small.rows])
    expect(large.rows).toBeLessThan(10)
    expect(await store.states()).toEqual({ ready: 100_000, running: 1 })

    const first = store.settle()
    for (let round = 0; round < 7; round++) expect(await first.runOnce()).toBe(true)
    expect(await store.states()).toEqual({ ready: 100_000 - 1400, running: 1, cancelled: 1400 })
    const afterTheCrash = store.settle(8, 5000)
    while (await afterTheCrash.runOnce());
    expect(await store.states()).toEqual({ running: 1, cancelled: 100_000 })
    expect(await store.states(jobId(2))).toEqual({ cancelled: 3 })
    expect(store.closed).toHaveLength(100_003)
    expect((await store.stores.admissions.listUnsettled(null, 9)).rows).toEqual([])
    store.count.calls = 0
    expect(await afterTheCrash.runOnce()).toBe(false)
    expect(store.count.calls).toBe(1)
  }, 120_000)
})

describe('settling', () => {
  it('holds up no job behind one with very many executions', async () => {
    const store = await openStore()
    await store.put(...executions(90, (n) => ({ jobId: jobId(n > 40 ? (n % 5) + 2 : 1) })))
    for (let job = 1; job <= 6; job++) await store.fence(cancel, jobId(job))
    const settle = store.settle(2, 10)
    for (let round = 0; round < 6; round++) await settle.runOnce()
    expect(await store.states(jobId(6))).toEqual({ cancelled: 10 })
    expect((await store.states(jobId(1))).ready).toBe(20)
  })

  it('holds up no job behind one with an execution that cannot be read, which stays marked', async () => {
    const store = await openStore()
    await store.put(...executions(4, (n) => ({ jobId: jobId(n) })))
    for (let job = 1; job <= 3; job++) await store.fence(cancel, jobId(job))
    await store.spoil(jobId(2))
    await expect(store.settle(3, 10).runOnce()).rejects.toThrow()
    expect(await store.states(jobId(1))).toEqual({ cancelled: 1 })
    expect(await store.states(jobId(3))).toEqual({ cancelled: 1 })
    expect((await store.stores.admissions.listUnsettled(null, 9)).rows).toMatchObject([{ jobId: jobId(2) }])
  })

  it('leaves what the fence does not close', async () => {
    const store = await openStore()
    await store.put(...executions(50, (n) => ({ version: n % 2 ? 1 : 2 })))
    await store.fence()
    const settle = store.settle(8, 10)
    while (await settle.runOnce());
    expect(await store.states()).toEqual({ ready: 25, cancelled: 25 })
  })

  it('begins anew when another fence comes while it is at work', async () => {
    const store = await openStore()
    await store.put(...executions(50, (n) => ({ version: n > 40 ? 1 : 2 })))
    await store.fence()
    const settle = store.settle(8, 20)
    await settle.runOnce()
    await store.fence([change(3, 'pause')])
    while (await settle.runOnce());
    expect(await store.states()).toEqual({ cancelled: 50 })
  })

  it('keeps the mark of a fence that comes between its last page and the unmark', async () => {
    const store = await openStore()
    await store.put(...executions(3, () => ({ version: 2 })))
    await store.fence()
    const { admissions } = store.stores
    const late = {
      ...store.stores,
      admissions: {
        ...admissions,
        async read(jobIds: readonly string[]) {
          late.admissions.read = admissions.read
          await store.fence([change(3, 'pause')])
          return admissions.read(jobIds)
        },
      },
    }
    const settle = createSettle({
      stores: late,
      changes: createExecutionChanges(),
      clock: createManualClock(start),
      jobs: 8,
      rows: 9,
    })
    while (await settle.runOnce());
    expect(await store.states()).toEqual({ cancelled: 3 })
  })

  it('loses a race against a claim, which the admission then closes', async () => {
    const store = await openStore()
    const [one] = executions(1, () => ({}))
    await store.put(one as Execution)
    await store.fence()
    const [stored] = await store.stores.executions.find([executionId()])
    const to = claim(stored!.execution, { owner: 'one' })
    if (isRefusal(to)) throw new Error(to.detail)
    await store.stores.executions.compareAndSetMany(
      'claim',
      [{ rowId: stored!.rowId, from: stored!.execution, to }],
      start,
    )
    const settle = store.settle()
    while (await settle.runOnce());
    expect(await store.states()).toEqual({ running: 1 })
  })
})

describe('the executor', () => {
  const waiting = (count: number) =>
    Array.from({ length: count }, (_, n) => command({ executionId: executionId(n + 1), fireAt: start + 60_000 }))
  const states = async (world: Awaited<ReturnType<typeof openWorld>>, count: number) => {
    const found = await Promise.all(Array.from({ length: count }, (_, n) => world.read(executionId(n + 1))))
    return [...new Set(found.map((one) => one.state))]
  }
  const fenceOver = (world: Awaited<ReturnType<typeof openWorld>>) =>
    world.internal('PUT', `/internal/admissions/${jobId()}`, { changes: cancel })

  it('answers a fence, ends what it closes at once afterwards, and publishes it', async () => {
    const world = await openWorld({ config: { executorSettleRows: 10 } })
    await world.command(...waiting(25))
    expect((await fenceOver(world)).json()).toEqual({ fencedVersion: 2, inFlight: [] })
    expect(await states(world, 25)).toEqual(['ready'])
    await world.pass(25)
    expect(await states(world, 25)).toEqual(['cancelled'])
    expect(world.statuses.filter((one) => one.state === 'cancelled')).toHaveLength(25)
  })

  it('goes on with it after a restart', async () => {
    const db = await openMemoryDatabase(migrations)
    onTestFinished(() => db.close())
    const first = await openWorld({ db })
    await first.command(...waiting(5))
    first.failing.add('executions.close')
    await fenceOver(first)
    await first.stop()
    expect(await states(first, 5)).toEqual(['ready'])
    const second = await openWorld({ db, clock: first.clock })
    await second.pass(5)
    expect(await states(second, 5)).toEqual(['cancelled'])
  })
})
