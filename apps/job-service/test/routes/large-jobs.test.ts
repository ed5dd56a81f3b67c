import type { JobView } from '@belfry/contracts'
import { createManualClock } from '@belfry/service'
import { soleShare } from '@belfry/storage'
import { openMemoryDatabase } from '@belfry/storage/sqlite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { triggerCommand } from '../../src/domain/execution.ts'
import type { StoredJob, Stores } from '../../src/store/ports.ts'
import { createSqliteStores } from '../../src/store/sqlite/index.ts'
import { migrations } from '../../src/store/sqlite/migrations.ts'
import { jobOf, minted, monday, statusMessage } from '../fixtures.ts'
import { until, useWorld } from '../world.ts'

const large = (length = 20_000) => ({ payload: 'x'.repeat(length) })

describe('pages of large jobs', () => {
  let stores: Stores
  let close: () => Promise<void>
  const jobs: StoredJob[] = []
  const unreadable: unknown[] = []

  beforeAll(async () => {
    const db = await openMemoryDatabase(migrations)
    stores = createSqliteStores(db, createManualClock(monday), (table, row) => void unreadable.push([table, row]))
    close = db.close
    for (const n of [1, 2, 3, 4]) {
      const job = jobOf({ n })
      await stores.jobs.create({ ...job, spec: { ...job.spec, params: large() } })
      const stored = (await stores.jobs.find(job.ownerId, job.id)) as StoredJob
      jobs.push(stored)
      const command = triggerCommand(stored, {
        executionId: `exe-${monday.toString(36)}-${minted(n)}`,
        plannedAt: monday,
      })
      await stores.executions.insertTrigger({
        jobRowId: stored.rowId,
        command,
        hasOwnParams: false,
        reason: null,
        nextSendAt: monday,
      })
    }
    const spoil = db.statement(`UPDATE jobs SET body = '{', params = '{}' WHERE id = ?`)
    await db.writeEach('test.spoil', spoil, [[jobs[1]?.id ?? '']])
  })
  afterAll(() => close())

  it('are cut by bytes for the relay, without one that cannot be read', async () => {
    const cut = await stores.jobs.listUnpublished({ rows: 10, bytes: 1 }, soleShare)
    expect([cut.rows.map(({ key }) => key), cut.hasMore]).toEqual([[jobs[0]?.id], true])
    const whole = await stores.jobs.listUnpublished({ rows: 10, bytes: 1e6 }, soleShare)
    expect([whole.rows.map(({ key }) => key), whole.hasMore]).toEqual([[0, 2, 3].map((n) => jobs[n]?.id), false])
    expect(whole.rows.every(({ size }) => size > 20_000)).toBe(true)
    expect(unreadable).toContainEqual(['jobs', jobs[1]?.rowId])
  })

  it('are cut by bytes when commands are sent again', async () => {
    const cut = await stores.executions.listDueCommands(monday, { rows: 10, bytes: 30_000 }, soleShare)
    expect([cut.rows.length, cut.next !== null]).toEqual([2, true])
    const whole = await stores.executions.listDueCommands(monday, { rows: 10, bytes: 1e6 }, soleShare)
    expect([whole.rows.length, whole.next]).toEqual([4, null])
  })

  it('are cut by bytes for the scheduler, and name what was left out and what cannot be read', async () => {
    const ids = jobs.map(({ id }) => id)
    const cut = await stores.jobs.fetch(ids, 30_000)
    expect([cut.data.map(({ jobId }) => jobId), cut.unreadable, cut.left]).toEqual([
      [ids[0], ids[2]],
      [ids[1]],
      [ids[3]],
    ])
    expect((await stores.jobs.fetch(cut.left, 1)).data).toHaveLength(1)
  })
})

describe('large bodies', () => {
  const world = useWorld({ jobBodiesBytes: 30_000, jobRememberedBytes: 1 })

  it('at the same time are refused with a time to retry after when they do not fit', async () => {
    const create = (params: object) => world.call<JobView>('POST', '/jobs', { jobType: 'DUMMY', params })
    const answers = await Promise.all([1, 2, 3, 4].map(() => create(large())))
    const statuses = answers.map(({ status }) => status)
    expect(statuses).toContain(201)
    expect(statuses).toContain(503)
    expect(answers.find(({ status }) => status === 503)?.headers['retry-after']).toBe('1')
    expect((await create(large())).status).toBe(201)
  })

  it('make jobs that can be triggered without a cache', async () => {
    const { body } = await world.call<JobView>('POST', '/jobs', { jobType: 'DUMMY', params: large(1000) })
    for (let n = 0; n < 3; n++) expect((await world.call('POST', `/jobs/${body.id}/trigger`)).status).toBe(202)
  })
})

describe('an execution that cannot be stored', () => {
  const world = useWorld({ jobReconcileRows: 2 }, { mayLose: true })

  it('stops no other, is reported, and is stored once that is possible', async () => {
    const { body } = await world.call<JobView>('POST', '/jobs', { jobType: 'DUMMY' })
    const job = (await world.stores.jobs.find('usr-a', body.id)) as StoredJob
    const said = [0, 1, 2, 3, 4].map((n) => statusMessage({ job, fireAt: monday + n, state: 'succeeded' }))
    for (const message of said) world.executor.record(message)
    const [, bad] = said
    world.executor.record({ ...bad!, attempts: 'none' as never })
    const ids = said.map(({ executionId }) => executionId)
    const known = async () => (await world.stores.executions.readSeqs(ids)).filter((seq) => seq !== undefined).length
    const check = async () => {
      const answer = await world.service.app.inject({ method: 'GET', url: '/readyz?verbose' })
      const { checks } = answer.json() as { checks: { name: string; ok: boolean }[] }
      return checks.find(({ name }) => name === 'reconcile executions')?.ok
    }
    await world.clock.advance(30_000)
    await until(async () => (await known()) === 4)
    await until(async () => (await check()) === false)
    expect(await world.metricsRegistry.render()).toContain('belfry_reconcile_skipped{service="job-service"} 1')
    world.executor.record(bad!)
    await world.clock.advance(30_000)
    await until(async () => (await known()) === 5)
    await until(check)
  })
})
