import { setImmediate as nextTurn } from 'node:timers/promises'
import { createMemoryBus, ignorePoison } from '@belfry/bus'
import {
  changesQuery,
  fetchBody,
  type JobChangesMessage,
  type JobExecuteMessage,
  type JobStatusMessage,
  jobsReply,
  jobVersionsPage,
  type Role,
  refusal,
} from '@belfry/contracts'
import { createStaticRegistry } from '@belfry/discovery'
import { createHttpApp, type ServiceTokens } from '@belfry/http'
import { type Clock, createManualClock, type ServiceDeps } from '@belfry/service'
import { soleShare } from '@belfry/storage'
import { openMemoryDatabase } from '@belfry/storage/sqlite'
import {
  createLossyBus,
  createTestCalls,
  createTestDeps,
  createTestServiceTokens,
  createTestTokens,
} from '@belfry/testkit'
import { z } from 'zod'
import { createSchedulerService, type Stores, schedulerConfig } from '../src/index.ts'
import { createSqliteStores, migrations } from '../src/store/sqlite/index.ts'
import { noon, statusOf } from './fixtures.ts'
import { createDocumentStores } from './store/document-stores.ts'
import { mongoUrl, openMongoTestStores } from './store/mongo.ts'

/** job-service as reconcile calls it: the newest state of each job, and when it changed. */
function createJobs(deps: ServiceDeps, serviceTokens: ServiceTokens) {
  const app = createHttpApp({ service: 'job-service', deps, tokens: null, serviceTokens })
  const newest = new Map<string, { message: JobChangesMessage; changeNo: number }>()
  let head = 0
  const asks: string[] = []
  /** The version that the list names, whatever the record says. */
  const versionOf = ({ changes }: JobChangesMessage) => changes.at(-1)?.version ?? 0
  const changes = { querystring: changesQuery, response: { 200: jobVersionsPage } }
  app.get('/internal/jobs/changes', { schema: changes, config: { access: 'service' } }, async ({ query, url }) => {
    asks.push(url)
    const data = [...newest.values()]
      .map(({ message, changeNo }) => ({ id: message.jobId, version: versionOf(message), changeNo }))
      .filter(({ changeNo }) => changeNo > query.after)
      .sort((a, b) => a.changeNo - b.changeNo)
      .slice(0, query.limit)
    return { data, head, hasMore: data.length === query.limit }
  })
  const fetch = { body: fetchBody, response: { 200: jobsReply } }
  app.post('/internal/jobs/fetch', { schema: fetch, config: { access: 'service' } }, async ({ body }) => {
    asks.push(`fetch ${body.ids.length}`)
    return { data: body.ids.flatMap((id) => newest.get(id)?.message ?? []), left: [], unreadable: [] }
  })
  /** Ids of jobs by id and key, and the token of each call. */
  const owned = new Map<string, string>()
  const tokens: unknown[] = []
  const status = { schema: { params: z.object({ id: z.string() }) }, config: { access: 'public' } } as const
  app.get('/jobs/:id/status', status, async (request, reply) => {
    tokens.push(request.headers.authorization)
    const id = owned.get(request.params.id)
    return id ? { jobId: id, name: 'a job' } : reply.refuse(refusal('not-found', 'there is no such job'))
  })
  return {
    app,
    asks,
    owned,
    tokens,
    put(message: JobChangesMessage) {
      head += 1
      newest.set(message.jobId, { message, changeNo: head })
    },
  }
}

/** The databases on which the flow tests run. */
type DatabaseName = 'SQLite' | 'documents in Maps' | 'MongoDB'
export const databaseNames: readonly DatabaseName[] = [
  'SQLite',
  'documents in Maps',
  ...(mongoUrl ? (['MongoDB'] as const) : []),
]

/** Stores, and a way to make the record of a job unreadable, which no Belfry does. */
interface Database {
  readonly stores: Stores
  spoil(jobId: string): Promise<void>
  /** Of a database that answers in its own time: waits for the calls that are under way, and answers whether there were any. */
  readonly settle?: () => Promise<boolean>
}

async function openDatabase(name: DatabaseName, clock: Clock): Promise<Database> {
  if (name === 'documents in Maps') return createDocumentStores()
  if (name === 'MongoDB') return openMongoTestStores(clock)
  const db = await openMemoryDatabase(migrations)
  const spoil = db.statement(`UPDATE schedules SET body = '{' WHERE id = ?`)
  return {
    stores: createSqliteStores(db, clock),
    spoil: async (jobId) => void (await db.writeEach('test.spoil', spoil, [[jobId]])),
  }
}

export interface WorldOptions {
  /** The bus says that it may lose messages. */
  readonly mayLose?: boolean
  /** Default SQLite. */
  readonly database?: DatabaseName
  /** What the scheduler gets instead of the stores that the test reads. */
  readonly wrap?: (stores: Stores) => Stores
}

/** One scheduler between a bus, a job-service that only answers reconcile, and executors whose part the test plays. */
export async function openWorld(
  settings: Partial<Record<keyof typeof schedulerConfig.shape, number>> = {},
  { mayLose = false, database = 'SQLite', wrap = (stores) => stores }: WorldOptions = {},
) {
  const { clock, metricsRegistry, logged, depsOf } = createTestDeps({ clock: createManualClock(noon), seed: 7 })
  const { ids, metrics } = depsOf('scheduler-service')
  const memory = createMemoryBus({ clock, ids, sender: 'test', freeze: true })
  const bus = mayLose ? createLossyBus(memory) : memory
  const registry = createStaticRegistry()
  const serviceTokens = createTestServiceTokens(clock)
  const tokens = createTestTokens(clock)
  const { balancer, rest } = createTestCalls({ caller: 'scheduler-service', registry, metrics, serviceTokens })
  const { stores, spoil, settle } = await openDatabase(database, clock)
  const jobs = createJobs(depsOf('job-service'), serviceTokens)
  const executors = { commands: [] as (JobExecuteMessage & { sentAt: number })[], takesCommands: true, answers: true }

  const show = async (...statuses: JobStatusMessage[]) => {
    await bus.publish(
      'job-status',
      statuses.map((value) => ({ key: value.jobId, value })),
    )
  }
  await bus.subscribe('job-execute', 'executor-service', {
    onBatch: async (messages) => {
      if (!executors.takesCommands) throw new Error('the disk of the executors is full')
      const sentAt = clock.now()
      executors.commands.push(...messages.map(({ value }) => ({ ...value, sentAt })))
      // Not awaited: as with a relay, the answer is a publish of its own. One that fails comes with the next repetition.
      const shown = messages.map(({ value }) =>
        statusOf(value.fireAt, { ...value, retryOf: value.retryOf ?? null }, value.jobId),
      )
      if (executors.answers) show(...shown).catch(() => undefined)
    },
    onPoison: ignorePoison,
  })

  const create = (changed: object = {}) => {
    const config = schedulerConfig.parse({ ...settings, ...changed })
    const deps = { ...depsOf('scheduler-service'), stores: wrap(stores), bus, registry, rest, serviceTokens, config }
    return createSchedulerService({ ...deps, tokens: tokens.verifier })
  }
  const world = {
    clock,
    get lines() {
      return logged()
    },
    metricsRegistry,
    stores,
    jobs,
    executors,
    show,
    service: create(),
    spoil,
    /** job-service publishes changes of jobs. */
    async publishChanges(...messages: JobChangesMessage[]) {
      await bus.publish(
        'job-changes',
        messages.map((value) => ({ key: value.jobId, value })),
      )
    },
    /** Waits until it is so while the clock stands still, for at most five seconds. */
    async until(check: () => boolean | Promise<boolean>) {
      const deadline = performance.now() + 5000
      while (!(await check())) {
        if (performance.now() > deadline) throw new Error(`did not happen within 5 s: ${check}`)
        await clock.advance(0)
      }
    },
    /** Lets work go on that needs no time of the clock. A read of SQLite follows all that was sent to it before. */
    async idle() {
      for (let quiet = 0; settle && quiet < 4; quiet = (await settle()) ? 0 : quiet + 1) {
        await clock.advance(0)
        await nextTurn()
      }
      for (let reads = 0; !settle && reads < 12; reads++) {
        await stores.schedules.nextDueAt(soleShare)
        await clock.advance(0)
      }
    },
    /** Advances the clock in steps, so that what is due is done at its own time. */
    async pass(ms: number, stepMs = 50) {
      for (let left = ms; left > 0; left -= stepMs) {
        await clock.advance(Math.min(left, stepMs))
        await world.idle()
      }
    },
    async scan(...roles: Role[]) {
      const headers = { authorization: tokens.bearer('usr-1', ...roles) }
      return world.service.app.inject({ method: 'POST', url: '/scheduler/scan', headers })
    },
    async get(url: string, ...roles: Role[]) {
      const headers = roles.length > 0 ? { authorization: tokens.bearer('usr-1', ...roles) } : {}
      return world.service.app.inject({ method: 'GET', url, headers })
    },
    async preview(body: object, ...roles: Role[]) {
      const headers = roles.length > 0 ? { authorization: tokens.bearer('usr-1', ...roles) } : {}
      return world.service.app.inject({ method: 'POST', url: '/schedules/preview', headers, payload: body })
    },
    /** A call of another service. */
    async post(url: string, payload: object) {
      const headers = { authorization: `Bearer ${serviceTokens.sign('job-service')}` }
      return world.service.app.inject({ method: 'POST', url, payload, headers })
    },
    async joinJobs() {
      const address = new URL(await jobs.app.listen({ host: '127.0.0.1', port: 0 }))
      const instance = { service: 'job-service', id: 'job-1', host: '127.0.0.1', port: Number(address.port) } as const
      await registry.register(instance)
    },
    /** The process dies and another one begins on the same store, with other settings if need be. */
    async restart(changed?: object) {
      await world.service.stop()
      world.service = create(changed)
      await world.service.start()
      await world.idle()
    },
    async close() {
      await world.service.stop()
      await jobs.app.close()
      balancer.close()
      await bus.close()
      await stores.close()
    },
  }
  await world.service.start()
  await world.idle()
  return world
}
export type World = Awaited<ReturnType<typeof openWorld>>
