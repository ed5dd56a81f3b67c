import { fireLogReply, scheduleRunsReply, scheduleVersionsReply } from '@belfry/contracts'
import { afterEach, describe, expect, it } from 'vitest'
import type { FireRange } from '../../src/domain/schedule-record.ts'
import { changesOf, everyMinute, jobId, jobIdOf, minute, noon } from '../fixtures.ts'
import { openWorld, type World } from '../world.ts'

let world: World
afterEach(() => world.close())

describe('what job-service asks the scheduler', () => {
  it('is the version up to which the changes of a job were applied', async () => {
    world = await openWorld()
    await world.publishChanges(
      changesOf([
        ['create', noon, everyMinute],
        ['pause', noon + 1, everyMinute],
      ]),
    )
    await world.idle()
    const answer = await world.post('/internal/schedules/versions', { ids: [jobIdOf(7), jobId] })
    expect([answer.statusCode, scheduleVersionsReply.parse(answer.json())]).toEqual([
      200,
      { data: [{ id: jobId, version: 2 }] },
    ])
  })

  it('is an older version as long as a command of it waits for the executors', async () => {
    world = await openWorld()
    world.executors.answers = false
    const steps = [
      ['create', noon, everyMinute],
      ['update', noon + 2 * minute, everyMinute],
    ] as const
    await world.publishChanges(changesOf(steps.slice(0, 1)))
    await world.pass(minute, 1000)
    await world.publishChanges(changesOf(steps))
    await world.idle()
    const answer = await world.post('/internal/schedules/versions', { ids: [jobId] })
    expect(scheduleVersionsReply.parse(answer.json()).data).toEqual([{ id: jobId, version: 1 }])
    const runs = await world.post('/internal/schedules/runs', { ids: [jobId] })
    const [{ version, pending } = { version: 0, pending: [] }] = scheduleRunsReply.parse(runs.json()).data
    expect([version, pending[0]]).toEqual([2, noon + minute])
  })

  it('is how far the schedules of some jobs have come', async () => {
    world = await openWorld({ schedulerPageRows: 2 })
    const limited = { kind: 'cron', cron: '* * * * *', timezone: 'UTC', maxRuns: 1 } as const
    await world.publishChanges(
      changesOf([['create', noon, limited]], jobIdOf(1)),
      changesOf([['create', noon, { ...limited, maxRuns: 9 }]], jobIdOf(2)),
      changesOf([['create', noon, everyMinute]], jobIdOf(3)),
    )
    await world.pass(minute, 1000)
    const answer = await world.post('/internal/schedules/runs', { ids: [1, 2, 4, 3].map(jobIdOf) })
    const fired = { version: 1, fired: 1, lastFireAt: noon + minute, pending: [] }
    expect(scheduleRunsReply.parse(answer.json()).data).toEqual([
      { id: jobIdOf(1), ...fired, nextFireAt: null },
      { id: jobIdOf(2), ...fired, nextFireAt: noon + 2 * minute },
      { id: jobIdOf(3), ...fired, nextFireAt: noon + 2 * minute },
    ])
  })

  it('is the fire log of a job, page by page', async () => {
    world = await openWorld()
    const ranges = [3, 2, 1].map((n): FireRange => {
      const at = noon + n * minute
      return { from: at, to: at, count: 1, decision: 'missed', reason: 'overdue', version: n }
    })
    await world.stores.fireLog.upsertMany(ranges.map((range) => ({ jobId, range })))
    const list = async (after: object | null) => {
      const answer = await world.post('/internal/fire-log/list', { jobId, limit: 2, after })
      return fireLogReply.parse(answer.json()).data
    }
    expect(await list(null)).toEqual(ranges.slice(0, 2))
    expect(await list({ from: ranges[1]?.from, decision: 'missed' })).toEqual(ranges.slice(2))
  })

  it('is answered to services alone', async () => {
    world = await openWorld()
    const answer = await world.service.app.inject({ method: 'POST', url: '/internal/schedules/versions', payload: {} })
    expect(answer.statusCode).toBe(401)
  })
})
