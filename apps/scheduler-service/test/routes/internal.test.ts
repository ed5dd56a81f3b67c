import { fireLogReply, scheduleVersionsReply } from '@belfry/contracts'
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
