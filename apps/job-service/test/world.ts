import { createMemoryBus, ignorePoison } from '@belfry/bus'
import type { JobChangesMessage, Page, Problem, Role } from '@belfry/contracts'
import { createStaticRegistry } from '@belfry/discovery'
import { createManualClock } from '@belfry/service'
import { openMemoryDatabase } from '@belfry/storage/sqlite'
import {
  createLossyBus,
  createTestCalls,
  createTestDeps,
  createTestServiceTokens,
  createTestTokens,
} from '@belfry/testkit'
import type { InjectOptions } from 'fastify'
import { afterAll, beforeAll, expect } from 'vitest'
import { createJobService, jobConfig } from '../src/index.ts'
import type { Stores } from '../src/store/ports.ts'
import { createSqliteStores } from '../src/store/sqlite/index.ts'
import { migrations } from '../src/store/sqlite/migrations.ts'
import { openExecutor } from './executor.ts'
import { monday } from './fixtures.ts'
import { openScheduler } from './scheduler.ts'
import { openUsers } from './users.ts'

/** Seals the secrets of a world. */
const testKey = 'q7Vd0TzK3mXw9RbL5nHc2JpYf8GsA1eU'

/** An answer; a test names the type of the body that it expects. */
export interface Reply<T> {
  readonly status: number
  readonly headers: Record<string, unknown>
  readonly body: T
}

export interface WorldOptions {
  readonly hasExecutor?: boolean
  /** The capabilities of the bus include the loss of messages. */
  readonly mayLose?: boolean
  /** Opens other stores than SQLite's. */
  readonly open?: () => Promise<Stores>
  /** What the service gets instead of the stores. */
  readonly wrap?: (stores: Stores) => Stores
  /** Two worlds with the same seed make the same ids. */
  readonly seed?: number
}

/** Empty stores on SQLite in memory. */
export async function openTestStores(clock = createManualClock(monday)): Promise<Stores> {
  return createSqliteStores(await openMemoryDatabase(migrations), clock)
}

export async function openWorld(
  settings: Partial<Record<keyof typeof jobConfig.shape, number>> = {},
  { hasExecutor = true, mayLose = false, open, wrap = (stores) => stores, seed = 7 }: WorldOptions = {},
) {
  const { clock, lines, metricsRegistry, depsOf } = createTestDeps({ clock: createManualClock(monday), seed })
  const deps = depsOf('job-service')
  const memory = createMemoryBus({ clock, ids: deps.ids, sender: 'test', freeze: true })
  const bus = mayLose ? createLossyBus(memory) : memory
  const registry = createStaticRegistry()
  const serviceTokens = createTestServiceTokens(clock)
  const calls = { caller: 'job-service', registry, metrics: deps.metrics, serviceTokens } as const
  const { balancer, rest } = createTestCalls(calls)
  const tokens = createTestTokens(clock)
  const stores = open ? await open() : await openTestStores(clock)
  const executor = await openExecutor(depsOf('executor-service'), bus, registry, serviceTokens)
  if (hasExecutor) await executor.join()
  const published: JobChangesMessage[] = []
  const scheduler = await openScheduler(
    depsOf('scheduler-service'),
    registry,
    serviceTokens,
    (id) => published.findLast(({ jobId }) => jobId === id)?.version,
  )
  const users = await openUsers(depsOf('auth-service'), registry, serviceTokens)
  await bus.subscribe('job-changes', 'scheduler-service', {
    onBatch: async (messages) => {
      published.push(...messages.map((message) => message.value))
    },
    onPoison: ignorePoison,
  })
  const create = (changed: object = {}) =>
    createJobService({
      ...deps,
      health: depsOf('job-service').health,
      stores: wrap(stores),
      bus,
      registry,
      rest,
      tokens: tokens.verifier,
      serviceTokens,
      config: jobConfig.parse({ secretsKey: testKey, ...settings, ...changed }),
    })
  let service = create()
  await service.start()
  await clock.advance(0)
  if (hasExecutor) await until(() => executor.state.typeAsks > 0)

  /** Calls as a user: the first one unless the options say otherwise. */
  const call = async <T = Record<string, unknown>>(
    method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
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
    scheduler,
    users,
    /** What the scheduler has received. */
    published,
    stores,
    call,
    /** Advances the clock second by second, so that each loop iterates, and the store answers meanwhile. */
    async pass(seconds: number) {
      for (let second = 0; second < seconds; second++) {
        await clock.advance(1000)
        for (let round = 0; round < 4; round++) {
          await stores.cursors.read('any')
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
      await scheduler.close()
      await users.close()
      balancer.close()
      await bus.close()
      await stores.close()
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

/** Checks at each iteration of the event loop, for at most five seconds. */
export async function until<T>(check: () => T | Promise<T>): Promise<Exclude<T, false | undefined | null | 0>> {
  const deadline = performance.now() + 5000
  for (;;) {
    const found = await check()
    if (found) return found as Exclude<T, false | undefined | null | 0>
    if (performance.now() > deadline) throw new Error(`did not happen within 5 s: ${check}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** Matches the weak ETag of a version, whatever is shown of it. */
export const weakTag = (version: number): unknown => expect.stringMatching(new RegExp(`^W/"${version}\\.[0-9a-f]{8}"$`))

/** The pointers of a problem's issues. */
export function pointersOf(body: unknown): string[] {
  return ((body as Problem).errors ?? []).map((issue) => issue.pointer)
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
