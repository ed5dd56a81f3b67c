import type { AuditEntry, AuditVerifyView, Page } from '@belfry/contracts'
import { createManualClock } from '@belfry/service'
import { openMemoryDatabase } from '@belfry/storage/sqlite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createSqliteStores } from '../../src/store/sqlite/index.ts'
import { migrations } from '../../src/store/sqlite/migrations.ts'
import { monday } from '../fixtures.ts'
import { openWorld, until, type World } from '../world.ts'

type Listed = Page<AuditEntry>
const manual = { jobType: 'DUMMY' }

describe('GET /audit', () => {
  let world: World
  let jobId: string
  const list = async (query = '', options: Parameters<World['call']>[3] = {}) =>
    (await world.call<Listed>('GET', `/audit${query}`, undefined, options)).body.data
  const shown = (rows: readonly AuditEntry[]) => rows.map(({ actor, action, status }) => [actor.id, action, status])
  const operator = { user: 'usr-o', roles: ['operator' as const] }

  beforeAll(async () => {
    world = await openWorld()
    const login = { at: monday - 1000, actorId: 'usr-a', actorName: 'Ann', via: 'none' as const, action: 'logIn' }
    await world.users.audit({ ...login, target: 'usr-a', requestId: 'req-0', address: null })
    const made = await world.call<{ id: string }>('POST', '/jobs', { ...manual, key: 'nightly' })
    jobId = made.body.id
    await world.clock.advance(1000)
    await world.call('POST', '/jobs/nightly/pause')
    await world.clock.advance(1000)
    await world.call('POST', `/jobs/${jobId}/resume`, undefined, operator)
    await world.call('POST', '/jobs', manual, { user: 'usr-b' })
    await world.call('PATCH', `/jobs/${jobId}`, { name: 'x' }, { headers: { 'if-match': '"1"' } })
    await world.clock.advance(1000)
    await until(async () =>
      (await list('', operator)).every(({ service, status }) => service !== 'job-service' || status),
    )
  })
  afterAll(() => world.close())

  it('shows a user the own requests of all services, newest first', async () => {
    const rows = await list()
    expect(shown(rows)).toEqual([
      ['usr-a', 'patchJob', 412],
      ['usr-a', 'pauseJob', 200],
      ['usr-a', 'createJob', 201],
      ['usr-a', 'logIn', null],
    ])
    expect(rows[1]).toMatchObject({
      target: jobId,
      also: ['nightly'],
      version: 2,
      outcome: 'done',
      service: 'job-service',
    })
    expect(rows[3]).toMatchObject({ service: 'auth-service', outcome: 'unknown' })
  })

  it('shows the owner of a job what others did to it, without their address', async () => {
    const rows = await list(`?target=${jobId}`)
    expect(rows.find(({ actor }) => actor.id === 'usr-o')).toMatchObject({
      action: 'resumeJob',
      address: null,
    })
    expect(rows.find(({ actor }) => actor.id === 'usr-a')?.address).not.toBeNull()
    expect(await list(`?target=${jobId}`, { user: 'usr-b' })).toEqual([])
  })

  it('shows operators all, and refuses users the rows of another user', async () => {
    expect(new Set((await list('', operator)).map(({ actor }) => actor.id))).toEqual(
      new Set(['usr-a', 'usr-b', 'usr-o']),
    )
    expect(shown(await list('?actor=usr-b', operator))).toEqual([['usr-b', 'createJob', 201]])
    const refused = await world.call('GET', '/audit?actor=usr-b')
    expect(refused).toMatchObject({ status: 403, body: { errors: [{ pointer: '?actor' }] } })
  })

  it('filters by operation and time', async () => {
    const from = new Date(monday + 500).toISOString()
    expect(shown(await list(`?action=pauseJob&from=${from}`))).toEqual([['usr-a', 'pauseJob', 200]])
    expect(await list(`?to=${from}`)).toHaveLength(2)
  })

  it('goes on over the pages of both logs without a gap', async () => {
    const whole = (await list('', operator)).map(({ service, number }) => `${service} ${number}`)
    const paged: string[] = []
    for (let query = '?limit=1'; ; ) {
      const { body } = await world.call<Listed>('GET', `/audit${query}`, undefined, operator)
      paged.push(...body.data.map(({ service, number }) => `${service} ${number}`))
      if (body.page.nextCursor === null) break
      query = `?limit=1&cursor=${body.page.nextCursor}`
    }
    expect(paged).toEqual(whole)
    expect((await world.call('GET', '/audit?cursor=zzz')).status).toBe(400)
  })
})

describe('GET /audit/verify', () => {
  it('is for admins, and names the first row that was changed in the file', async () => {
    const db = await openMemoryDatabase(migrations)
    const world = await openWorld(
      { auditSealRows: 2 },
      { open: async () => createSqliteStores(db, createManualClock(monday)) },
    )
    const admin = { roles: ['admin' as const] }
    const verify = (query = '') => world.call<AuditVerifyView>('GET', `/audit/verify${query}`, undefined, admin)
    expect((await world.call('GET', '/audit/verify')).status).toBe(403)
    for (let made = 0; made < 4; made++) await world.call('POST', '/jobs', manual)
    await until(async () => {
      await world.clock.advance(1000)
      return (await world.stores.audit.listSeals(0, 9)).length === 2
    })
    expect((await verify()).body).toMatchObject({
      status: 'intact',
      services: [
        { service: 'job-service', seals: 2, rows: 4, broken: null, to: { number: 2 } },
        { service: 'auth-service', seals: 0, from: null },
      ],
      next: null,
    })
    const tamper = db.statement("UPDATE audit SET actorName = 'eve' WHERE n = 3")
    await db.write('tamper', [{ statement: tamper, params: [] }])
    expect((await verify()).body).toMatchObject({
      status: 'broken',
      services: [{ broken: { seal: 2, reason: 'changed-rows' } }, { broken: null }],
      next: null,
    })
    await world.close()
  })
})
