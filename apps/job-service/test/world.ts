import { generateKeyPairSync, sign } from 'node:crypto'
import { type Bus, createMemoryBus, ignorePoison } from '@belfry/bus'
import type { JobChangesMessage, Page, Problem, Role } from '@belfry/contracts'
import { createBalancer, createRestClient, createStaticRegistry } from '@belfry/discovery'
import { createServiceTokens, createTokenVerifier } from '@belfry/http'
import {
  createHealth,
  createLog,
  createManualClock,
  createMetrics,
  createSeededIds,
  type ServiceDeps,
} from '@belfry/service'
import { openMemoryDatabase } from '@belfry/storage/sqlite'
import type { InjectOptions } from 'fastify'
import { afterAll, beforeAll } from 'vitest'
import { createJobService, jobConfig, migrations } from '../src/index.ts'
import { createSqliteStores } from '../src/store/sqlite/index.ts'
import { openExecutor } from './executor.ts'
import { monday } from './fixtures.ts'

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** Signs access tokens as auth-service does. */
function createTokens(clock: ServiceDeps['clock']) {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const { x = '' } = publicKey.export({ format: 'jwk' })
  const verifier = createTokenVerifier({
    clock,
    jwks: async () => [{ kty: 'OKP', crv: 'Ed25519', x, kid: 'k1', alg: 'EdDSA', use: 'sig' }],
  })
  const bearer = (userId: string, ...roles: Role[]) => {
    const iat = Math.floor(clock.now() / 1000)
    const about = { sub: userId, name: userId, roles, iss: 'belfry', aud: 'belfry', iat, exp: iat + 86_400 }
    const text = `${encode({ alg: 'EdDSA', typ: 'JWT', kid: 'k1' })}.${encode(about)}`
    return `Bearer ${text}.${sign(null, Buffer.from(text), privateKey).toString('base64url')}`
  }
  return { verifier, bearer }
}

/** Says of itself that it may lose messages, as a broker may. */
function lossy(bus: Bus): Bus {
  return { ...bus, capabilities: { ...bus.capabilities, storesBeforePublishResolves: false } }
}

/** An answer whose body a test looks into; what it expects there it says by the type it asks for. */
export interface Reply<T> {
  readonly status: number
  readonly headers: Record<string, unknown>
  readonly body: T
}

export async function openWorld(
  settings: Partial<Record<keyof typeof jobConfig.shape, number>> = {},
  { hasExecutor = true, mayLose = false }: { hasExecutor?: boolean; mayLose?: boolean } = {},
) {
  const clock = createManualClock(monday)
  const lines: string[] = []
  const log = createLog({ level: 'warn', destination: { write: (line: string) => void lines.push(line) } })
  const metricsRegistry = createMetrics()
  const ids = createSeededIds(7)
  const depsOf = (name: string): ServiceDeps => ({
    clock,
    log,
    ids,
    health: createHealth({ clock, log }),
    metrics: metricsRegistry.forService(name),
  })
  const memory = createMemoryBus({ clock, ids, sender: 'test', freeze: true })
  const bus = mayLose ? lossy(memory) : memory
  const registry = createStaticRegistry()
  const serviceTokens = createServiceTokens({ key: 'k'.repeat(32), clock })
  const deps = depsOf('job-service')
  const breaker = { timeoutMs: 3000, errorPercent: 50, resetMs: 10_000 }
  const balancer = createBalancer({ registry, clock, metrics: deps.metrics, breaker, caller: 'job-service' })
  const rest = createRestClient({ balancer, clock, signToken: () => serviceTokens.sign('job-service') })
  const tokens = createTokens(clock)
  const db = await openMemoryDatabase(migrations)
  const executor = await openExecutor(depsOf('executor-service'), bus, registry, serviceTokens)
  if (hasExecutor) await executor.join()
  const told: JobChangesMessage[] = []
  await bus.subscribe('job-changes', 'scheduler-service', {
    onBatch: async (messages) => {
      told.push(...messages.map((message) => message.value))
    },
    onPoison: ignorePoison,
  })
  const create = (changed: object = {}) =>
    createJobService({
      ...deps,
      health: createHealth({ clock, log }),
      db,
      bus,
      registry,
      rest,
      tokens: tokens.verifier,
      serviceTokens,
      config: jobConfig.parse({ ...settings, ...changed }),
    })
  let service = create()
  await service.start()
  await clock.advance(0)
  if (hasExecutor) await until(() => executor.state.typeAsks > 0)

  /** Calls as a user: the first one unless the options say otherwise. */
  const call = async <T = Record<string, unknown>>(
    method: 'GET' | 'POST' | 'PUT' | 'DELETE',
    url: string,
    payload?: InjectOptions['payload'] | Record<string, unknown>,
    { user = 'usr-a', roles = ['user'], headers = {} }: CallOptions = {},
  ): Promise<Reply<T>> => {
    const authorization = tokens.bearer(user, ...roles)
    const answer = await service.app.inject({
      method,
      url,
      headers: { authorization, ...(payload === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(payload === undefined ? {} : { payload: typeof payload === 'string' ? payload : JSON.stringify(payload) }),
    })
    return { status: answer.statusCode, headers: answer.headers, body: answer.body ? JSON.parse(answer.body) : null }
  }

  return {
    clock,
    lines,
    metricsRegistry,
    bus,
    get service() {
      return service
    },
    serviceTokens,
    executor,
    /** What the scheduler has been told. */
    told,
    stores: createSqliteStores(db, clock),
    call,
    /** Lets time pass second by second, so that each loop gets its turns, and its turns the time of the store. */
    async pass(seconds: number) {
      for (let second = 0; second < seconds; second++) {
        await clock.advance(1000)
        for (let round = 0; round < 4; round++) {
          await db.read(db.statement('SELECT 1'), [])
          await clock.advance(0)
        }
      }
    },
    /** The process ends and another one begins on the same store, with other settings if need be. */
    async restart(changed?: object) {
      await service.stop()
      service = create(changed)
      await service.start()
    },
    async close() {
      await service.stop()
      await executor.close()
      balancer.close()
      await bus.close()
      await db.close()
    },
  }
}
export type World = Awaited<ReturnType<typeof openWorld>>

interface CallOptions {
  user?: string
  roles?: Role[]
  headers?: Record<string, string>
}

/** A world for the tests of one file. */
export function useWorld(...options: Parameters<typeof openWorld>): World {
  const world = {} as World
  beforeAll(async () => void Object.assign(world, await openWorld(...options)))
  afterAll(() => world.close())
  return world
}

/** Waits for the thing itself, turn by turn of the event loop, for at most five seconds. */
export async function until<T>(check: () => T | Promise<T>): Promise<Exclude<T, false | undefined | null | 0>> {
  const deadline = performance.now() + 5000
  for (;;) {
    const found = await check()
    if (found) return found as Exclude<T, false | undefined | null | 0>
    if (performance.now() > deadline) throw new Error(`did not happen within 5 s: ${check}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** The pointers of a problem's faults. */
export function pointersOf(body: unknown): string[] {
  return ((body as Problem).errors ?? []).map((fault) => fault.pointer)
}

/** All rows of a list, page by page. */
export async function listAll<T>(world: World, path: string, limit: number): Promise<T[]> {
  const rows: T[] = []
  for (let cursor: string | null = null; ; ) {
    const next: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`
    const { body } = await world.call<Page<T>>('GET', `${path}${path.includes('?') ? '&' : '?'}limit=${limit}${next}`)
    rows.push(...body.data)
    if (!body.page.hasMore) return rows
    cursor = body.page.nextCursor
  }
}
