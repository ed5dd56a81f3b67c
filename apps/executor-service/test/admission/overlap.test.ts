import type { OverlapPolicy } from '@belfry/contracts'
import { createManualClock } from '@belfry/service'
import { openMemoryDatabase } from '@belfry/storage/sqlite'
import { describe, expect, it } from 'vitest'
import type { Stores } from '../../src/store/ports.ts'
import { migrations } from '../../src/store/sqlite/index.ts'
import { command, executionId, jobId, policy, start } from '../samples.ts'
import { type Call, openWorld, type World } from '../world.ts'

/** An execution of each second from the first one on, of a job whose runs take as long as their params say. */
const everySecond = (count: number, overlap: OverlapPolicy, ms = 2900) =>
  Array.from({ length: count }, (_, n) =>
    command({
      executionId: executionId(n + 1),
      fireAt: start + 1000 * (n + 1),
      params: { ms },
      policy: policy({ overlap, retry: { ...policy().retry, maxRetries: 0 } }),
    }),
  )

/** Takes as long as its params say; stops when it is aborted, unless its params say not to. */
function run({ params, context }: Call): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const timer = context.clock.callAfter(Number(params.ms), () => resolve(null))
    if (params.ignoresAbort) return
    context.signal.addEventListener('abort', () => {
      timer.cancel()
      reject(context.signal.reason)
    })
  })
}

/** The same as executions of a backfill, all of which are due. */
const backfilled = (...of: Parameters<typeof everySecond>) =>
  everySecond(...of).map((one) => ({
    ...one,
    cause: 'backfill' as const,
    fireAt: one.fireAt - 3_600_000,
    plannedAt: start,
  }))

const numberOf = (id: string | null) => (id === null ? null : Number.parseInt(id.slice(-12), 16))
const read = (world: World, count: number) =>
  Promise.all(Array.from({ length: count }, (_, n) => world.read(executionId(n + 1))))
const states = async (world: World, count: number) => (await read(world, count)).map((one) => one.state)
/** Seconds at which runs have begun, in tenths: time passes in steps. */
const starts = ({ calls }: World) => calls.map((one) => Math.floor((one.at - start) / 100) / 10)

describe('a per-second job whose runs take three seconds', () => {
  it('runs every third second with overlap skip, and each skipped one names the one in its way', async () => {
    const world = await openWorld({ run })
    await world.command(...everySecond(9, { policy: 'skip', limit: 1 }, 3000))
    await world.pass(10_500, 10)
    expect(starts(world)).toEqual([1, 4, 7])
    const records = await read(world, 9)
    expect(records.map((one) => [one.state, numberOf(one.blockedBy)])).toEqual([
      ['succeeded', null],
      ['skipped', 1],
      ['skipped', 1],
      ['succeeded', null],
      ['skipped', 4],
      ['skipped', 4],
      ['succeeded', null],
      ['skipped', 7],
      ['skipped', 7],
    ])
  })

  it('leaves out one more second when a run ends too late for the third one', async () => {
    const world = await openWorld({ run })
    await world.command(...everySecond(5, { policy: 'skip', limit: 1 }, 3210))
    await world.pass(5100, 10)
    expect(starts(world)).toEqual([1, 5])
    expect((await world.read(executionId(4))).endedAt).toBe(start + 4200)
  })

  it('skips a trigger at once', async () => {
    const world = await openWorld({ run })
    const [first, second] = everySecond(2, { policy: 'skip', limit: 1 }, 1100)
    await world.command(first!, { ...second!, cause: 'manual' })
    await world.pass(2050, 10)
    expect(await world.read(executionId(2))).toMatchObject({ state: 'skipped', endedAt: start + 2000 })
  })

  it('runs without a pause with overlap queue: one waits, and the others are skipped because of it', async () => {
    const world = await openWorld({ run })
    await world.command(...everySecond(6, { policy: 'queue', limit: 1 }))
    await world.pass(2500, 50)
    const waits = await world.read(executionId(2))
    expect(waits).toMatchObject({ state: 'ready', blockedBy: executionId(1), failures: 0, attempts: [] })
    expect(world.statuses.findLast((one) => one.executionId === executionId(2))).toMatchObject({
      state: 'ready',
      blockedBy: executionId(1),
    })
    await world.pass(8500, 50)
    expect(starts(world)).toEqual([1, 3.9, 6.9])
    const records = await read(world, 6)
    expect(records.map((one) => [one.state, numberOf(one.blockedBy)])).toEqual([
      ['succeeded', null],
      ['succeeded', null],
      ['skipped', 2],
      // The second one has started by now, so this one waits next.
      ['succeeded', null],
      ['skipped', 4],
      ['skipped', 4],
    ])
  })

  it('lets as many run at once as the limit of allow, and skips the others', async () => {
    const world = await openWorld({ run })
    await world.command(...everySecond(6, { policy: 'allow', limit: 2, isLimited: true }))
    await world.pass(9500, 50)
    expect(starts(world)).toEqual([1, 2, 4, 5])
    expect(await states(world, 6)).toEqual(['succeeded', 'succeeded', 'skipped', 'succeeded', 'succeeded', 'skipped'])
  })

  it('lets the executions of a backfill run one after the other, and skips none of them', async () => {
    const world = await openWorld({ run, config: { executorPlaceRecheckMs: 1000 } })
    await world.command(...backfilled(5, { policy: 'allow', limit: 1, isLimited: true }, 900))
    await world.pass(500, 50)
    expect(await states(world, 5)).toEqual(['running', 'ready', 'ready', 'ready', 'ready'])
    expect((await read(world, 5)).map((one) => numberOf(one.blockedBy))).toEqual([null, 1, 1, 1, 1])
    await world.pass(9500, 50)
    expect(await states(world, 5)).toEqual(Array.from({ length: 5 }, () => 'succeeded'))
    const begins = world.calls.map((one) => one.at)
    expect(begins.slice(1).every((at, index) => at - (begins[index] as number) >= 900)).toBe(true)
    expect(new Set(world.calls.map((one) => one.context.executionId)).size).toBe(5)
  })

  it('ends no execution of a backfill for another one with overlap cancel-running', async () => {
    const world = await openWorld({ run, config: { executorPlaceRecheckMs: 1000 } })
    await world.command(...backfilled(4, { policy: 'cancel-running', limit: 1 }, 3000))
    await world.pass(20_000, 50)
    expect(await states(world, 4)).toEqual(Array.from({ length: 4 }, () => 'succeeded'))
  })

  it('lets the next execution of a backfill start as soon as the one before it has ended', async () => {
    for (const policy of ['skip', 'queue'] as const) {
      const world = await openWorld({ run })
      await world.command(...backfilled(20, { policy, limit: 1 }, 100))
      await world.pass(3000, 10)
      expect(await states(world, 20)).toEqual(Array.from({ length: 20 }, () => 'succeeded'))
      await world.stop()
    }
  })

  it('lets an execution of the schedule wait before those of a backfill with overlap queue', async () => {
    const world = await openWorld({ run })
    const queue = { policy: 'queue', limit: 1 } as const
    const third = { ...everySecond(3, queue, 1500)[2]!, fireAt: start + 1000 }
    await world.command(...backfilled(2, queue, 1500), third)
    await world.pass(1200, 10)
    expect(await states(world, 3)).toEqual(['running', 'ready', 'ready'])
    await world.pass(8000, 10)
    expect(await states(world, 3)).toEqual(['succeeded', 'succeeded', 'succeeded'])
    expect(world.calls.map((one) => numberOf(one.context.executionId))).toEqual([1, 3, 2])
  })

  it('lets the executions of a backfill follow each other on two executors, one at a time', async () => {
    const db = await openMemoryDatabase(migrations)
    const clock = createManualClock(start)
    const open = () => openWorld({ run, db, clock, config: { mode: 'distributed' } })
    const [one, other] = [await open(), await open()]
    await one.command(...backfilled(20, { policy: 'skip', limit: 1 }, 100))
    await one.pass(4000, 10)
    await other.settle()
    expect(await states(one, 20)).toEqual(Array.from({ length: 20 }, () => 'succeeded'))
    const begins = [...one.calls, ...other.calls].map(({ at }) => at).sort((a, b) => a - b)
    expect(begins).toHaveLength(20)
    expect(begins.slice(1).every((at, index) => at - (begins[index] as number) >= 100)).toBe(true)
    await one.stop()
    await other.stop()
    await db.close()
  })

  it('claims few of the executions of a long backfill that wait for a place', async () => {
    const world = await openWorld({ run })
    await world.command(...backfilled(200, { policy: 'skip', limit: 1 }, 50_000))
    await world.pass(40_000, 50)
    const claims = (await read(world, 200)).reduce((sum, one) => sum + one.epoch, 0)
    // Each is claimed once as it comes, and a few every 5 s.
    expect(claims).toBeLessThan(400)
  })

  it('lets any number run at once with allow that an earlier version stored with a limit', async () => {
    const world = await openWorld({ run })
    await world.command(...everySecond(3, { policy: 'allow', limit: 1 }))
    await world.pass(6500, 50)
    expect(starts(world)).toEqual([1, 2, 3])
  })

  it('ends the one that runs for a newer one with overlap cancel-running', async () => {
    const world = await openWorld({ run })
    await world.command(...everySecond(3, { policy: 'cancel-running', limit: 1 }))
    await world.pass(6500, 50)
    expect(starts(world)).toEqual([1, 2, 3])
    const records = await read(world, 3)
    expect(records.map((one) => [one.state, one.attempts.length])).toEqual([
      ['cancelled', 1],
      ['cancelled', 1],
      ['succeeded', 1],
    ])
  })

  it('waits for the end of one that does not stop, with overlap cancel-running, and skips those in between', async () => {
    const world = await openWorld({ run, config: { executorAbortGraceMs: 2300 } })
    const [first, ...others] = everySecond(4, { policy: 'cancel-running', limit: 1 }, 100)
    await world.command({ ...first!, params: { ms: 9000, ignoresAbort: true } }, ...others)
    await world.pass(9500, 50)
    expect(await states(world, 4)).toEqual(['cancelled', 'succeeded', 'skipped', 'skipped'])
    expect(world.calls.map((one) => Math.floor((one.at - start) / 1000))).toEqual([1, 4])
  })
})

describe('an execution that waits for an overlap place', () => {
  const queue = { policy: 'queue', limit: 1 } as const

  it('starts as soon as the one in its way has ended', async () => {
    const world = await openWorld({ run })
    await world.command(...everySecond(2, queue, 2345))
    await world.pass(3400, 5)
    expect(world.calls.map((one) => one.at - start)).toEqual([1000, 3350])
  })

  it('starts also when the executions of a backfill that ends at the same time cannot be read', async () => {
    const wrapStores = ({ executions, ...others }: Stores): Stores => {
      const listOpen = () => Promise.reject(new Error('made to fail'))
      return { ...others, executions: { ...executions, listOpen } }
    }
    const world = await openWorld({ run, wrapStores })
    const another = backfilled(2, queue, 2000).map((one, n) => ({
      ...one,
      jobId: jobId(2),
      executionId: executionId(n + 11),
      fireAt: start + 1000 - 3_600_000,
      plannedAt: start + 1000,
    }))
    await world.command(...everySecond(2, queue, 2000), ...another)
    await world.pass(3100, 10)
    const ofFirst = world.calls.filter(({ context }) => context.jobId === jobId())
    expect(ofFirst.map(({ at }) => Math.floor((at - start) / 100))).toEqual([10, 30])
  })

  it('keeps waiting while the one in its way waits for a retry', async () => {
    const world = await openWorld({
      run: ({ context }) => {
        if (context.executionId === executionId(1) && context.epoch === 1) throw new Error('once')
        return null
      },
    })
    const retry = {
      maxRetries: 1,
      backoff: 'fixed',
      delayMs: 7000,
      factor: 1,
      maxDelayMs: 7000,
      jitter: false,
    } as const
    const both = everySecond(2, queue).map((one) => ({ ...one, policy: { ...one.policy, retry } }))
    await world.command(...both)
    await world.pass(7900, 50)
    expect(starts(world)).toEqual([1])
    await world.pass(200, 50)
    expect(world.calls.map((one) => numberOf(one.context.executionId))).toEqual([1, 1, 2])
    expect(starts(world)).toEqual([1, 8, 8])
  })

  it('is claimed again by and by, where no executor has seen the end of the one in its way', async () => {
    const world = await openWorld({ run, config: { executorPlaceRecheckMs: 2000 } })
    const [first, second] = everySecond(2, queue, 60_000)
    await world.command(first!, second!)
    await world.pass(2500, 50)
    const [stored] = await world.stores.executions.find([executionId(1)])
    const from = stored!.execution
    const to = { ...from, state: 'cancelled' as const, owner: null, endedAt: start, seq: from.seq + 1 }
    await world.stores.executions.compareAndSetMany('finish', [{ rowId: stored!.rowId, from, to }], start)
    await world.pass(1000, 50)
    expect(world.calls).toHaveLength(1)
    await world.pass(1000, 50)
    expect(world.calls).toHaveLength(2)
  })

  it('ends with the job, and leaves its turn to the next one', async () => {
    const world = await openWorld({ run })
    const commands = everySecond(2, queue)
    await world.command(...commands, { ...commands[1]!, executionId: executionId(3), version: 2, fireAt: start + 2500 })
    await world.pass(2200, 50)
    expect(await states(world, 3)).toEqual(['running', 'ready', 'ready'])
    const changes = [{ version: 2, kind: 'update', changedAt: start + 1500, schedule: { kind: 'manual' } }]
    expect((await world.internal('PUT', `/internal/admissions/${jobId()}`, { changes })).statusCode).toBe(200)
    await world.pass(2000, 50)
    expect(await states(world, 3)).toEqual(['succeeded', 'superseded', 'running'])
    expect(starts(world)).toEqual([1, 3.9])
  })

  it('is there after a restart, and starts once there is a place', async () => {
    const world = await openWorld({ run })
    await world.command(...everySecond(2, queue))
    await world.pass(2500, 50)
    await world.kill()
    const next = await openWorld({ run, db: world.db, clock: world.clock })
    await next.pass(4000, 50)
    expect(next.calls.map((one) => numberOf(one.context.executionId))).toEqual([1, 2])
    expect(await states(next, 2)).toEqual(['succeeded', 'running'])
  })
})
