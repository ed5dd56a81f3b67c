import type { JobStatusView, WhyView } from '@belfry/contracts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { monday, statusMessage } from '../fixtures.ts'
import { openWorld, until, type World } from '../world.ts'

const minute = 60_000
const iso = (at: number) => new Date(at).toISOString()

describe('GET /jobs/:id/why', () => {
  let world: World
  let id: string
  const why = (query: string, options: Parameters<World['call']>[3] = {}) =>
    world.call<WhyView>('GET', `/jobs/${id}/why?${query}`, undefined, options)

  beforeAll(async () => {
    world = await openWorld()
    const body = { jobType: 'DUMMY', schedule: '*/10 * * * *', key: 'nightly' }
    id = (await world.call<{ id: string }>('POST', '/jobs', body)).body.id
    const job = (await world.stores.jobs.findById(id))!
    await world.clock.advance(5 * minute)
    const ended = statusMessage({
      job,
      fireAt: monday + 5 * minute,
      state: 'succeeded',
      endedAt: monday + 5 * minute + 900,
    })
    await world.executor.publish(ended)
    await world.call('POST', '/jobs/nightly/pause')
    await until(async () => (await world.stores.audit.list({}, null, 1))[0]?.status === 200 || world.clock.advance(100))
    await world.clock.advance(10 * minute)
    const range = { from: monday + 15 * minute, to: monday + 15 * minute, count: 1, decision: 'paused' as const }
    world.scheduler.state.fireLogs.set(id, [{ ...range, reason: 'paused', version: 2 }])
  })
  afterAll(() => world.close())

  it('says that a run was on time, also for a time in its minute and for its id', async () => {
    const { status, body } = await why(`at=${iso(monday + 5 * minute)}`)
    expect(status).toBe(200)
    expect(body.answers).toMatchObject([
      { code: 'ran-on-time', evidence: [{ kind: 'execution', href: `/executions/${body.executionId}` }] },
    ])
    expect((await why(`at=${iso(monday + 5 * minute - 30_000)}`)).body.executionId).toBe(body.executionId)
    expect((await why(`execution=${body.executionId}`)).body).toEqual(body)
  })

  it('names who paused the job, from the audit log, and what the scheduler logged', async () => {
    const { body } = await why(`at=${iso(monday + 15 * minute)}`)
    expect(body.executionId).toBeNull()
    expect(body.answers).toMatchObject([
      { code: 'paused', evidence: [{ kind: 'audit' }, { kind: 'job' }, { kind: 'fire-log' }] },
    ])
    expect(body.answers[0]?.text).toContain('by usr-a')
    const [audit, , fireLog] = body.answers[0]!.evidence
    expect((await world.call('GET', audit!.href)).status).toBe(200)
    expect(fireLog!.href).toContain(`/jobs/${id}/fire-log?from=`)
  })

  it('names the nearest fire times where there is none', async () => {
    const { body } = await why(`at=${iso(monday + 2 * minute)}`)
    expect(body.answers[0]).toMatchObject({ code: 'no-fire-time' })
    expect(body.answers[0]?.text).toContain(iso(monday + 5 * minute))
  })

  it('takes a time before now, and exactly one question', async () => {
    expect((await why('at=-1h')).body.answers[0]?.code).toBe('before-the-job')
    for (const query of ['', `at=${iso(monday)}&execution=exe-1-01900000-0000-7000-8000-000000000001`, 'at=yesterday'])
      expect((await why(query)).status).toBe(400)
    expect((await why('execution=exe-1-01900000-0000-7000-8000-000000000001')).status).toBe(404)
  })

  it('is not there for others', async () => {
    expect((await why('at=-1m', { user: 'usr-b' })).status).toBe(404)
  })
})

describe("a job's status", () => {
  it('names the newest fire times that were missed', async () => {
    const world = await openWorld()
    const made = await world.call<{ id: string }>('POST', '/jobs', { jobType: 'DUMMY', schedule: '*/10 * * * *' })
    const status = async () => (await world.call<JobStatusView>('GET', `/jobs/${made.body.id}/status`)).body
    expect((await status()).lastMissed).toBeNull()
    const range = { from: monday, to: monday + minute, count: 2, reason: 'overdue', version: 1 }
    const other = { ...range, decision: 'paused' as const, from: monday + 2 * minute, to: monday + 2 * minute }
    world.scheduler.state.fireLogs.set(made.body.id, [other, { ...range, decision: 'missed' }])
    await world.clock.advance(5_000)
    expect((await status()).lastMissed).toEqual({
      from: iso(monday),
      to: iso(monday + minute),
      count: 2,
      reason: 'overdue',
    })
    await world.scheduler.leave()
    await world.clock.advance(5_000)
    expect((await status()).lastMissed).toMatchObject({ count: 2 })
    await world.close()
  })
})
