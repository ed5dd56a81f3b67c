import type { MisfirePolicy } from '@belfry/contracts'
import { afterEach, describe, expect, it } from 'vitest'
import { changesOf, everyMinute, everySecond, hour, jobId, jobIdOf, minute, noon, once, second } from './fixtures.ts'
import { databaseNames, openWorld, type World } from './world.ts'

let world: World
afterEach(() => world.close())

const within = { withinMs: hour, cap: 100 }
const runOnce: MisfirePolicy = { policy: 'run-once', ...within }
const runAll: MisfirePolicy = { policy: 'run-all', ...within }
const skip: MisfirePolicy = { policy: 'skip', ...within }

const minutes = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, n) => from + n)
const commandsOf = (id: string) =>
  world.executors.commands.filter((command) => command.jobId === id).map(({ fireAt }) => (fireAt - noon) / minute)
const rangesOf = async (id: string) => {
  const ranges = await world.stores.fireLog.listOfJob(id, { limit: 10 })
  return ranges
    .map(({ from, to, count, decision, reason }) => {
      return [(from - noon) / minute, (to - noon) / minute, count, decision, reason]
    })
    .reverse()
}

/** The policies, and what becomes of the fire times from 12:01 to 12:10 of a scheduler that is back at 12:10:30. */
const cases: readonly [name: string, misfire: MisfirePolicy | undefined, runs: number[], ranges: unknown[][]][] = [
  ['no policy of its own', undefined, [9, 10], [[1, 8, 8, 'missed', 'overdue']]],
  ['run-once', runOnce, [9, 10], [[1, 8, 8, 'missed', 'overdue']]],
  ['run-all', runAll, minutes(1, 10), []],
  ['run-all with a cap of 3', { ...runAll, cap: 3 }, [1, 2, 3, 10], [[4, 9, 6, 'missed', 'over-cap']]],
  ['skip', skip, [10], [[1, 9, 9, 'missed', 'overdue']]],
  [
    'run-once within 5 minutes',
    { ...runOnce, withinMs: 5 * minute },
    [9, 10],
    [
      [1, 5, 5, 'missed', 'too-old'],
      [6, 8, 3, 'missed', 'overdue'],
    ],
  ],
  ['run-all within 5 minutes', { ...runAll, withinMs: 5 * minute }, minutes(6, 10), [[1, 5, 5, 'missed', 'too-old']]],
]

describe.each(databaseNames)('a scheduler on %s that was away for ten minutes', { timeout: 60_000 }, (database) => {
  it('runs and logs exactly what the policy of each job says', async () => {
    world = await openWorld({}, { database })
    await world.publishChanges(
      ...cases.map(([, misfire], n) => changesOf([['create', noon, everyMinute, misfire]], jobIdOf(n + 1))),
    )
    await world.idle()
    await world.service.stop()
    await world.clock.advance(10 * minute + 30 * second)
    await world.restart()
    const total = cases.reduce((sum, [, , runs]) => sum + runs.length, 0)
    await world.until(() => world.executors.commands.length === total)
    await world.pass(second, 250)
    for (const [n, [name, , runs, ranges]] of cases.entries()) {
      const id = jobIdOf(n + 1)
      expect([name, commandsOf(id), await rangesOf(id)]).toEqual([name, runs, ranges])
    }
  })

  it('runs all of a per-second job up to its cap, in portions that `pending` has room for', async () => {
    world = await openWorld({}, { database })
    await world.publishChanges(changesOf([['create', noon, everySecond, runAll]]))
    await world.idle()
    await world.service.stop()
    await world.clock.advance(10 * minute)
    await world.restart()
    await world.pass(2 * second, 250)
    const fired = world.executors.commands.map(({ fireAt }) => (fireAt - noon) / second)
    // The first four were issued ahead of their time, before the stop.
    expect(fired.filter((one) => one <= 540)).toEqual(minutes(1, 104))
    expect(fired.filter((one) => one > 540)).toEqual(minutes(541, 606))
    const ranges = await world.stores.fireLog.listOfJob(jobId, { limit: 10 })
    expect(ranges).toMatchObject([
      { from: noon + 105 * second, to: noon + 540 * second, count: 436, reason: 'over-cap' },
    ])
  })

  it('sends a one-shot that has expired meanwhile, so that it ends as an execution', async () => {
    world = await openWorld({}, { database })
    const message = changesOf([['create', noon, once(noon + minute)]])
    await world.publishChanges({ ...message, spec: { ...message.spec, expiresAfterMs: minute } })
    await world.idle()
    await world.service.stop()
    await world.clock.advance(10 * minute)
    await world.restart()
    await world.until(() => world.executors.commands.length === 1)
    expect(world.executors.commands).toMatchObject([{ fireAt: noon + minute, expiresAt: noon + 2 * minute }])
    expect(await rangesOf(jobId)).toEqual([])
  })

  it('takes back what it decided for after a change that it learns of only then', async () => {
    world = await openWorld({}, { database })
    await world.publishChanges(changesOf([['create', noon, everyMinute, skip]]))
    await world.idle()
    await world.service.stop()
    await world.clock.advance(10 * minute + 30 * second)
    await world.restart()
    await world.until(async () => (await rangesOf(jobId)).length === 1)
    await world.publishChanges(
      changesOf([
        ['create', noon, everyMinute, skip],
        ['pause', noon + 3 * minute + 1],
        ['resume', noon + 10 * minute + 1],
      ]),
    )
    await world.pass(30 * second, 250)
    expect(await rangesOf(jobId)).toEqual([
      [1, 3, 3, 'missed', 'overdue'],
      [4, 10, 7, 'paused', 'paused'],
    ])
  })
})
