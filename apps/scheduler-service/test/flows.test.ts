import { afterEach, describe, expect, it } from 'vitest'
import {
  changesOf,
  everyMinute,
  everySecond,
  hour,
  jobId,
  jobIdOf,
  minute,
  noon,
  once,
  type Step,
  second,
  specOf,
  statusOf,
} from './fixtures.ts'
import { databaseNames, openWorld as openWorldOn, type World } from './world.ts'

let world: World
afterEach(() => world.close())

const created = (schedule: Step[2], at = noon): Step[] => [schedule ? ['create', at, schedule] : ['create', at]]
const fireTimes = () => world.executors.commands.map(({ fireAt }) => fireAt - noon)
const recordOf = async (id = jobId) => {
  const [stored] = await world.stores.schedules.readMany([id], 1e6)
  if (!stored || 'unreadable' in stored) throw new Error(`${id} is not there`)
  return stored.record
}

describe.each(databaseNames)('on %s,', { timeout: 60_000 }, (database) => {
  const openWorld = (settings: Parameters<typeof openWorldOn>[0] = {}, options = {}) =>
    openWorldOn(settings, { ...options, database })

  describe('the advance of a due schedule', () => {
    it('happens 4.6 s before the fire time, to the millisecond, without waiting for a poll', async () => {
      world = await openWorld()
      await world.publishChanges(changesOf(created(once(noon + 10_037))))
      await world.pass(5000)
      await world.pass(436, 109)
      expect(fireTimes()).toEqual([])
      await world.clock.advance(1)
      await world.until(() => fireTimes().length > 0)
      expect(world.executors.commands).toMatchObject([
        { fireAt: noon + 10_037, sentAt: noon + 5437, plannedAt: noon + 5437 },
      ])
    })

    it('happens at once when the job is due sooner than that', async () => {
      world = await openWorld()
      await world.clock.advance(17)
      await world.publishChanges(changesOf(created(once(noon + 517), noon + 17)))
      await world.until(() => fireTimes().length > 0)
      expect(world.clock.now()).toBe(noon + 17)
    })

    it('covers every second of a per-second cron once, each as early as the first', async () => {
      world = await openWorld()
      await world.publishChanges(changesOf(created(everySecond)))
      await world.pass(30 * second)
      expect(fireTimes()).toEqual(Array.from({ length: 34 }, (_, n) => (n + 1) * second))
      const early = world.executors.commands.slice(4).map(({ fireAt, sentAt }) => fireAt - sentAt)
      expect(new Set(early)).toEqual(new Set([4600]))
    })

    it('works for 500 jobs at once, in pages', async () => {
      world = await openWorld({ schedulerPageRows: 100 })
      const jobs = Array.from({ length: 500 }, (_, n) => changesOf(created(everyMinute), jobIdOf(n + 1)))
      await world.publishChanges(...jobs)
      await world.clock.advance(minute - 4600)
      await world.until(() => fireTimes().length === 500)
      expect(new Set(world.executors.commands.map(({ executionId }) => executionId)).size).toBe(500)
      const metrics = await world.metricsRegistry.render()
      expect(metrics).toContain(
        'belfry_schedule_fires_total{service="scheduler-service",outcome="issued",reason="on-time"} 500',
      )
    })
  })

  describe('a bus that is down', () => {
    it('makes a command late, not lost, and doubles the wait of each repetition', async () => {
      world = await openWorld()
      world.executors.takesCommands = false
      await world.publishChanges(changesOf(created(once(noon + second))))
      await world.pass(6 * second)
      expect((await recordOf()).pending).toMatchObject([{ tries: 2, nextSendAt: noon + 15 * second }])
      world.executors.takesCommands = true
      await world.pass(9 * second)
      expect(world.executors.commands).toMatchObject([
        { fireAt: noon + second, plannedAt: noon, sentAt: noon + 15 * second },
      ])
      await world.until(async () => (await recordOf()).pending.length === 0)
      expect(world.lines.filter(({ msg }) => String(msg).includes('did not take commands'))).toHaveLength(1)
    })

    it('stops a job at 64 pending commands, which then goes on where it stopped', async () => {
      world = await openWorld({ schedulerPendingLimit: 5 })
      world.executors.answers = false
      await world.publishChanges(changesOf(created(everySecond)))
      await world.pass(4 * second)
      expect(new Set(fireTimes())).toEqual(new Set([1, 2, 3, 4, 5].map((n) => n * second)))
      await world.show(...[1, 2, 3, 4, 5].map((n) => statusOf(noon + n * second)))
      await world.until(() => fireTimes().includes(8 * second))
      expect(new Set(fireTimes())).toEqual(new Set([1, 2, 3, 4, 5, 6, 7, 8].map((n) => n * second)))
    })
  })

  describe('a clock that is set back while the scheduler runs', () => {
    it('delays no repetition, and no command is sent more often than its waits say', async () => {
      world = await openWorld()
      world.executors.answers = false
      await world.publishChanges(changesOf(created(once(noon + second))))
      await world.until(() => fireTimes().length === 1)
      world.clock.step(-24 * hour)
      await world.pass(500, 250)
      expect(fireTimes()).toHaveLength(2)
      await world.pass(9 * second, 500)
      expect(fireTimes()).toHaveLength(2)
      await world.pass(2 * second, 500)
      expect(fireTimes()).toHaveLength(3)
    })
  })

  describe('a job-status of the executors', () => {
    it('ends the repetitions; one about another execution does not', async () => {
      world = await openWorld()
      world.executors.answers = false
      await world.publishChanges(changesOf(created(once(noon + second))))
      await world.until(() => fireTimes().length === 1)
      await world.show(statusOf(noon + second, { cause: 'manual' }), statusOf(noon + 2 * second))
      await world.pass(5 * second)
      expect(fireTimes()).toHaveLength(2)
      await world.show(statusOf(noon + second), statusOf(noon + second, { state: 'running', seq: 2 }))
      await world.pass(15 * second)
      expect(fireTimes()).toHaveLength(2)
      expect(await recordOf()).toMatchObject({ pending: [], fired: 1, nextFireAt: null })
    })
  })

  describe('a change of a job', () => {
    it('counts once, however often and in whatever order it is published', async () => {
      world = await openWorld()
      const steps: Step[] = [
        ['create', noon, everySecond],
        ['cancel', noon + 2500],
      ]
      await world.publishChanges(changesOf(steps.slice(0, 1)), changesOf(steps.slice(0, 1)))
      await world.until(() => fireTimes().length === 4)
      await world.pass(2500)
      await world.publishChanges(changesOf(steps), changesOf(steps.slice(0, 1)), changesOf(steps))
      await world.publishChanges(changesOf(steps.slice(0, 1)))
      await world.pass(10 * second)
      expect(await recordOf()).toMatchObject({
        version: 2,
        state: 'cancelled',
        fired: 2,
        pending: [],
        nextFireAt: null,
      })
      expect(fireTimes()).toEqual([1, 2, 3, 4, 5, 6, 7].map((n) => n * second))
    })

    it('without its newest version is reported, and the others go on', async () => {
      world = await openWorld()
      const odd = { ...changesOf(created(everySecond), jobIdOf(2)), version: 5 }
      await world.publishChanges(odd, changesOf(created(once(noon + 1))))
      await world.until(() => fireTimes().length === 1)
      expect(world.lines).toMatchObject([{ jobId: jobIdOf(2), msg: 'a change of a job cannot be applied' }])
    })
  })

  describe('a restart', () => {
    it('after a long time runs the newest fire time that was missed, and logs the others', async () => {
      world = await openWorld()
      await world.publishChanges(changesOf(created(everyMinute)), changesOf(created(once(noon + second)), jobIdOf(2)))
      await world.until(() => fireTimes().length === 1)
      await world.service.stop()
      await world.clock.advance(30 * minute + 20 * second)
      await world.restart()
      await world.until(() => fireTimes().length === 3)
      expect(fireTimes()).toEqual([second, 29 * minute, 30 * minute])
      await world.until(async () => (await world.stores.fireLog.listOfJob(jobId, { limit: 10 })).length > 0)
      expect(await world.stores.fireLog.listOfJob(jobId, { limit: 10 })).toMatchObject([
        { from: noon + minute, to: noon + 28 * minute, count: 28, decision: 'missed', version: 1 },
      ])
      await world.until(async () => (await recordOf()).fireLogOutbox.length === 0)
    })

    it('sends pending commands at once: the process before may have died between the store and the bus', async () => {
      world = await openWorld()
      world.executors.takesCommands = false
      await world.publishChanges(changesOf(created(once(noon + second))))
      await world.until(async () => (await recordOf()).pending[0]?.tries === 1)
      world.executors.takesCommands = true
      await world.clock.advance(1)
      await world.restart()
      await world.until(() => fireTimes().length === 1)
      expect(world.clock.now()).toBe(noon + 1)
    })

    it('sends pending commands at once under a clock that was set back, and none twice that it sent itself', async () => {
      world = await openWorld({ schedulerPageRows: 3 })
      world.executors.takesCommands = false
      const ids = Array.from({ length: 10 }, (_, n) => jobIdOf(n + 1))
      await world.publishChanges(...ids.map((id, n) => changesOf(created(once(noon + n * second)), id)))
      await world.pass(8 * second, 500)
      expect((await recordOf(ids[9])).pending).toMatchObject([{ fireAt: noon + 9 * second }])
      world.executors.takesCommands = true
      world.executors.answers = false
      await world.clock.advance(1)
      world.clock.step(-24 * hour)
      await world.restart()
      await world.publishChanges(changesOf(created(once(noon - 25 * hour), world.clock.now()), jobIdOf(11)))
      await world.until(() => fireTimes().length === 11)
      await world.idle()
      expect(new Set(world.executors.commands.map((command) => command.jobId)).size).toBe(11)
      await world.pass(4 * second, 500)
      expect(fireTimes()).toHaveLength(11)
      await world.pass(minute, 500)
      expect(new Set(world.executors.commands.slice(11).map((command) => command.jobId)).size).toBe(11)
    })

    it('sends each pending command once, however many pages of them are not acknowledged', async () => {
      world = await openWorld({ schedulerPageRows: 10 })
      world.executors.answers = false
      const jobs = Array.from({ length: 40 }, (_, n) => jobIdOf(n))
      await world.publishChanges(...jobs.map((id) => changesOf(created(once(noon + second)), id)))
      await world.until(() => fireTimes().length === 40)
      await world.clock.advance(1)
      await world.restart()
      await world.until(() => fireTimes().length >= 80)
      await world.idle()
      expect(fireTimes()).toHaveLength(80)
    })

    it('with a record that cannot be read advances all others', async () => {
      world = await openWorld()
      await world.publishChanges(changesOf(created(everyMinute)), changesOf(created(everyMinute), jobIdOf(2)))
      await world.spoil(jobIdOf(2))
      await world.restart()
      await world.pass(minute, 250)
      expect(fireTimes()).toEqual([minute])
      expect(world.lines).toMatchObject([
        { jobId: jobIdOf(2), msg: 'a schedule cannot be advanced; it is quarantined' },
      ])
      await world.publishChanges(changesOf([...created(everyMinute), ['cancel', noon + 1]], jobIdOf(2)))
      expect(world.lines).toMatchObject([{}, { msg: 'a change of a job cannot be applied' }])
    })
  })

  describe('a schedule that does not compile', () => {
    it('is quarantined for an hour, and delays no other schedule', async () => {
      world = await openWorld()
      const bad = {
        ...specOf(everyMinute),
        schedule: { kind: 'cron', cron: '* * * * *', timezone: 'Moon/Far' } as const,
      }
      const message = changesOf(created(bad.schedule), jobIdOf(2))
      await world.publishChanges(message, changesOf(created(everyMinute)))
      await world.pass(minute, 250)
      expect(fireTimes()).toEqual([minute])
      expect((await recordOf(jobIdOf(2))).quarantined).toMatchObject({ until: noon + hour })
      await world.pass(hour, 1000)
      expect((await recordOf(jobIdOf(2))).quarantined).toMatchObject({ reason: 'unknown-zone', until: noon + 2 * hour })
      expect(world.lines.filter((line) => line.jobId === jobIdOf(2))).toHaveLength(1)
    })
  })

  describe('reconcile', () => {
    const lists = () => world.jobs.asks.filter((ask) => ask.startsWith('/'))
    /** After which change number each list began, and how many rows it asked for. */
    const asked = () => lists().map((ask) => /after=(\d+)&limit=(\d+)/.exec(ask)?.slice(1).map(Number))

    it('applies at the start the changes that no message brought', async () => {
      world = await openWorld({ schedulerReconcileRows: 2 })
      for (const n of [1, 2, 3]) world.jobs.put(changesOf(created(once(noon + 900), noon + n), jobIdOf(n)))
      await world.joinJobs()
      await world.until(() => fireTimes().length === 3 && lists().length === 2)
      expect(world.jobs.asks.filter((ask) => ask.startsWith('fetch'))).toEqual(['fetch 2', 'fetch 1'])
    })

    it('applies within 30 s a change that the bus lost', async () => {
      world = await openWorld({}, { mayLose: true })
      await world.joinJobs()
      await world.until(() => lists().length === 1)
      await world.pass(20 * second, 500)
      world.jobs.put(changesOf(created(once(noon + 40_000), noon + 20_000)))
      await world.pass(10 * second + 250, 250)
      await world.until(async () => (await world.stores.schedules.readVersions([jobId]))[0] === 1)
    })

    it('lists no change again once it has settled, and stores how far it came', async () => {
      world = await openWorld({}, { mayLose: true })
      // The clock of job-service is an hour ahead.
      world.jobs.put(changesOf(created(once(noon + 3 * hour), noon + hour), jobIdOf(1)))
      world.jobs.put(changesOf(created(once(noon + 3 * hour), noon + hour), jobIdOf(2)))
      await world.joinJobs()
      await world.until(() => lists().length === 1)
      await world.pass(2 * minute + second, 500)
      await world.until(() => lists().length === 5)
      expect(asked().map((ask) => ask?.[0])).toEqual([0, 0, 0, 2, 2])
      expect(world.jobs.asks.filter((ask) => ask.startsWith('fetch'))).toEqual(['fetch 2'])
      await world.restart()
      await world.until(() => lists().length === 6)
      expect(asked()[5]?.[0]).toBe(2)
    })

    it('finds what changed before and after the clock of job-service was set back by two hours', async () => {
      world = await openWorld({}, { mayLose: true })
      await world.joinJobs()
      world.jobs.put(changesOf(created(once(noon + 3 * hour), noon + hour), jobIdOf(1)))
      await world.pass(5 * minute, 5000)
      world.jobs.put(changesOf(created(once(noon + 3 * hour), noon - hour), jobIdOf(2)))
      await world.pass(31 * second, 500)
      const versions = () => world.stores.schedules.readVersions([1, 2].map(jobIdOf))
      await world.until(async () => (await versions()).every((version) => version === 1))
    })

    it('lists only changes that have settled, where the bus loses nothing', async () => {
      world = await openWorld({ schedulerReconcileRows: 2 })
      await world.joinJobs()
      await world.until(() => lists().length === 1)
      for (const n of [1, 2, 3, 4, 5]) world.jobs.put(changesOf(created(once(noon + hour), noon + n), jobIdOf(n)))
      await world.pass(30 * second + 500, 500)
      await world.until(() => lists().length === 2)
      await world.pass(90 * second, 500)
      await world.until(() => lists().length === 7)
      expect(asked()).toEqual([
        [0, 2],
        [0, 1],
        [0, 1],
        [0, 2],
        [2, 2],
        [4, 2],
        [5, 1],
      ])
    })

    it('comes back to a change for which there was no room', async () => {
      world = await openWorld({ schedulerPendingLimit: 1 }, { mayLose: true })
      world.executors.answers = false
      const steps: Step[] = [
        ['create', noon, everySecond],
        ['cancel', noon + 2500],
      ]
      await world.publishChanges(changesOf(steps.slice(0, 1)))
      await world.pass(2500)
      world.jobs.put(changesOf(steps))
      await world.publishChanges(changesOf(steps))
      await world.joinJobs()
      await world.pass(second, 250)
      expect((await recordOf()).version).toBe(1)
      await world.show(statusOf(noon + second))
      await world.until(() => fireTimes().includes(2 * second))
      await world.show(statusOf(noon + 2 * second))
      await world.pass(30 * second, 250)
      await world.until(async () => (await recordOf()).version === 2)
      expect(lists().length).toBe(2)
    })
  })

  describe('POST /scheduler/scan', () => {
    it('advances at once, and answers what it did', async () => {
      world = await openWorld({ schedulerPollMs: 1_000_000 })
      await world.publishChanges(changesOf(created(once(noon + 10 * second))))
      expect((await world.scan('user')).json()).toEqual({ advanced: 0, sent: 0 })
      world.clock.step(6 * second)
      const answer = await world.scan('user')
      expect([answer.statusCode, answer.json()]).toEqual([200, { advanced: 1, sent: 1 }])
      await world.until(() => fireTimes().length > 0)
      expect(fireTimes()).toEqual([10 * second])
    })

    it('is open to users only', async () => {
      world = await openWorld()
      expect((await world.scan('viewer')).statusCode).toBe(403)
      const answer = await world.service.app.inject({ method: 'POST', url: '/scheduler/scan' })
      expect(answer.statusCode).toBe(401)
    })
  })
})
