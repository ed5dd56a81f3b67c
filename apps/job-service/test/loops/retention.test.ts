import type { ExecutionView, JobView } from '@belfry/contracts'
import { describe, expect, it } from 'vitest'
import { copiesBefore, mayPurge } from '../../src/domain/retention.ts'
import { createRetention } from '../../src/loops/retention.ts'
import { monday, statusMessage } from '../fixtures.ts'
import { openWorld, until, useWorld } from '../world.ts'

const day = 86_400_000
const anyRequest = { id: 'request-1', bodyHash: '', mintedId: '', triedBy: '', triedAt: 0, answer: null }

describe('the copy of an execution', () => {
  it.each([7, 30])('outlives the execution itself, which is purged after %i days', (days) => {
    const before = copiesBefore(monday, { executionsMs: days * day, copyMarginMs: 3_600_000 })
    expect(before).toBeLessThan(monday - days * day)
    expect(before).toBeGreaterThan(monday - (days + 1) * day)
  })
})

describe('a job', () => {
  const before = monday
  const newest = { fireAt: monday - 20, endedAt: monday - 10 }
  const over = { version: 1, state: 'active', runAt: monday - 20, changedAt: monday - 30, newest } as const
  it.each([
    ['that is a one-shot and has run goes', over, true],
    ['that has run by hand only, before its time, stays', { ...over, runAt: monday - 19 }, false],
    ['whose newest execution has not ended stays', { ...over, newest: { ...newest, endedAt: null } }, false],
    ['whose newest execution ended later stays', { ...over, newest: { ...newest, endedAt: before } }, false],
    ['that changed later stays', { ...over, changedAt: before }, false],
    ['that never ran stays', { ...over, newest: null }, false],
    ['that is paused stays', { ...over, state: 'paused' }, false],
    ['that goes on stays', { ...over, runAt: null }, false],
    ['that was cancelled goes', { ...over, state: 'cancelled', runAt: null }, true],
    ['that was deleted before it ever ran goes', { ...over, state: 'deleted', newest: null }, true],
    [
      'that was cancelled while it is running stays',
      { ...over, state: 'cancelled', newest: { ...newest, endedAt: null } },
      false,
    ],
  ] as const)('%s', (_, age, expected) => expect(mayPurge(age, before)).toBe(expected))
})

describe('after the retention', () => {
  const world = useWorld({ jobPurgeMs: 1000 })

  /** Days of a machine that sleeps for most of each: the clock goes on, and retention iterates in between. */
  async function passDays(days: number): Promise<void> {
    for (let slept = 0; slept < days; slept += 0.75) {
      world.clock.step(0.75 * day)
      await world.pass(1)
    }
  }

  it('an execution is not found any more; its job and later executions are', async () => {
    const { body: made } = await world.call<JobView>('POST', '/jobs', { jobType: 'DUMMY' })
    const job = await world.stores.jobs.find('usr-a', made.id)
    if (!job) throw new Error('the job is gone')
    const { body: trigger } = await world.call<ExecutionView>('POST', `/jobs/${job.id}/trigger`, {})
    const old = statusMessage({ job, state: 'failed', endedAt: monday })
    const open = statusMessage({ job, fireAt: monday + 1, state: 'running' })
    await world.executor.publish(old)
    await world.executor.publish(open)
    const statusOf = async (id: string) => (await world.call('GET', `/executions/${id}`)).status
    await until(async () => (await statusOf(old.executionId)) === 200)

    await passDays(31)
    await until(async () => {
      await world.pass(1)
      return (await statusOf(old.executionId)) === 404
    })
    // The executors may list their newest execution for longer: reconcile does not bring its copy back.
    const repaired = async () => /^belfry_reconcile_repaired_total.*$/m.exec(await world.metricsRegistry.render())?.[0]
    const before = await repaired()
    await world.pass(61)
    expect([await statusOf(old.executionId), await repaired()]).toEqual([404, before])
    const recent = statusMessage({ job, fireAt: world.clock.now(), state: 'succeeded', endedAt: world.clock.now() })
    await world.executor.publish(recent)
    const left = [open, recent].map((one) => one.executionId)
    for (const id of [...left, trigger.id]) expect(await statusOf(id)).toBe(200)
    expect((await world.call<{ data: unknown[] }>('GET', '/dead-letters')).body.data).toEqual([])
    expect((await world.call<JobView>('GET', `/jobs/${job.id}`)).status).toBe(200)
  }, 30_000)
})

describe('one-shots and cancelled jobs', () => {
  it('are purged after the retention with their executions; jobs that may still fire, and the job that changed last, stay', async () => {
    const world = await openWorld({ jobPurgeMs: 1000, jobPurgeRows: 2, retentionClockToleranceMs: 2 * day })
    try {
      const make = async (more: object) => {
        const { body } = await world.call<JobView>('POST', '/jobs', { jobType: 'DUMMY', ...more })
        const job = await world.stores.jobs.find('usr-a', body.id)
        if (!job) throw new Error('the job is gone')
        return job
      }
      const once = { runAt: new Date(monday + 1000).toISOString(), key: 'once' }
      const [done, running, cancelled] = [await make(once), await make({ delay: '1s' }), await make({})]
      await world.call('POST', `/jobs/${cancelled.id}/cancel`)
      const [coming, manual, newest] = [await make({ delay: '90d' }), await make({}), await make({ delay: '1s' })]
      const end = (job: typeof done) =>
        world.executor.publish(
          statusMessage({ job, fireAt: monday + 1000, state: 'succeeded', endedAt: monday + 1001 }),
        )
      for (const job of [done, manual, newest]) await end(job)
      await world.executor.publish(statusMessage({ job: running, fireAt: monday + 1000, state: 'running' }))
      const jobs = [done, running, cancelled, coming, manual, newest]
      const statuses = () => Promise.all(jobs.map(async ({ id }) => (await world.call('GET', `/jobs/${id}`)).status))
      const listed = async () => {
        const headers = { authorization: `Bearer ${world.serviceTokens.sign('scheduler-service')}` }
        const answer = await world.service.app.inject({ url: '/internal/jobs/changes?after=0', headers })
        return jobs.flatMap(({ id }, index) => (answer.body.includes(id) ? [index] : []))
      }
      const passDays = async (days: number) => {
        for (let passed = 0; passed < days; passed++) {
          world.clock.step(day)
          await world.pass(1)
        }
      }
      await world.pass(3)
      expect([await statuses(), await listed()]).toEqual([
        [200, 200, 200, 200, 200, 200],
        [0, 1, 2, 3, 4, 5],
      ])
      await passDays(30)
      // A scheduler that has lost its store must not run what is over again: the executors forget it from now on.
      expect([await statuses(), await listed()]).toEqual([
        [200, 200, 200, 200, 200, 200],
        [2, 3, 4],
      ])
      await passDays(2)
      await world.pass(10)
      expect([await statuses(), await listed()]).toEqual([
        [404, 200, 404, 200, 200, 200],
        [3, 4],
      ])
      expect((await world.call('GET', '/jobs/once')).status).toBe(404)
      const again = await make(once)
      expect(again.id).not.toBe(done.id)
    } finally {
      await world.close()
    }
  }, 30_000)

  it('are purged in one turn of the loop, however many pages they fill', async () => {
    const world = await openWorld()
    try {
      const ids: string[] = []
      for (let made = 0; made < 25; made++) {
        ids.push((await world.call<JobView>('POST', '/jobs', { jobType: 'DUMMY' })).body.id)
        await world.call('POST', `/jobs/${ids.at(-1)}/cancel`)
      }
      await world.pass(3)
      const retention = { executionsMs: 30 * day, copyMarginMs: 3_600_000, requestsMs: 2 * day }
      const later = monday + 40 * day
      const retentionClock = { open: async () => undefined, now: () => later, turn: async () => later }
      const takesTurn = () => true
      const purge = createRetention({ stores: world.stores, retentionClock, retention, rows: 2, pages: 1, takesTurn })
      // The loop calls again at once while the answer is true.
      while (await purge());
      const statuses = await Promise.all(ids.map(async (id) => (await world.call('GET', `/jobs/${id}`)).status))
      // The job that changed last stays.
      expect(statuses).toEqual([...ids.slice(1).map(() => 404), 200])
    } finally {
      await world.close()
    }
  }, 30_000)
})

describe('a clock that is wrong', () => {
  it('deletes nothing, before a start and while the process runs, until a start confirms it', async () => {
    const world = await openWorld({ jobPurgeMs: 1000 })
    try {
      const headers = { 'idempotency-key': 'once' }
      const make = () => world.call<JobView>('POST', '/jobs', { jobType: 'DUMMY' }, { headers })
      const { body: made } = await make()
      const job = await world.stores.jobs.find('usr-a', made.id)
      if (!job) throw new Error('the job is gone')
      const ended = statusMessage({ job, state: 'failed', endedAt: monday })
      await world.executor.publish(ended)
      const seq = async () => (await world.stores.executions.readSeqs([ended.executionId]))[0]
      await until(seq)
      const requests = async () => world.stores.requests.insert({ ...anyRequest, madeAt: monday }, 0)
      await requests()
      for (const jump of [40 * day, -80 * day, 80 * day]) {
        world.clock.step(jump)
        await world.pass(2)
        await world.restart()
        await world.pass(2)
        expect([await seq(), await requests()]).toMatchObject([ended.seq, { id: anyRequest.id }])
        expect((await make()).body.id).toBe(made.id)
        const note = `the clock is ${jump > 0 ? 'ahead of' : 'behind'} the trusted time`
        const ready = await world.service.app.inject('/readyz?verbose')
        expect([ready.statusCode, ready.body.includes(note)]).toEqual([200, true])
      }
      expect(world.lines.filter((line) => line.includes('the clock is ahead of the trusted time'))).not.toEqual([])
      await world.restart({ retentionTrustClock: 'true' })
      await world.pass(2)
      expect([await seq(), await requests()]).toEqual([undefined, undefined])
      expect((await make()).body.id).not.toBe(made.id)
    } finally {
      await world.close()
    }
  }, 30_000)
})
