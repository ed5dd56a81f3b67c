import { afterEach, describe, expect, it } from 'vitest'
import { applyChanges } from '../../src/domain/apply-changes.ts'
import { endOf, horizonOf, isForgotten, isPurgeable } from '../../src/domain/retention.ts'
import {
  changesOf,
  compile,
  everyMinute,
  hour,
  jobId,
  jobIdOf,
  minute,
  noon,
  once,
  rules,
  type Step,
} from '../fixtures.ts'
import { openWorld, type World } from '../world.ts'

const day = 24 * hour
const horizon = horizonOf(noon, 30 * day)
const seen = { dueAt: null, endedAt: null }

describe('a schedule', () => {
  it.each([
    ['that has not ended stays', seen, false],
    ['that ended 30 days ago stays', { ...seen, endedAt: noon - 30 * day }, false],
    ['that ended before goes', { ...seen, endedAt: noon - 30 * day - 1 }, true],
    ['of which something still waits stays', { ...seen, endedAt: 0, dueAt: noon }, false],
  ])('%s', (_, summary, expected) => expect(isPurgeable(summary, horizon)).toBe(expected))

  const cancelled = (at: number) =>
    changesOf([
      ['create', at - hour, everyMinute],
      ['cancel', at],
    ])

  it('of an unknown job is not created when retention has removed it', () => {
    const old = cancelled(horizon - 1)
    expect([endOf(old), isForgotten(old, horizon)]).toEqual([horizon - 1, true])
    expect(applyChanges(null, old, noon, compile, rules, horizon)).toEqual({ outcome: 'forgotten' })
  })

  it('of an unknown job is created when the job ended later, or is active', () => {
    const active = changesOf([['create', horizon - day, everyMinute]])
    for (const message of [cancelled(horizon), active])
      expect(applyChanges(null, message, noon, compile, rules, horizon)).toMatchObject({ outcome: 'applied' })
  })
})

describe('the retention of schedules and of the fire log', () => {
  let world: World
  afterEach(() => world.close())

  /** Days of a machine that sleeps for most of each: the clock goes on, and the retention loop runs in between. */
  async function passDays(days: number): Promise<void> {
    for (let slept = 0; slept < days; slept += 0.75) {
      world.clock.step(0.75 * day)
      await world.pass(20 * minute, 10 * minute)
    }
  }

  it('purges nothing under a clock that is wrong, before a start and while it runs, until a start confirms it', async () => {
    world = await openWorld({ schedulerPollMs: minute })
    const job = changesOf([
      ['create', noon, everyMinute],
      ['cancel', noon + 1],
    ])
    await world.publishChanges(job)
    const range = { from: noon, to: noon, count: 1, decision: 'missed', reason: 'overdue', version: 1 } as const
    await world.stores.fireLog.upsertMany([{ jobId, range }])
    const left = async () => {
      await world.pass(20 * minute, 10 * minute)
      return [
        await world.stores.schedules.readVersions([jobId]),
        await world.stores.fireLog.listOfJob(jobId, { limit: 10 }),
      ]
    }
    const all = [[2], [range]]
    world.clock.step(40 * day)
    expect(await left()).toEqual(all)
    await world.restart()
    expect(await left()).toEqual(all)
    // A job that was cancelled a moment ago still gets a schedule, which retention has not reached yet.
    const recent = changesOf(
      [
        ['create', noon],
        ['cancel', noon + 1],
      ],
      jobIdOf(2),
    )
    await world.publishChanges(recent)
    await world.until(async () => (await world.stores.schedules.readVersions([jobIdOf(2)]))[0] === 2)
    world.clock.step(-80 * day)
    expect(await left()).toEqual(all)
    world.clock.step(40 * day)
    expect(await left()).toEqual(all)
    world.clock.step(40 * day)
    await world.restart({ retentionTrustClock: 'true' })
    expect(await left()).toEqual([[undefined], []])
    const reported = world.lines.map(({ msg }) => String(msg).split(':')[0])
    expect(reported).toEqual([
      'the clock is ahead of the trusted time',
      'the clock is ahead of the trusted time',
      'the clock is behind the trusted time',
      'the clock is confirmed',
    ])
  }, 30_000)

  it('purges schedules of cancelled jobs and of one-shots that have fired, for good, and no others', async () => {
    world = await openWorld({ schedulerPurgeRows: 2, schedulerPollMs: minute })
    const steps: [string, ...Step[]][] = [
      [jobIdOf(1), ['create', noon, everyMinute], ['cancel', noon + 1]],
      [jobIdOf(2), ['create', noon, once(noon + minute)]],
      [jobIdOf(3), ['create', noon, { kind: 'manual' }]],
      [jobIdOf(4), ['create', noon, everyMinute], ['pause', noon + 1]],
      [jobIdOf(5), ['create', noon, everyMinute], ['cancel', noon + 2]],
    ]
    const messages = steps.map(([id, ...rest]) => changesOf(rest, id))
    await world.clock.advance(2)
    // job-service does not list a one-shot that is over for as long.
    for (const message of messages) if (message.jobId !== jobIdOf(2)) world.jobs.put(message)
    await world.publishChanges(...messages)
    const about = { count: 1, decision: 'missed', reason: 'overdue', version: 1 } as const
    const log = (from: number) => ({ jobId: jobIdOf(2), range: { from, to: from, ...about } })
    await world.stores.fireLog.upsertMany([log(noon), log(noon + 20 * day)])
    await world.pass(2 * minute, minute / 2)

    const versions = () => world.stores.schedules.readVersions(steps.map(([id]) => id))
    expect(await versions()).toEqual([2, 1, 1, 2, 2])
    await passDays(31)
    expect(await versions()).toEqual([undefined, undefined, 1, 2, undefined])
    const ranges = await world.stores.fireLog.listOfJob(jobIdOf(2), { limit: 10 })
    expect(ranges.map(({ from }) => from)).toEqual([noon + 20 * day])

    await world.joinJobs()
    await world.restart()
    await world.until(() => world.jobs.asks.some((ask) => ask.startsWith('fetch')))
    await world.publishChanges(messages[0]!)
    await world.idle()
    expect(await versions()).toEqual([undefined, undefined, 1, 2, undefined])
    expect(await world.stores.fireLog.listOfJob(jobIdOf(1), { limit: 10 })).toEqual([])
    expect(world.executors.commands.map(({ jobId }) => jobId)).toEqual([jobIdOf(2)])
  }, 30_000)

  it('removes all that is old in one turn, however many pages it fills', async () => {
    world = await openWorld({ schedulerPurgeRows: 2, schedulerPollMs: minute })
    const ids = Array.from({ length: 24 }, (_, index) => jobIdOf(index + 1))
    const messages = ids.map((id) =>
      changesOf(
        [
          ['create', noon, everyMinute],
          ['cancel', noon + 1],
        ],
        id,
      ),
    )
    for (const message of messages) world.jobs.put(message)
    await world.publishChanges(...messages)
    await world.idle()
    await passDays(31)
    expect(await world.stores.schedules.readVersions(ids)).toEqual(ids.map(() => undefined))
  }, 30_000)
})
