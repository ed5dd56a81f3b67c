import { afterEach, describe, expect, it } from 'vitest'
import { applyChanges } from '../src/domain/changes.ts'
import { endOf, horizonOf, isForgotten, mayGo } from '../src/domain/retention.ts'
import { changesOf, compile, everyMinute, hour, jobIdOf, minute, noon, once, rules, type Step } from './fixtures.ts'
import { openWorld, type World } from './world.ts'

const day = 24 * hour
const horizon = horizonOf(noon, 30 * day)
const seen = { n: 1, rev: 1, dueAt: null, endedAt: null }

describe('a schedule', () => {
  it.each([
    ['of a job that goes on stays, also of a one-shot that has fired', seen, false],
    ['of a job that ended 30 days ago stays', { ...seen, endedAt: noon - 30 * day }, false],
    ['of a job that ended before goes', { ...seen, endedAt: noon - 30 * day - 1 }, true],
    ['of which something still waits stays', { ...seen, endedAt: 0, dueAt: noon }, false],
  ])('%s', (_, glance, expected) => expect(mayGo(glance, horizon)).toBe(expected))

  const cancelled = (at: number) =>
    changesOf([
      ['create', at - hour, everyMinute],
      ['cancel', at],
    ])

  it('is not made again of a job whose schedule has gone', () => {
    const old = cancelled(horizon - 1)
    expect([endOf(old), isForgotten(old, horizon)]).toEqual([horizon - 1, true])
    expect(applyChanges(null, old, noon, compile, rules)).toEqual({ outcome: 'forgotten' })
  })

  it('is made of a job that ended later, or goes on', () => {
    const active = changesOf([['create', horizon - day, everyMinute]])
    for (const message of [cancelled(horizon), active])
      expect(applyChanges(null, message, noon, compile, rules)).toMatchObject({ outcome: 'applied' })
  })
})

describe('after the retention', () => {
  let world: World
  afterEach(() => world.close())

  it('schedules of cancelled jobs go, and do not come back; all others stay', async () => {
    world = await openWorld({ schedulerPurgeRows: 2 })
    const steps: [string, ...Step[]][] = [
      [jobIdOf(1), ['create', noon, everyMinute], ['cancel', noon + 1]],
      [jobIdOf(2), ['create', noon, once(noon + minute)]],
      [jobIdOf(3), ['create', noon, { kind: 'manual' }]],
      [jobIdOf(4), ['create', noon, everyMinute], ['pause', noon + 1]],
      [jobIdOf(5), ['create', noon, everyMinute], ['cancel', noon + 2]],
    ]
    const messages = steps.map(([id, ...rest]) => changesOf(rest, id))
    await world.clock.advance(2)
    for (const message of messages) world.jobs.keep(message)
    await world.tell(...messages)
    const about = { count: 1, decision: 'missed', reason: 'overdue', version: 1 } as const
    const log = (from: number) => ({ jobId: jobIdOf(2), range: { from, to: from, ...about } })
    await world.stores.fireLog.upsert([log(noon), log(noon + 20 * day)])
    await world.pass(2 * minute, minute / 2)

    const versions = () => world.stores.schedules.versions(steps.map(([id]) => id))
    expect(await versions()).toEqual([2, 1, 1, 2, 2])
    world.clock.step(31 * day)
    await world.pass(30 * minute, 10 * minute)
    expect(await versions()).toEqual([undefined, 1, 1, 2, undefined])
    const ranges = await world.stores.fireLog.read(jobIdOf(2), 10)
    expect(ranges.map(({ from }) => from)).toEqual([noon + 20 * day])

    await world.joinJobs()
    await world.restart()
    await world.until(() => world.jobs.asks.some((ask) => ask.startsWith('fetch')))
    await world.tell(messages[0]!)
    await world.settle()
    expect(await versions()).toEqual([undefined, 1, 1, 2, undefined])
    expect(await world.stores.fireLog.read(jobIdOf(1), 10)).toEqual([])
    expect(world.executors.commands.map(({ jobId }) => jobId)).toEqual([jobIdOf(2)])
  })
})
