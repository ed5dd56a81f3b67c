import { generateKeyPairSync, sign } from 'node:crypto'
import { type Bus, createMemoryBus, ignorePoison } from '@belfry/bus'
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
import { createBalancer, createRestClient, createStaticRegistry } from '@belfry/discovery'
import { createHttpApp, createServiceTokens, createTokenVerifier } from '@belfry/http'
import {
  type Clock,
  createHealth,
  createLog,
  createManualClock,
  createMetrics,
  createSeededIds,
  type ServiceDeps,
} from '@belfry/service'
import { type Database, openMemoryDatabase } from '@belfry/storage/sqlite'
import { z } from 'zod'
import { createSchedulerService, migrations, schedulerConfig } from '../src/index.ts'
import { createSqliteStores } from '../src/store/sqlite/index.ts'
import { noon, statusOf } from './fixtures.ts'

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** Signs access tokens as auth-service does. */
function createTokens(clock: Clock) {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const { x = '' } = publicKey.export({ format: 'jwk' })
  const key = { kty: 'OKP', crv: 'Ed25519', x, kid: 'k1', alg: 'EdDSA', use: 'sig' } as const
  const verifier = createTokenVerifier({ clock, jwks: async () => [key] })
  const bearer = (...roles: Role[]) => {
    const iat = Math.floor(clock.now() / 1000)
    const about = { sub: 'usr-1', name: 'usr-1', roles, iss: 'belfry', aud: 'belfry', iat, exp: iat + 86_400 }
    const text = `${encode({ alg: 'EdDSA', typ: 'JWT', kid: 'k1' })}.${encode(about)}`
    return `Bearer ${text}.${sign(null, Buffer.from(text), privateKey).toString('base64url')}`
  }
  return { verifier, bearer }
}

/** job-service as reconcile meets it: the newest state of each job, and when it changed. */
function createJobs(deps: ServiceDeps, serviceTokens: ReturnType<typeof createServiceTokens>) {
  const app = createHttpApp({ service: 'job-service', deps, tokens: null, serviceTokens })
  const kept = new Map<string, { message: JobChangesMessage; n: number }>()
  const asks: string[] = []
  /** The version that the list names, whatever the record says. */
  const versionOf = ({ changes }: JobChangesMessage) => changes.at(-1)?.version ?? 0
  const changedAt = ({ changes }: JobChangesMessage) => changes.at(-1)?.changedAt ?? 0
  const changes = { querystring: changesQuery, response: { 200: jobVersionsPage } }
  app.get('/internal/jobs/changes', { schema: changes, config: { access: 'service' } }, async ({ query, url }) => {
    asks.push(url)
    const [since = 0, after = 0] = query.cursor?.split('.').map(Number) ?? [query.since]
    const rows = [...kept.values()]
      .map(({ message, n }) => ({ id: message.jobId, version: versionOf(message), changedAt: changedAt(message), n }))
      .filter((row) => row.changedAt > since || (row.changedAt === since && row.n > after))
      .sort((a, b) => a.changedAt - b.changedAt || a.n - b.n)
      .slice(0, query.limit)
    const last = rows.length === query.limit ? rows.at(-1) : undefined
    const data = rows.map(({ id, version, changedAt }) => ({ id, version, changedAt }))
    return { data, next: last ? `${last.changedAt}.${last.n}` : null }
  })
  const fetch = { body: fetchBody, response: { 200: jobsReply } }
  app.post('/internal/jobs/fetch', { schema: fetch, config: { access: 'service' } }, async ({ body }) => {
    asks.push(`fetch ${body.ids.length}`)
    return { data: body.ids.flatMap((id) => kept.get(id)?.message ?? []), left: [], unreadable: [] }
  })
  /** Jobs by what their owner calls them, and the token that came with each question. */
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
    keep(message: JobChangesMessage) {
      kept.set(message.jobId, { message, n: kept.get(message.jobId)?.n ?? kept.size + 1 })
    },
  }
}

/** Says of itself that it may lose messages, as a broker may; that it does not is of no interest here. */
function lossy(bus: Bus): Bus {
  return { ...bus, capabilities: { ...bus.capabilities, storesBeforePublishResolves: false } }
}

/** One scheduler between a bus, a job-service that only answers reconcile, and executors that a test speaks for. */
export async function openWorld(
  settings: Partial<Record<keyof typeof schedulerConfig.shape, number>> = {},
  { mayLose = false } = {},
) {
  const clock = createManualClock(noon)
  const lines: Record<string, unknown>[] = []
  const log = createLog({ level: 'warn', destination: { write: (line: string) => void lines.push(JSON.parse(line)) } })
  const metricsRegistry = createMetrics()
  const ids = createSeededIds(7)
  const depsOf = (name: string): ServiceDeps => {
    const health = createHealth({ clock, log })
    return { clock, log, ids, health, metrics: metricsRegistry.forService(name) }
  }
  const memory = createMemoryBus({ clock, ids, sender: 'test', freeze: true })
  const bus = mayLose ? lossy(memory) : memory
  const registry = createStaticRegistry()
  const serviceTokens = createServiceTokens({ key: 'k'.repeat(32), clock })
  const tokens = createTokens(clock)
  const breaker = { timeoutMs: 3000, errorPercent: 50, resetMs: 10_000 }
  const metrics = metricsRegistry.forService('scheduler-service')
  const balancer = createBalancer({ registry, clock, metrics, breaker, caller: 'scheduler-service' })
  const rest = createRestClient({ balancer, clock, signToken: () => serviceTokens.sign('scheduler-service') })
  const db: Database = await openMemoryDatabase(migrations)
  const stores = createSqliteStores(db, clock)
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
      // Not awaited: as with a relay, the answer comes apart from the taking.
      if (executors.answers) void show(...messages.map(({ value }) => statusOf(value.fireAt, value, value.jobId)))
    },
    onPoison: ignorePoison,
  })

  const create = (changed: object = {}) => {
    const config = schedulerConfig.parse({ ...settings, ...changed })
    const deps = { ...depsOf('scheduler-service'), db, bus, registry, rest, serviceTokens, config }
    return createSchedulerService({ ...deps, tokens: tokens.verifier })
  }
  const world = {
    clock,
    lines,
    metricsRegistry,
    stores,
    jobs,
    executors,
    show,
    service: create(),
    /** Makes the record of a job unreadable, as no Belfry would. */
    async spoil(jobId: string) {
      const spoil = db.statement(`UPDATE schedules SET body = '{' WHERE id = ?`)
      await db.writeEach('test.spoil', spoil, [[jobId]])
    },
    /** job-service says what has become of jobs. */
    async tell(...messages: JobChangesMessage[]) {
      await bus.publish(
        'job-changes',
        messages.map((value) => ({ key: value.jobId, value })),
      )
    },
    /** Waits for the thing itself while the clock stands still, for at most five seconds. */
    async until(check: () => boolean | Promise<boolean>) {
      const deadline = performance.now() + 5000
      while (!(await check())) {
        if (performance.now() > deadline) throw new Error(`did not happen within 5 s: ${check}`)
        await clock.advance(0)
      }
    },
    /** Reads follow all that was sent to the store before: after some, every turn has gone as far as it can. */
    async settle() {
      for (let reads = 0; reads < 12; reads++) {
        await stores.schedules.nextDueAt()
        await clock.advance(0)
      }
    },
    /** Turns the clock on in steps, so that what is due is done at its own time. */
    async pass(ms: number, stepMs = 50) {
      for (let left = ms; left > 0; left -= stepMs) {
        await clock.advance(Math.min(left, stepMs))
        await world.settle()
      }
    },
    async scan(...roles: Role[]) {
      const headers = { authorization: tokens.bearer(...roles) }
      return world.service.app.inject({ method: 'POST', url: '/scheduler/scan', headers })
    },
    async get(url: string, ...roles: Role[]) {
      const headers = roles.length > 0 ? { authorization: tokens.bearer(...roles) } : {}
      return world.service.app.inject({ method: 'GET', url, headers })
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
      await world.settle()
    },
    async close() {
      await world.service.stop()
      await jobs.app.close()
      balancer.close()
      await bus.close()
      await db.close()
    },
  }
  await world.service.start()
  await world.settle()
  return world
}
export type World = Awaited<ReturnType<typeof openWorld>>
