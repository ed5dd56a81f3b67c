import type { ExecutionView, ListedExecutionView, ListedJobView, Page } from '@belfry/contracts'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Job } from '../../src/domain/job.ts'
import { jobOf, monday, statusMessage } from '../fixtures.ts'
import { listAll, pointersOf, useWorld } from '../world.ts'

const hour = 3_600_000
const iso = (at: number) => new Date(at).toISOString()

describe('the filters of jobs', () => {
  const world = useWorld()
  const rows = Array.from({ length: 12 }, (_, n) =>
    jobOf({ n: n + 1, name: `job ${n}`, tags: n % 2 ? ['nightly', 'eu'] : ['eu'], now: monday - (12 - n) * hour }),
  )
  beforeAll(async () => {
    for (const job of rows) await world.stores.jobs.create(job)
    const published = await world.stores.jobs.listUnpublished(
      { rows: 100, bytes: 1e6 },
      { instances: 1, index: 0, overdueAt: 0 },
    )
    await world.stores.jobs.markPublished(published.rows)
    const [one, two] = rows as [Job, Job]
    await world.stores.executions.applyStatuses([
      statusMessage({ job: one, state: 'failed' }),
      statusMessage({ job: two, state: 'succeeded' }),
    ])
  })
  const names = async (query: string) =>
    (await listAll<ListedJobView>(world, `/jobs?${query}`, 5)).map(({ name }) => Number(name.slice(4)))

  it.each([
    ['tag=nightly', [11, 9, 7, 5, 3, 1]],
    ['tag=us', []],
    ['status=FAILED,SUCCESS', [1, 0]],
    ['status=FAILED&status=SUCCESS', [1, 0]],
    ['status=FAILED&tag=nightly', []],
    ['from=-3h', [11, 10, 9]],
    [`to=${iso(monday - 11 * hour)}`, [1, 0]],
    [`from=-3h&to=-2h&tag=eu`, [10, 9]],
  ])('%s', async (query, expected) => {
    expect(await names(query)).toEqual(expected)
  })

  it.each([
    ['status=DONE', '?status'],
    ['from=yesterday', '?from'],
    ['sort=name', '?sort'],
    ['sort=-createdAt&nextRunBefore=1h', '?sort'],
    ['sort=nextRunAt&scope=shared', '?scope'],
    ['scope=shared&ownerId=usr-a', '?scope'],
    ['nextRunBefore=-1h', '?nextRunBefore'],
    ['color=red', '?color'],
  ])('refuse %s', async (query, pointer) => {
    const answer = await world.call('GET', `/jobs?${query}`)
    expect([answer.status, pointersOf(answer.body)]).toEqual([400, [pointer]])
  })

  it('give the records of another user to operators alone', async () => {
    for (const path of ['/jobs', '/executions', '/dead-letters']) {
      const ask = (roles: ['user'] | ['operator']) =>
        world.call<Page<ListedExecutionView>>('GET', `${path}?ownerId=usr-a`, undefined, { user: 'usr-o', roles })
      expect((await ask(['user'])).status).toBe(403)
      const { status, body } = await ask(['operator'])
      expect([status, body.data.length > 0]).toEqual([200, true])
    }
  })
})

describe('the jobs in the order of their next runs', () => {
  const world = useWorld({ jobScanRows: 300, jobScanChunkRows: 50 })
  const create = (name: string, body: object) => world.call('POST', '/jobs', { name, jobType: 'DUMMY', ...body })
  const names = async (query: string, limit = 2) =>
    (await listAll<ListedJobView>(world, `/jobs?${query}`, limit)).map(({ name }) => name)
  beforeAll(async () => {
    await create('hourly', { schedule: '0 * * * *' })
    await create('by hand', {})
    await create('every 10', { schedule: '*/10 * * * *' })
    await create('once', { runAt: iso(monday + 20 * 60_000) })
    await create('tomorrow', { schedule: '0 3 * * *', tags: ['x'] })
    await create('paused', { schedule: '*/2 * * * *' })
    await create('over', { schedule: { every: '1m' }, endAt: iso(monday + 90_000) })
    const { body } = await world.call<Page<ListedJobView>>('GET', '/jobs?q=paused')
    await world.call('POST', `/jobs/${body.data[0]?.id}/pause`)
  })

  it('are those that run within the time that is asked for, next run first', async () => {
    expect(await names('nextRunBefore=1h')).toEqual(['over', 'every 10', 'once', 'hourly'])
    expect(await names('nextRunBefore=%2B10m')).toEqual(['over', 'every 10'])
    expect(await names(`nextRunBefore=${iso(monday + 20 * 60_000)}&sort=nextRunAt`)).toEqual([
      'over',
      'every 10',
      'once',
    ])
    expect(await names('sort=nextRunAt', 200)).toEqual(['over', 'every 10', 'once', 'hourly', 'tomorrow'])
    expect(await names('sort=nextRunAt&tag=x')).toEqual(['tomorrow'])
  })

  it('follow the clock: what has run stands at its next run, and what has none left is gone', async () => {
    await world.clock.advance(11 * 60_000)
    expect(await names('sort=nextRunAt')).toEqual(['every 10', 'once', 'hourly', 'tomorrow'])
    const { body } = await world.call<Page<ListedJobView>>('GET', '/jobs?sort=nextRunAt&limit=1')
    expect(body.data[0]?.nextRunAt).toBe(iso(monday + 15 * 60_000))
  })

  it('are found page by page, however many bounds have passed meanwhile', async () => {
    const many = Array.from({ length: 700 }, (_, n) =>
      jobOf({
        n: n + 1,
        ownerId: 'usr-m',
        name: `m${n}`,
        schedule: { kind: 'cron', cron: `${n % 60} 5 * * *`, timezone: 'UTC' },
      }),
    )
    for (const job of many) await world.stores.jobs.create(job)
    const rows: ListedJobView[] = []
    let pages = 0
    for (let cursor: string | null = ''; cursor !== null; pages++) {
      const next: string = cursor && `&cursor=${cursor}`
      const { body } = await world.call<Page<ListedJobView>>(
        'GET',
        `/jobs?sort=nextRunAt&limit=200${next}`,
        undefined,
        { user: 'usr-m' },
      )
      rows.push(...body.data)
      cursor = body.page.nextCursor
    }
    expect(rows).toHaveLength(700)
    const times = rows.map(({ nextRunAt }) => String(nextRunAt))
    expect(times).toEqual(times.toSorted())
    expect(pages).toBeLessThan(12)
  })

  it('refuse a cursor of the other order', async () => {
    const { body } = await world.call<Page<ListedJobView>>('GET', '/jobs?limit=1')
    const answer = await world.call('GET', `/jobs?sort=nextRunAt&cursor=${body.page.nextCursor}`)
    expect([answer.status, pointersOf(answer.body)]).toEqual([400, ['?cursor']])
  })
})

describe('the filters of executions', () => {
  const world = useWorld()
  let path = ''
  beforeAll(async () => {
    const { body: job } = await world.call<{ id: string }>('POST', '/jobs', { jobType: 'DUMMY' })
    path = `/jobs/${job.id}/executions`
    const stored = (await world.stores.jobs.find('usr-a', job.id))!
    const states = ['failed', 'succeeded', 'lost', 'running', 'failed'] as const
    await world.stores.executions.applyStatuses(
      states.map((state, n) => statusMessage({ job: stored, state, fireAt: monday - (5 - n) * hour })),
    )
  })
  const ofQuery = async (query: string) => {
    const [all, ofJob] = await Promise.all([
      listAll<ExecutionView>(world, `/executions?${query}`, 2),
      listAll<ExecutionView>(world, `${path}?${query}`, 2),
    ])
    expect(ofJob).toEqual(all)
    return all.map(({ status, fireAt }) => [status, (monday - Date.parse(fireAt)) / hour])
  }

  it.each([
    [
      'status=FAILED,LOST',
      [
        ['FAILED', 1],
        ['LOST', 3],
        ['FAILED', 5],
      ],
    ],
    [
      'from=-3h',
      [
        ['FAILED', 1],
        ['RUNNING', 2],
        ['LOST', 3],
      ],
    ],
    [
      'to=-4h',
      [
        ['SUCCESS', 4],
        ['FAILED', 5],
      ],
    ],
    [
      `from=-4h&to=${iso(monday - 2 * hour)}`,
      [
        ['RUNNING', 2],
        ['LOST', 3],
        ['SUCCESS', 4],
      ],
    ],
    ['from=-4h&status=FAILED', [['FAILED', 1]]],
    ['from=-1h&to=-2h', []],
  ])('%s', async (query, expected) => {
    expect(await ofQuery(query)).toEqual(expected)
  })
})
