import type { ExecutionView, ListedExecutionView, ListedJobView, Page } from '@belfry/contracts'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type { Stores } from '../../src/store/ports.ts'
import { jobOf, monday, statusMessage } from '../fixtures.ts'
import { listAll, openWorld, pointersOf, useWorld } from '../world.ts'

const minute = 60_000

describe('the list of executions', () => {
  const world = useWorld()
  const states = ['succeeded', 'failed', 'skipped', 'lost', 'running'] as const
  const nightly = jobOf({ n: 1, name: 'Nightly import', key: 'import', tags: ['eu'] })
  const report = jobOf({ n: 2, name: 'Report' })
  const shared = jobOf({ n: 3, ownerId: 'usr-b', name: 'Shared', viewers: [{ id: 'usr-a', username: 'ann' }] })
  const other = jobOf({ n: 4, ownerId: 'usr-c', name: 'Other', params: { durationMs: 4 } })
  const jobs = [nightly, report, shared, other]
  beforeAll(async () => {
    for (const job of jobs) await world.stores.jobs.create(job)
    const messages = jobs.flatMap((job, n) =>
      states.map((state, index) => {
        const fireAt = monday - index * 10 * minute - n
        return statusMessage({ job, fireAt, state, endedAt: state === 'running' ? null : fireAt + 1, result: { n } })
      }),
    )
    await world.stores.executions.applyStatuses(messages)
  })
  const listed = async (query: string, options?: { user?: string; roles?: ['operator'] }) => {
    const rows: ListedExecutionView[] = []
    for (let cursor = ''; ; ) {
      const url = `/executions?limit=3&${query}${cursor}`
      const { body } = await world.call<Page<ListedExecutionView>>('GET', url, undefined, options)
      rows.push(...body.data)
      if (!body.page.nextCursor) return rows
      cursor = `&cursor=${encodeURIComponent(body.page.nextCursor)}`
    }
  }
  const shown = (rows: readonly ListedExecutionView[]) => rows.map(({ jobName, status }) => `${jobName} ${status}`)

  it('is filtered by the tag, and by a part of the name or key, of the job', async () => {
    const nightlyOnes = ['SUCCESS', 'FAILED', 'SKIPPED', 'LOST', 'RUNNING'].map((status) => `Nightly import ${status}`)
    for (const query of ['tag=eu', 'q=nightly', 'q=IMPORT']) expect(shown(await listed(query))).toEqual(nightlyOnes)
    expect(shown(await listed('q=report&status=FAILED'))).toEqual(['Report FAILED'])
    expect(await listed('tag=us')).toEqual([])
  })

  it('is in the order of fire times, in both directions, also between two moments', async () => {
    const down = await listed('')
    expect(down).toHaveLength(10)
    expect(await listed('sort=fireAt')).toEqual(down.toReversed())
    const between = `from=${new Date(monday - 25 * minute).toISOString()}&to=${new Date(monday - 5 * minute).toISOString()}`
    expect(await listed(`sort=fireAt&${between}`)).toEqual((await listed(between)).toReversed())
    expect(shown(await listed(`${between}&tag=eu`))).toEqual(['Nightly import FAILED', 'Nightly import SKIPPED'])
  })

  it('shows what did not succeed, in both directions', async () => {
    const unwell = 'status=FAILED,LOST,EXPIRED'
    const expected = ['Nightly import FAILED', 'Report FAILED', 'Nightly import LOST', 'Report LOST']
    expect(shown(await listed(unwell))).toEqual(expected)
    expect(shown(await listed(`${unwell}&sort=fireAt`))).toEqual(expected.toReversed())
  })

  it('shows those of shared jobs to their viewers, with params and results', async () => {
    const rows = await listed('scope=shared&fields=params,result')
    expect(shown(rows)).toEqual(['SUCCESS', 'FAILED', 'SKIPPED', 'LOST', 'RUNNING'].map((one) => `Shared ${one}`))
    expect(rows[0]).toMatchObject({ params: { durationMs: 5 }, result: { n: 2 } })
    expect(Object.keys(rows[0]?.links ?? {})).toEqual(['self', 'job', 'logs'])
    expect(await listed('scope=shared&sort=fireAt&fields=params,result')).toEqual(rows.toReversed())
    expect(await listed('scope=shared', { user: 'usr-c' })).toEqual([])
  })

  it('shows those of all users to operators alone, without params and results', async () => {
    const operator = { user: 'usr-o', roles: ['operator'] as ['operator'] }
    const rows = await listed('scope=all&fields=params,result', operator)
    expect(rows).toHaveLength(20)
    expect(rows.filter((one) => 'params' in one || 'result' in one)).toEqual([])
    expect(await listed('scope=all&sort=fireAt&fields=params,result', operator)).toEqual(rows.toReversed())
    const failed = ['Nightly import', 'Report', 'Shared', 'Other'].map((name) => `${name} FAILED`)
    expect(shown(await listed('scope=all&status=FAILED', operator))).toEqual(failed)
    expect((await world.call('GET', '/executions?scope=all')).status).toBe(403)
  })

  it.each([
    ['scope=shared&ownerId=usr-a', '?scope'],
    ['sort=endedAt', '?sort'],
    ['scope=mine', '?scope'],
    ['q=', '?q'],
  ])('refuses %s', async (query, pointer) => {
    const answer = await world.call('GET', `/executions?${query}`)
    expect([answer.status, pointersOf(answer.body)]).toEqual([400, [pointer]])
  })
})

describe('a filtered list', () => {
  it('leaves out what has changed between the search and the read', async () => {
    const afterSearch: { act: () => Promise<unknown> } = { act: async () => undefined }
    const changing = <S extends { readMany(...args: never[]): Promise<unknown> }>(store: S): S => ({
      ...store,
      readMany: async (...args: never[]) => {
        await afterSearch.act()
        return store.readMany(...args)
      },
    })
    const wrap = (stores: Stores) => ({
      ...stores,
      jobs: changing(stores.jobs),
      executions: changing(stores.executions),
    })
    const world = await openWorld({}, { wrap })
    onTestFinished(world.close)
    const [job, quiet] = [jobOf({ n: 1 }), jobOf({ n: 2 })]
    for (const one of [job, quiet]) await world.stores.jobs.create(one)
    const stored = (await world.stores.jobs.find('usr-a', job.id))!
    const running = [job, quiet].map((one) => statusMessage({ job: one, state: 'running' }))
    await world.stores.executions.applyStatuses(running)
    afterSearch.act = () =>
      world.stores.executions.applyStatuses([statusMessage({ job, state: 'succeeded', seq: 2, endedAt: monday })])
    const executions = await listAll<ExecutionView>(world, '/executions?status=RUNNING', 10)
    expect(executions.map(({ jobId }) => jobId)).toEqual([quiet.id])
    afterSearch.act = () => world.stores.jobs.markPublished([{ rowId: stored.rowId, seq: 1 }])
    const jobs = await listAll<ListedJobView>(world, '/jobs?status=CREATED', 10)
    expect(jobs.map(({ id }) => id)).toEqual([quiet.id])
  })
})
