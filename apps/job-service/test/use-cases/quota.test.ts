import type { JobView, Problem } from '@belfry/contracts'
import { createManualClock } from '@belfry/service'
import { openMemoryDatabase } from '@belfry/storage/sqlite'
import { describe, expect, it, onTestFinished } from 'vitest'
import { jobConfig } from '../../src/index.ts'
import { createSqliteStores } from '../../src/store/sqlite/index.ts'
import { migrations } from '../../src/store/sqlite/migrations.ts'
import { jobOf, monday } from '../fixtures.ts'
import { openWorld } from '../world.ts'

async function open(jobMostPerUser = 3) {
  const world = await openWorld({ jobMostPerUser })
  onTestFinished(world.close)
  const create = (user = 'usr-a') =>
    world.call<Pick<JobView, 'id'> & Pick<Problem, 'code' | 'detail'>>('POST', '/jobs', { jobType: 'DUMMY' }, { user })
  return { ...world, create }
}

describe('GET /quotas', () => {
  it('says what the caller has used of its bounds', async () => {
    const world = await openWorld({ jobMostPerUser: 3, jobWaitersOfUser: 7 })
    const read = async (user: string) =>
      (await world.call('GET', '/quotas', undefined, { user, roles: ['viewer'] })).body
    await world.call('POST', '/jobs', { jobType: 'DUMMY' })
    const { body } = await world.call('POST', '/jobs', { jobType: 'DUMMY' })
    const bounds = {
      shortestInterval: '1s',
      redrive: { limit: 1000 },
      backfill: { limit: 1000 },
      waitingCalls: { limit: 7 },
      mails: { used: 0, limit: 60 },
    }
    expect(await read('usr-a')).toEqual({ jobs: { used: 2, limit: 3 }, running: { used: 0 }, ...bounds })
    await world.call('POST', `/jobs/${body.id}/cancel`)
    expect(await read('usr-a')).toMatchObject({ jobs: { used: 1 } })
    expect(await read('usr-b')).toMatchObject({ jobs: { used: 0 } })
    await world.close()
  })
})

describe('the jobs of one user', () => {
  it('are bounded, also among requests at the same time, and never at the cost of another user', async () => {
    const { create } = await open()
    const statuses = (await Promise.all(Array.from({ length: 8 }, () => create()))).map((one) => one.status)
    expect(statuses.sort()).toEqual([201, 201, 201, 429, 429, 429, 429, 429])
    const refused = await create()
    expect(refused.body).toMatchObject({ code: 'quota-exceeded', detail: expect.stringContaining('may have 3 jobs') })
    expect(refused.headers['retry-after']).toBe('60')
    expect((await create('usr-b')).status).toBe(201)
  })

  it('do not count once they are cancelled, however often', async () => {
    const { create, call } = await open(1)
    for (let n = 0; n < 3; n++) {
      const { status, body } = await create()
      expect(status).toBe(201)
      expect((await create()).status).toBe(429)
      for (let again = 0; again < 2; again++) await call('POST', `/jobs/${body.id}/cancel`)
    }
  })

  it('under a key that is taken are a conflict and not refused by the quota', async () => {
    const { call } = await open(1)
    const put = (key: string, priority = 5) => call<Problem>('PUT', `/jobs/${key}`, { jobType: 'DUMMY', priority })
    expect((await put('a')).status).toBe(201)
    expect((await put('a')).status).toBe(200)
    expect((await put('a', 1)).status).toBe(200)
    expect((await call('POST', '/jobs', { jobType: 'DUMMY', key: 'a' })).status).toBe(409)
    expect((await put('b')).body.code).toBe('quota-exceeded')
  })

  it('that are found by an Idempotency-Key do not count again', async () => {
    const { call } = await open(1)
    const headers = { 'idempotency-key': 'k' }
    const create = () => call('POST', '/jobs', { jobType: 'DUMMY' }, { headers })
    expect([(await create()).status, (await create()).status]).toEqual([201, 201])
  })

  it('do not count once their rows are gone', async () => {
    const db = await openMemoryDatabase(migrations)
    onTestFinished(() => db.close())
    const { jobs } = createSqliteStores(db, createManualClock(monday))
    const create = (n: number) => jobs.create(jobOf({ n, ownerId: 'usr-a' }), 1)
    expect(await create(1)).toMatchObject({ isNew: true })
    expect(await create(2)).toBe('too-many')
    expect(await create(1)).toMatchObject({ isNew: false })
    await db.write('test.remove', [{ statement: db.statement('DELETE FROM jobs'), params: [] }])
    expect(await create(2)).toMatchObject({ isNew: true })
    expect(await create(3)).toBe('too-many')
  })

  it('may be 100,000', () => {
    expect(jobConfig.parse({}).jobMostPerUser).toBe(100_000)
  })
})

describe('the shortest interval', () => {
  it.each([
    [{ every: '100ms' }, '/schedule/every'],
    [{ every: 'PT0.5S' }, '/schedule/every'],
    ['@every 500ms', '/schedule'],
    ['@every 999ms', '/schedule'],
    [{ cron: '@every 1ms' }, '/schedule/cron'],
  ])('is 1 s: %j is refused with the limit', async (schedule, pointer) => {
    const { call } = await open()
    const { status, body } = await call<Problem>('POST', '/jobs', { jobType: 'DUMMY', schedule })
    expect(status).toBe(400)
    const issue = body.errors?.[0]
    expect([issue?.pointer, issue?.detail]).toEqual([pointer, expect.stringMatching(/between 1s and 366d/)])
  })

  it.each([{ every: '1s' }, '@every 1s', '* * * * * *'])('is 1 s: %j is taken', async (schedule) => {
    const { call } = await open()
    expect((await call('POST', '/jobs', { jobType: 'DUMMY', schedule })).status).toBe(201)
  })
})
