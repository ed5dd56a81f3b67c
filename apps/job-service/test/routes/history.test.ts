import {
  type FireLogReply,
  type HistoryEntry,
  historyEntry,
  type JobStatusView,
  type JobView,
  jobStatusView,
  type NextRunsView,
  nextRunsView,
  type Page,
} from '@belfry/contracts'
import { describe, expect, it } from 'vitest'
import { monday, statusMessage } from '../fixtures.ts'
import { listAll, pointersOf, until, useWorld } from '../world.ts'

describe('the history of a job', () => {
  const world = useWorld()
  const create = async () =>
    (await world.call<JobView>('POST', '/jobs', { jobType: 'DUMMY', schedule: '* * * * *' })).body
  const minute = (n: number) => monday + n * 60_000
  const range = (from: number, to: number, decision: 'missed' | 'paused'): FireLogReply['data'][number] => {
    return { from: minute(from), to: minute(to), count: to - from + 1, decision, reason: 'overdue', version: 1 }
  }
  const labelOf = (entry: HistoryEntry) => {
    const at = (Date.parse(entry.at) - monday) / 60_000
    return entry.kind === 'execution' ? `${at} ${entry.execution.status}` : `${at} ${entry.range.decision}`
  }

  /** Executions at the minutes 0, 1, 5, 6 and 9, missed from 2 to 4, paused from 7 to 8. */
  const fill = async (id: string) => {
    const job = await world.stores.jobs.find('usr-a', id)
    if (!job) throw new Error('the job is gone')
    const ended = [0, 1, 5, 6, 9].map((n) =>
      statusMessage({ job, fireAt: minute(n), state: 'succeeded', endedAt: minute(n) + 5 }),
    )
    await world.executor.publish(...ended)
    world.scheduler.state.fireLogs.set(id, [range(7, 8, 'paused'), range(2, 4, 'missed')])
  }
  const whole = ['9 SUCCESS', '7 paused', '6 SUCCESS', '5 SUCCESS', '2 missed', '1 SUCCESS', '0 SUCCESS']

  it('has executions and fire times without one in one list, newest first', async () => {
    const job = await create()
    await fill(job.id)
    const { body } = await world.call<Page<HistoryEntry>>('GET', `/jobs/${job.id}/history`)
    for (const entry of body.data) expect(historyEntry.parse(entry)).toEqual(entry)
    expect(body.data.map(labelOf)).toEqual(whole)
    expect(body.data[1]).toMatchObject({
      range: { to: new Date(minute(8)).toISOString(), count: 2, reason: 'overdue' },
    })
    expect(body.page).toEqual({ nextCursor: null, hasMore: false })
  })

  it.each([1, 2, 3, 6, 7])('has all of them once in pages of %i', async (limit) => {
    const job = await create()
    await fill(job.id)
    const entries = await listAll<HistoryEntry>(world, `/jobs/${job.id}/history`, limit)
    expect(entries.map(labelOf)).toEqual(whole)
  })

  it('stays readable when the job is deleted', async () => {
    const job = await create()
    await fill(job.id)
    await world.call('DELETE', `/jobs/${job.id}`)
    const { body } = await world.call<Page<HistoryEntry>>('GET', `/jobs/${job.id}/history`)
    expect(body.data.map(labelOf)).toEqual(whole)
  })

  it('takes no cursor of another list', async () => {
    const job = await create()
    for (const cursor of ['x', Buffer.from('["[1]",null,null]').toString('base64url')]) {
      const { status, body } = await world.call('GET', `/jobs/${job.id}/history?cursor=${cursor}`)
      expect([status, pointersOf(body)]).toEqual([400, ['?cursor']])
    }
  })

  it('is of its owner alone, and 503 while the scheduler cannot be reached', async () => {
    const job = await create()
    expect((await world.call('GET', `/jobs/${job.id}/history`, undefined, { user: 'usr-b' })).status).toBe(404)
    await world.scheduler.leave()
    expect((await world.call('GET', `/jobs/${job.id}/history`)).status).toBe(503)
    await world.scheduler.join()
  })
})

describe('the next runs of a job', () => {
  const world = useWorld()
  const create = async (body: object) =>
    (await world.call<JobView>('POST', '/jobs', { jobType: 'DUMMY', ...body })).body.id
  const nextRuns = async (id: string, query = '') => {
    const { body } = await world.call<NextRunsView>('GET', `/jobs/${id}/next-runs${query}`)
    expect(nextRunsView.parse(body)).toEqual(body)
    return body
  }

  it('are shown in UTC and in its zone, across a clock change', async () => {
    const id = await create({ schedule: { cron: '30 2 27,28 3 *', timezone: 'Europe/Berlin' } })
    const { timezone, data, reason } = await nextRuns(id, '?count=2')
    expect([timezone, reason]).toEqual(['Europe/Berlin', null])
    expect(data).toEqual([
      { at: '2027-03-27T01:30:00.000Z', local: '2027-03-27T02:30:00+01:00[Europe/Berlin]' },
      { at: '2027-03-28T01:00:00.000Z', local: '2027-03-28T03:00:00+02:00[Europe/Berlin]' },
    ])
  })

  it('are ten unless the call says otherwise, and begin with the one that the job shows', async () => {
    const id = await create({ schedule: { every: '90s' } })
    const { data } = await nextRuns(id)
    expect(data.map(({ at }) => Date.parse(at) - monday)).toEqual(
      [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((n) => n * 90_000),
    )
    expect((await nextRuns(id, '?count=100')).data).toHaveLength(100)
    for (const count of ['0', '101', 'x']) {
      const { status, body } = await world.call('GET', `/jobs/${id}/next-runs?count=${count}`)
      expect([status, pointersOf(body)]).toEqual([400, ['?count']])
    }
  })

  it('end with the schedule', async () => {
    const endAt = new Date(monday + 200_000).toISOString()
    expect((await nextRuns(await create({ schedule: { every: '90s' }, endAt }))).data).toHaveLength(2)
    expect((await nextRuns(await create({ schedule: { every: '90s' }, maxRuns: 3 }))).data).toHaveLength(3)
    expect((await nextRuns(await create({ delay: '1h' }))).data).toHaveLength(1)
  })

  it('are none of a job that is paused, cancelled, completed or has no schedule, with the reason', async () => {
    const paused = await create({ schedule: '* * * * *' })
    await world.call('POST', `/jobs/${paused}/pause`)
    const cancelled = await create({ schedule: '* * * * *' })
    await world.call('POST', `/jobs/${cancelled}/cancel`)
    const completed = await create({ runAt: new Date(monday).toISOString() })
    const job = await world.stores.jobs.find('usr-a', completed)
    if (!job) throw new Error('the job is gone')
    await world.executor.publish(statusMessage({ job, fireAt: monday, state: 'succeeded', endedAt: monday + 1 }))
    const manual = await create({})
    const reasons = ['paused', 'cancelled', 'completed', 'no-schedule']
    for (const [index, id] of [paused, cancelled, completed, manual].entries())
      expect(await nextRuns(id)).toMatchObject({ data: [], reason: reasons[index] })
  })
})

describe('the status of a job whose type no executor has', () => {
  const world = useWorld()
  const read = async (id: string) => {
    const { body } = await world.call<JobStatusView>('GET', `/jobs/${id}/status`)
    expect(jobStatusView.parse(body)).toEqual(body)
    return body.warnings.map(({ code }) => code)
  }

  it('warns of it until one has it', async () => {
    const { id } = (await world.call<JobView>('POST', '/jobs', { jobType: 'DUMMY' })).body
    expect(await read(id)).toEqual([])
    const { types } = world.executor.state
    world.executor.state.types = types.filter(({ type }) => type !== 'DUMMY')
    await world.pass(31)
    await until(async () => (await read(id))[0] === 'unknown-job-type')
    world.executor.state.types = types
    await world.pass(31)
    await until(async () => (await read(id)).length === 0)
  })
})
