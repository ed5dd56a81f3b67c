import type { JobChangesMessage } from '@belfry/contracts'
import { afterEach, describe, expect, it } from 'vitest'
import type { Stores } from '../../src/index.ts'
import { changesOf, everyMinute, everySecond, hour, jobId, jobIdOf, minute, noon, once, second } from '../fixtures.ts'
import { databaseNames, openWorld, type World } from '../world.ts'
import { createFailingStores, type Failure, type FailureControl, failOften, failOnce } from './failing-stores.ts'

let world: World
let control: FailureControl
afterEach(() => world.close())

type Open = Parameters<typeof openWorld>
async function open(settings: Open[0] = {}, options: Open[1] = {}) {
  control = { plan: () => null, failed: 0 }
  const wrap = (stores: Stores) => createFailingStores(stores, control)
  world = await openWorld(settings, { ...options, wrap })
}

const fireTimes = (id = jobId) =>
  world.executors.commands.filter((one) => one.jobId === id).map(({ fireAt }) => fireAt - noon)
const recordOf = async (id = jobId) => {
  const [stored] = await world.stores.schedules.readMany([id], 1e6)
  return stored && 'record' in stored ? stored.record : null
}

/** Publishes until the scheduler has stored it, as a relay does. */
async function publish(...messages: JobChangesMessage[]): Promise<number> {
  for (let failures = 0; ; failures++) {
    try {
      await world.publishChanges(...messages)
      return failures
    } catch {
      if (failures > 200) throw new Error('never stored')
      await world.pass(50)
    }
  }
}

const failures: readonly (readonly [string, Failure])[] = [
  ['is unavailable', 'unavailable'],
  ['has written, and the answer is lost', { lost: 'all' }],
  ['has written some, and the answer is lost', { lost: 'some' }],
  ['has not written, and the answer is lost', { lost: 'none' }],
]

describe.each(failures)('a store that %s', (_, failure) => {
  afterEach(() => expect(control.failed).toBe(1))

  it('at the insert of new schedules loses no command: each is sent within one repetition', async () => {
    await open()
    control.plan = failOnce('schedules.insertManyIfAbsent', failure)
    const jobs = [1, 2, 3, 4].map((n) => changesOf([['create', noon, once(noon + second)]], jobIdOf(n)))
    expect(await publish(...jobs)).toBe(1)
    await world.pass(6 * second, 250)
    for (const n of [1, 2, 3, 4]) {
      expect(fireTimes(jobIdOf(n))).toEqual([second])
      expect(await recordOf(jobIdOf(n))).toMatchObject({ fired: 1, pending: [], nextFireAt: null })
    }
  })

  it('at an advance neither loses a fire time nor counts one twice', async () => {
    await open()
    await publish(changesOf([['create', noon, everyMinute]]), changesOf([['create', noon, everyMinute]], jobIdOf(2)))
    control.plan = failOnce('schedules.compareAndSetMany', failure)
    await world.pass(minute + 2 * second, 500)
    for (const id of [jobId, jobIdOf(2)]) {
      expect(fireTimes(id)).toEqual([minute])
      expect(await recordOf(id)).toMatchObject({ fired: 1, pending: [], nextFireAt: noon + 2 * minute })
    }
  })

  it('at the insert of a new schedule sends the commands of another schedule at once, which it has stored', async () => {
    await open()
    const create = ['create', noon, once(noon + hour)] as const
    await publish(changesOf([create]))
    await world.clock.advance(1)
    control.plan = failOnce('schedules.insertManyIfAbsent', failure)
    const update = ['update', noon + 1, once(noon + 2 * second)] as const
    const together = [changesOf([create, update]), changesOf([create], jobIdOf(2))]
    await expect(world.publishChanges(...together)).rejects.toThrow()
    await world.until(() => fireTimes().length === 1)
    expect(world.clock.now()).toBe(noon + 1)
    await publish(...together)
    expect(await recordOf(jobIdOf(2))).toMatchObject({ version: 1, nextFireAt: noon + hour })
  })

  it('at a change is right when the change is published again', async () => {
    await open()
    const create = ['create', noon, everySecond] as const
    await publish(changesOf([create]))
    await world.pass(2500)
    control.plan = failOnce('schedules.compareAndSetMany', failure)
    await publish(changesOf([create, ['cancel', noon + 2500]]))
    await world.pass(6 * second, 500)
    expect(await recordOf()).toMatchObject({ version: 2, state: 'cancelled', fired: 2, pending: [], nextFireAt: null })
  })

  it('at an acknowledgement gets it with the next repetition of the command', async () => {
    await open()
    world.executors.answers = false
    await publish(changesOf([['create', noon, once(noon + second)]]))
    await world.until(() => fireTimes().length === 1)
    world.executors.answers = true
    control.plan = failOnce('schedules.compareAndSetMany', failure)
    await world.pass(16 * second, 500)
    expect(new Set(fireTimes())).toEqual(new Set([second]))
    expect(await recordOf()).toMatchObject({ fired: 1, pending: [] })
  })

  it('at the fire log stores each range once', async () => {
    await open()
    await publish(changesOf([['create', noon, everyMinute]]))
    await world.service.stop()
    await world.clock.advance(30 * minute + 20 * second)
    control.plan = failOnce('fireLog.upsertMany', failure)
    await world.restart()
    await world.pass(second, 250)
    expect(await world.stores.fireLog.listOfJob(jobId, { limit: 10 })).toMatchObject([
      { count: 28, decision: 'missed' },
    ])
    expect(await recordOf()).toMatchObject({ fireLogOutbox: [] })
  })

  it('at the quarantine of an unreadable record tries it again, and advances the others', async () => {
    await open()
    await publish(changesOf([['create', noon, everyMinute]]), changesOf([['create', noon, everyMinute]], jobIdOf(2)))
    await world.spoil(jobIdOf(2))
    control.plan = failOnce('schedules.postponeIfUnchanged', failure)
    await world.pass(minute, 250)
    expect(fireTimes()).toEqual([minute])
  })

  it.each(['schedules.listSummaries', 'schedules.purgeManyIfUnchanged', 'fireLog.purge'])(
    'at %s purges what is left in a later turn',
    async (verb) => {
      await open({ schedulerPollMs: minute, schedulerPurgeMs: minute })
      await publish(
        changesOf([
          ['create', noon, everyMinute],
          ['cancel', noon + 1],
        ]),
      )
      const about = { count: 1, decision: 'missed', reason: 'overdue', version: 1 } as const
      const ranges = [noon, noon + 1].map((from) => ({ jobId, range: { from, to: from, ...about } }))
      await world.stores.fireLog.upsertMany(ranges)
      for (let slept = 0; slept < 31 * 24 * hour; slept += 18 * hour) {
        if (slept === 29.25 * 24 * hour) control.plan = failOnce(verb, failure)
        world.clock.step(18 * hour)
        await world.pass(3 * minute, minute)
      }
      expect(await world.stores.schedules.readVersions([jobId])).toEqual([undefined])
      expect(await world.stores.fireLog.listOfJob(jobId, { limit: 10 })).toEqual([])
    },
  )

  it('at the cursor of reconcile still applies every change', async () => {
    await open()
    for (const n of [1, 2, 3]) world.jobs.put(changesOf([['create', noon - 61_000, once(noon + hour)]], jobIdOf(n)))
    control.plan = failOnce('cursors.write', failure)
    await world.joinJobs()
    const versions = () => world.stores.schedules.readVersions([1, 2, 3].map(jobIdOf))
    await world.until(async () => (await versions()).every((version) => version === 1))
    await world.pass(150 * second, 500)
    await world.until(async () => (await world.stores.cursors.read('changes of jobs')) > 0)
  })
})

describe('a database that fails at one call in six for twenty seconds', () => {
  const cases = databaseNames.flatMap((database) => [1, 2, 3].map((seed) => [database, seed] as const))
  it.each(cases)(
    'on %s, seed %d: every fire time becomes one execution, and nothing stays pending',
    async (database, seed) => {
      await open({ schedulerPageRows: 3 }, { database })
      const ids = [1, 2, 3, 4, 5, 6].map(jobIdOf)
      control.plan = failOften(seed, 6)
      for (const id of ids) await publish(changesOf([['create', noon, everySecond]], id))
      await world.pass(20 * second, 250)
      control.plan = () => null
      expect(control.failed).toBeGreaterThan(50)
      await world.pass(65 * second, 500)
      const last = Math.max(...fireTimes(ids[0]))
      expect(last).toBeGreaterThan(80 * second)
      for (const id of ids) {
        const times = new Set(fireTimes(id))
        expect(times).toEqual(new Set(Array.from({ length: last / second }, (_, n) => (n + 1) * second)))
        const record = await recordOf(id)
        expect(record).toMatchObject({ fired: times.size, fireLogOutbox: [], quarantined: null })
        expect(record?.pending).toEqual([])
      }
    },
    60_000,
  )
})
