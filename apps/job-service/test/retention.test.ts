import type { ExecutionView, JobView } from '@belfry/contracts'
import { describe, expect, it } from 'vitest'
import { copiesBefore } from '../src/domain/retention.ts'
import { monday, statusMessage } from './fixtures.ts'
import { openWorld, until, useWorld } from './world.ts'

const day = 86_400_000
const anyRequest = { id: 'request-1', bodyHash: '', mintedId: '', triedBy: '', triedAt: 0, answer: null }

describe('the copy of an execution', () => {
  it.each([7, 30])('outlives the execution itself, which goes after %i days', (days) => {
    const before = copiesBefore(monday, days * day)
    expect(before).toBeLessThan(monday - days * day)
    expect(before).toBeGreaterThan(monday - (days + 1) * day)
  })
})

describe('after the retention', () => {
  const world = useWorld({ jobPurgeMs: 1000 })

  /** Days of a machine that sleeps for most of each: the clock goes on, and retention gets its turns in between. */
  async function passDays(days: number): Promise<void> {
    for (let slept = 0; slept < days; slept += 0.75) {
      world.clock.step(0.75 * day)
      await world.pass(1)
    }
  }

  it('an execution is not found any more, its job is, and what came later, too', async () => {
    const { body: made } = await world.call<JobView>('POST', '/jobs', { jobType: 'DUMMY' })
    const job = await world.stores.jobs.find('usr-a', made.id)
    if (!job) throw new Error('the job is gone')
    const { body: trigger } = await world.call<ExecutionView>('POST', `/jobs/${job.id}/trigger`, {})
    const old = statusMessage({ job, state: 'failed', endedAt: monday })
    const open = statusMessage({ job, fireAt: monday + 1, state: 'running' })
    await world.executor.tell(old)
    await world.executor.tell(open)
    const statusOf = async (id: string) => (await world.call('GET', `/executions/${id}`)).status
    await until(async () => (await statusOf(old.executionId)) === 200)

    await passDays(31)
    const recent = statusMessage({ job, fireAt: world.clock.now(), state: 'succeeded', endedAt: world.clock.now() })
    await world.executor.tell(recent)
    await until(async () => {
      await world.pass(1)
      return (await statusOf(old.executionId)) === 404
    })
    const left = [open, recent].map((one) => one.executionId)
    for (const id of [...left, trigger.id]) expect(await statusOf(id)).toBe(200)
    expect((await world.call<{ data: unknown[] }>('GET', '/dead-letters')).body.data).toEqual([])
    expect((await world.call<JobView>('GET', `/jobs/${job.id}`)).status).toBe(200)
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
      await world.executor.tell(ended)
      const seq = async () => (await world.stores.executions.seqs([ended.executionId]))[0]
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
