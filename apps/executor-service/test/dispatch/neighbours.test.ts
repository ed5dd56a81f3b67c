import type { JobExecuteMessage } from '@belfry/contracts'
import { createManualClock } from '@belfry/service'
import { openMemoryDatabase } from '@belfry/storage/sqlite'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Execution } from '../../src/executions/execution.ts'
import { createSqliteStores, migrations } from '../../src/store/sqlite/index.ts'
import { command, execution, executionId, executions, jobId, ownerId, start } from '../samples.ts'
import { type Call, openWorld, type World } from '../world.ts'

const [greedy, other, third] = [ownerId(1), ownerId(2), ownerId(3)] as const
const hour = 3_600_000
const jobOf = (owner: string) => jobId(owner === greedy ? 1 : owner === other ? 2 : 3)

let numbers = 0
/** Triggers of one owner that are due. */
function triggers(owner: string, count: number, change: Partial<JobExecuteMessage> = {}): JobExecuteMessage[] {
  return Array.from({ length: count }, () => {
    numbers += 1
    const job = { jobId: jobOf(owner), ownerId: owner, cause: 'manual' as const }
    return command({ executionId: executionId(numbers), fireAt: start, ...job, ...change })
  })
}

/** Attempts of the greedy owner take an hour, those of others `ms`. */
const hourOr =
  (ms: number) =>
  ({ context }: Call) =>
    new Promise((resolve) => context.clock.callAfter(context.jobId === jobId(1) ? hour : ms, () => resolve(null)))

const long = { timeoutMs: 2 * hour }
const config = { executorIoConcurrency: 20, executorClaimAhead: 100, shutdownGraceMs: 0, executorAbortGraceMs: 0 }
const callsOf = (world: World, owner: string) => world.calls.filter((one) => one.context.jobId === jobOf(owner))
const patient = (messages: JobExecuteMessage[]) =>
  messages.map((one) => ({ ...one, policy: { ...one.policy, ...long } }))

/** Executions of the greedy owner that are ready in the store, and due. */
const stored = (count: number): Execution[] =>
  executions(count, (n) => ({
    id: executionId(1_000_000 + n),
    ownerId: greedy,
    jobId: jobId(1),
    runAt: start - 1000,
    priority: 1,
    policy: { ...execution().policy, ...long },
  }))

describe('triggers of one owner whose attempts take an hour', () => {
  it('take all slots while no other owner waits', async () => {
    const world = await openWorld({ config, run: hourOr(10) })
    await world.command(...patient(triggers(greedy, 60)))
    await world.pass(20)
    expect(callsOf(world, greedy)).toHaveLength(20)
  })

  it('do not stop the others, with 260 of them and 200 slots', async () => {
    const world = await openWorld({ config: { ...config, executorIoConcurrency: 200 }, run: hourOr(1000) })
    await world.command(...patient(triggers(greedy, 260)))
    await world.pass(5)
    expect(callsOf(world, greedy)).toHaveLength(200)
    const due = triggers(other, 101)
    await world.command(...due)
    await world.pass(20)
    expect(callsOf(world, other)).toHaveLength(100)
    const busy = (await world.metric('belfry_executor_slots{')).filter((line) => /"io".*"busy"/.test(line))
    expect(busy).toEqual([expect.stringMatching(/ 300$/)])
    await world.pass(1000, 50)
    expect(callsOf(world, other)).toHaveLength(101)
    expect(callsOf(world, greedy)).toHaveLength(200)
    expect((await world.read(due[0]!.executionId)).attempts[0]?.startedAt).toBe(start + 5)
  })

  it('leave the cron of another owner on its millisecond', async () => {
    const world = await openWorld({ config: { ...config, executorArmed: 100 }, run: hourOr(10) })
    await world.command(...patient(triggers(greedy, 300)), ...patient(triggers(greedy, 300, { fireAt: start + 400 })))
    await world.command(...triggers(other, 1, { fireAt: start + 400, cause: 'schedule' }))
    await world.pass(600)
    expect(callsOf(world, other).map((one) => one.at - start)).toEqual([400])
  })

  it('give half of the slots back as they end, while another owner waits', async () => {
    const ends: (() => void)[] = []
    const world = await openWorld({
      config,
      run: ({ context }) =>
        new Promise<void>((resolve) => {
          if (context.jobId === jobId(1)) ends.push(() => resolve())
        }),
    })
    await world.command(...patient(triggers(greedy, 60)))
    await world.command(...patient(triggers(other, 60)))
    await world.pass(5)
    expect([callsOf(world, greedy).length, callsOf(world, other).length]).toEqual([20, 10])
    for (const end of ends.splice(0, 10)) end()
    await world.pass(300)
    expect([callsOf(world, greedy).length, callsOf(world, other).length]).toEqual([20, 10])
    for (const end of ends.splice(0, 3)) end()
    await world.pass(300)
    expect([callsOf(world, greedy).length, callsOf(world, other).length]).toEqual([23, 10])
  })

  it('do not stop the others with 20,000 of them waiting, whether they came before or after', async () => {
    const world = await openWorld({ config, run: hourOr(10) })
    await world.command(...patient(triggers(greedy, 20_000)))
    await world.command(...triggers(other, 30))
    await world.pass(40)
    expect(callsOf(world, other)).toHaveLength(30)
    await world.command(...triggers(third, 5, { fireAt: start + 200 }))
    await world.pass(300, 10)
    expect(callsOf(world, third).map((one) => one.at - start)).toEqual([200, 200, 200, 200, 200])
    expect(callsOf(world, greedy)).toHaveLength(20)
  }, 60_000)

  it('do not stop what others have in the store behind 20,000 of them, after a restart', async () => {
    const db = await openMemoryDatabase(migrations)
    onTestFinished(() => db.close())
    const { executions: store } = createSqliteStores(db, createManualClock())
    const mine = execution({ id: executionId(5), ownerId: other, jobId: jobId(2), priority: 9, runAt: start - 1 })
    await store.insertMany(stored(20_000), start)
    await store.insertMany([mine], start)
    const world = await openWorld({ db, config: { ...config, executorPollScanRows: 5000 }, run: hourOr(10) })
    await world.pass(6 * 250, 10)
    expect(callsOf(world, other)).toHaveLength(1)
    expect(callsOf(world, greedy)).toHaveLength(20)
  }, 60_000)

  it('do not hold up the commands of others that come behind them', async () => {
    const world = await openWorld({ config: { ...config, executorRoomWaitMs: 100 }, run: hourOr(10) })
    for (let batch = 0; batch < 20; batch++) void world.command(...patient(triggers(greedy, 200)))
    void world.command(...triggers(other, 1))
    await world.pass(150)
    expect(callsOf(world, other).map((one) => one.at - start)).toEqual([100])
  })

  it('do not stop the others by the memory that their params take', async () => {
    const world = await openWorld({ config: { ...config, executorHeldBytes: 130_000 }, run: hourOr(10) })
    const large = patient(triggers(greedy, 5, { params: { text: 'x'.repeat(30_000) } }))
    for (const one of large) await world.command(one)
    await world.command(...triggers(other, 3))
    await world.pass(20)
    expect(callsOf(world, other)).toHaveLength(3)
    expect(callsOf(world, greedy)).toHaveLength(4)
  })
})

describe('triggers of one owner whose attempts are short', () => {
  it('run one after the other, and those of others in between', async () => {
    const db = await openMemoryDatabase(migrations)
    onTestFinished(() => db.close())
    const { executions: store } = createSqliteStores(db, createManualClock())
    await store.insertMany(stored(2000), start)
    await store.insertMany(
      [execution({ id: executionId(6), ownerId: other, jobId: jobId(2), priority: 9, runAt: start })],
      start,
    )
    const world = await openWorld({
      db,
      config: { executorIoConcurrency: 20, executorClaimAhead: 20 },
      run: ({ context }) => new Promise((resolve) => context.clock.callAfter(10, () => resolve(null))),
    })
    await world.pass(500, 5)
    const place = world.calls.findIndex((one) => one.context.jobId === jobId(2))
    expect(place).toBeGreaterThan(0)
    expect(place).toBeLessThan(600)
    await world.pass(3000, 10)
    expect(world.calls).toHaveLength(2001)
  }, 30_000)
})
