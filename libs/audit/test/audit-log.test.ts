import { createHttpApp, type HttpApp } from '@belfry/http'
import { createManualClock, type ManualClock } from '@belfry/service'
import { type Database, openMemoryDatabase } from '@belfry/storage/sqlite'
import { createTestDeps, createTestServiceTokens, createTestTokens } from '@belfry/testkit'
import { afterEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import {
  type AuditConfig,
  type AuditLog,
  type AuditStore,
  auditConfig,
  createAuditLog,
  mountAudit,
  noteAudit,
} from '../src/index.ts'
import { auditTables, createAuditStore } from '../src/sqlite.ts'
import { createDocumentStore } from './documents.ts'
import { monday } from './rows.ts'

interface World {
  readonly app: HttpApp
  readonly db: Database
  readonly store: AuditStore
  readonly audit: AuditLog
  readonly clock: ManualClock
  call(method: string, url: string, roles?: readonly ('viewer' | 'user' | 'admin')[], body?: object): Promise<number>
}

const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

function addRoutes(app: HttpApp): void {
  const params = z.object({ id: z.string() })
  const user = { access: 'user' } as const
  const pause = { operationId: 'pauseJob', params, body: z.strictObject({ until: z.string() }).nullish() }
  app.post('/jobs/:id/pause', { schema: pause, config: user }, async (request, reply) => {
    const { id } = request.params
    if (id === 'gone') return reply.code(404).send({ code: 'not-found' })
    return reply.header('etag', 'W/"7.3f2a"').send({ id: 'job-1', key: id, version: 7 })
  })
  app.post('/jobs', { schema: {}, config: user }, async (_request, reply) =>
    reply
      .code(201)
      .header('location', '/jobs/job-9')
      .send(JSON.stringify({ id: 'job-9' })),
  )
  app.post('/runs', { schema: {}, config: user }, async () => ({ id: 'job-8', params: { jobId: 'job-other' } }))
  app.post('/login', { schema: {}, config: { access: 'public' } }, async (request) => {
    noteAudit(request, { actor: { id: 'usr-z', name: 'zoe' } })
    return { token: 'secret' }
  })
  app.post('/preview', { schema: {}, config: { access: 'user', audit: false } }, async () => ({}))
  app.get('/jobs', { schema: {}, config: user }, async () => ({}))
  app.put('/internal/jobs', { schema: {}, config: { access: 'service' } }, async () => ({}))
}

async function openWorld(
  settings: Partial<Record<keyof AuditConfig, number>> = {},
  other?: AuditStore,
): Promise<World> {
  const { clock, depsOf } = createTestDeps({ clock: createManualClock(monday) })
  const deps = depsOf('job-service')
  const db = await openMemoryDatabase([{ name: 'audit log', sql: auditTables }])
  const store = other ?? createAuditStore(db)
  const audit = createAuditLog({
    deps,
    store,
    config: z.object(auditConfig).parse(settings),
    retentionClock: { turn: async () => clock.now() },
    takesTurn: () => true,
  })
  const tokens = createTestTokens(clock)
  const serviceTokens = createTestServiceTokens(clock)
  const app = createHttpApp({ service: 'job-service', deps, tokens: tokens.verifier, serviceTokens })
  audit.record(app)
  addRoutes(app)
  mountAudit(app, audit)
  closing.push(async () => {
    await audit.part.stop?.()
    await db.close()
  })
  return {
    ...{ app, db, store, audit, clock },
    async call(method, url, roles = ['user'], body) {
      const headers = {
        'x-forwarded-for': '10.0.0.7',
        ...(roles.length > 0 && { authorization: tokens.bearer('usr-a', ...roles) }),
      }
      const answer = await app.inject({ method: method as 'GET', url, headers, ...(body && { payload: body }) })
      return answer.statusCode
    },
  }
}

const all = { before: null, limit: 100 }
const listed = async ({ audit }: World) => (await audit.list(all)).rows

/** Lets the outcomes into the store. */
async function settle({ clock, store }: World): Promise<void> {
  await clock.advance(100)
  await store.head()
}

describe('a recorded request', () => {
  it('has its row before its answer, and its outcome soon after', async () => {
    const world = await openWorld()
    expect(await world.call('POST', '/jobs/nightly/pause')).toBe(200)
    const [row] = await world.store.list({}, null, 1)
    expect(row).toMatchObject({ actorId: 'usr-a', action: 'pauseJob', target: 'nightly', status: null })
    await settle(world)
    expect((await world.store.list({}, null, 1))[0]?.status).toBe(200)
    expect(await listed(world)).toEqual([
      {
        ...{ n: 1, at: monday, actorId: 'usr-a', actorName: 'usr-a', via: 'token', action: 'pauseJob' },
        ...{ target: 'job-1', also: ['nightly'], version: 7, status: 200, address: '10.0.0.7' },
        requestId: row?.requestId,
      },
    ])
  })

  it('names what it has made', async () => {
    const world = await openWorld()
    await world.call('POST', '/jobs')
    await settle(world)
    expect(await listed(world)).toMatchObject([{ action: 'POST /jobs', target: 'job-9', status: 201 }])
  })

  it('names no id that its caller has chosen', async () => {
    const world = await openWorld()
    await world.call('POST', '/runs')
    await settle(world)
    expect(await listed(world)).toMatchObject([{ action: 'POST /runs', target: 'job-8', also: [] }])
  })

  it('is there also when it was refused by a role, or by what it asked for', async () => {
    const world = await openWorld()
    expect(await world.call('POST', '/jobs/x/pause', ['viewer'])).toBe(403)
    expect(await world.call('POST', '/jobs/gone/pause')).toBe(404)
    await settle(world)
    expect(await listed(world)).toMatchObject([
      { status: 404, target: 'gone', actorId: 'usr-a' },
      { status: 403, target: 'x', actorId: 'usr-a' },
    ])
  })

  it('is not there for reads, for what changes nothing, for services, without a token, and for malformed bodies', async () => {
    const world = await openWorld()
    expect(await world.call('GET', '/jobs')).toBe(200)
    expect(await world.call('POST', '/preview')).toBe(200)
    expect(await world.call('PUT', '/internal/jobs')).toBe(401)
    expect(await world.call('POST', '/jobs/x/pause', [])).toBe(401)
    expect(await world.call('POST', '/jobs/x/pause', ['user'], { unknown: 1 })).toBe(400)
    await settle(world)
    expect(await listed(world)).toEqual([])
  })

  it('of a login names the user that the route has found, and never what the answer says', async () => {
    const world = await openWorld()
    await world.call('POST', '/login', [])
    await settle(world)
    const [row] = await listed(world)
    expect(row).toMatchObject({ actorId: 'usr-z', actorName: 'zoe', via: 'none', action: 'POST /login' })
    expect(JSON.stringify(row)).not.toContain('secret')
  })

  it('is answered also while rows cannot be stored, and that is counted', async () => {
    const failing: AuditStore = {
      ...createDocumentStore(),
      append: () => Promise.reject(new Error('the disk is full')),
    }
    const world = await openWorld({}, failing)
    expect(await world.call('POST', '/jobs/x/pause')).toBe(200)
  })
})

describe('the list', () => {
  it('goes on after a page, and filters by action and time', async () => {
    const world = await openWorld()
    for (let second = 0; second < 5; second++) {
      await world.call('POST', second % 2 === 0 ? '/jobs' : '/jobs/x/pause')
      await world.clock.advance(1000)
    }
    const first = await world.audit.list({ ...all, limit: 2 })
    expect(first.rows.map(({ n }) => n)).toEqual([5, 4])
    expect((await world.audit.list({ before: first.next, limit: 3 })).rows.map(({ n }) => n)).toEqual([3, 2, 1])
    const pauses = await world.audit.list({ ...all, action: 'pauseJob', from: monday + 2000 })
    expect(pauses.rows.map(({ n }) => n)).toEqual([4])
  })
})

describe('the seals', () => {
  const sealed = async (count = 4, settings: Partial<Record<keyof AuditConfig, number>> = {}) => {
    const world = await openWorld({ auditSealRows: 2, ...settings })
    for (let one = 0; one < count; one++) await world.call('POST', '/jobs/x/pause')
    await settle(world)
    while (await world.audit.seal());
    return world
  }
  const run = (world: World, sql: string) =>
    world.db.write('tamper', [{ statement: world.db.statement(sql), params: [] }])

  it('cover all rows in batches, and hold', async () => {
    const world = await sealed()
    expect(await world.audit.verify(0)).toMatchObject({
      seals: 2,
      rows: 4,
      broken: null,
      next: null,
      to: { no: 2, last: 4 },
    })
  })

  it('cover fewer rows when these have waited long enough', async () => {
    const world = await sealed(1)
    expect(await world.store.newestSeal()).toBeNull()
    await world.clock.advance(60_000)
    await world.audit.seal()
    expect(await world.store.newestSeal()).toMatchObject({ no: 1, count: 1 })
  })

  it.each([
    ['a row is changed', `UPDATE audit SET actor = 'usr-b' WHERE n = 3`, 'changed-rows'],
    ['an outcome is changed', 'UPDATE audit SET status = 403 WHERE n = 3', 'changed-rows'],
    ['a row is removed', 'DELETE FROM audit WHERE n = 3', 'missing-rows'],
    ['a seal is removed', 'DELETE FROM auditSeals WHERE no = 2', 'missing-seal'],
    ['a seal is made anew', `UPDATE auditSeals SET hash = '${'a'.repeat(64)}' WHERE no = 2`, 'changed-rows'],
  ])('break when %s', async (_, change, reason) => {
    const world = await sealed(6)
    await run(world, change)
    expect((await world.audit.verify(0)).broken).toMatchObject({ reason })
  })

  it('are checked in steps, and a later step finds what broke', async () => {
    const world = await sealed(6, { auditVerifySeals: 1 })
    const first = await world.audit.verify(0)
    expect(first).toMatchObject({ seals: 1, broken: null, next: 1 })
    const second = await world.audit.verify(1)
    expect(second).toMatchObject({ seals: 1, broken: null, next: 2, from: { no: 2 } })
    expect(await world.audit.verify(2)).toMatchObject({ seals: 1, broken: null, next: null })
    await run(world, `UPDATE audit SET target = 'job-2' WHERE n = 6`)
    expect(await world.audit.verify(2)).toMatchObject({ broken: { seal: { no: 3 }, reason: 'changed-rows' } })
  })

  it.each([
    ['the seal that the step goes on after', 'no = 2'],
    ['that seal and all later ones', 'no >= 2'],
    ['all seals', 'no > 0'],
  ])('break when %s were removed between two steps', async (_, where) => {
    const world = await sealed(8, { auditVerifySeals: 2 })
    expect(await world.audit.verify(0)).toMatchObject({ broken: null, next: 2 })
    await run(world, `DELETE FROM auditSeals WHERE ${where}`)
    expect(await world.audit.verify(2)).toMatchObject({ broken: { reason: 'missing-seal' }, next: null })
  })

  it('are no broken chain when retention has removed those of an earlier step', async () => {
    const world = await sealed(8, { auditVerifySeals: 2 })
    const [, second] = await world.store.listSeals(0, 2)
    await world.store.removeThrough(second!)
    expect(await world.audit.verify(2)).toMatchObject({ seals: 2, broken: null, next: null, from: { no: 3 } })
  })

  it('stay a chain when retention has removed the oldest ones; the newest is never removed', async () => {
    const world = await sealed(6)
    await world.clock.advance(366 * 86_400_000 + 60_000)
    expect(await world.audit.removeOld()).toBe(false)
    const left = await world.store.listSeals(0, 10)
    expect(left).toMatchObject([{ no: 3 }])
    expect((await world.store.readContent(0, 4)).count).toBe(0)
    expect(await world.audit.verify(0)).toMatchObject({ seals: 1, rows: 2, broken: null, from: { no: 3 } })
  })

  it('wait for numbers that may be stored late', async () => {
    const store = createDocumentStore()
    const world = await openWorld({ auditSealRows: 2 }, store)
    for (let one = 0; one < 4; one++) await world.call('POST', '/jobs/x/pause')
    await world.clock.advance(200)
    await world.audit.seal()
    expect(await store.newestSeal()).toBeNull()
    await world.clock.advance(store.settleMs)
    await world.audit.seal()
    expect(await store.newestSeal()).toMatchObject({ no: 1, count: 2 })
  })
})
