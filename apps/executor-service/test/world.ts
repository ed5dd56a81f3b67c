import { createMemoryBus, ignorePoison } from '@belfry/bus'
import type { DeadLetterMessage, JobExecuteMessage, JobStatusMessage, Role } from '@belfry/contracts'
import { createStaticRegistry, type RestClient, type RestRequest, type RestResponse } from '@belfry/discovery'
import { createManualClock, type LogLevelName, type ManualClock } from '@belfry/service'
import { createUnreadableReport, StorageError } from '@belfry/storage'
import { type Database, openMemoryDatabase } from '@belfry/storage/sqlite'
import { createTestDeps, createTestServiceTokens, createTestTokens } from '@belfry/testkit'
import type { Handler, RunContext } from '@belfry/worker'
import { onTestFinished } from 'vitest'
import { z } from 'zod'
import { type ExecutorConfig, executorConfig } from '../src/config.ts'
import type { Execution } from '../src/executions/execution.ts'
import { createExecutorService } from '../src/service.ts'
import type { Stores } from '../src/store/ports.ts'
import { createSqliteStores, migrations } from '../src/store/sqlite/index.ts'
import { start as startAt } from './samples.ts'
import { watchedStores } from './store/mapped-stores.ts'

/** A call of the job type TEST, in the hands of the test. */
export interface Call {
  readonly params: Record<string, unknown>
  readonly context: RunContext
  readonly at: number
}

/** Calls on their way to the store thread; when there are none, nothing more happens until the clock is turned. */
function countCalls(db: Database) {
  let open = 0
  let isDead = false
  const failing = new Set<string>()
  const writes: string[] = []
  const counted =
    <A extends unknown[], R>(call: (...args: A) => Promise<R>, isWrite: boolean) =>
    async (...args: A): Promise<R> => {
      if (isDead) throw new Error('the process is dead')
      if (isWrite && failing.has(String(args[0]))) throw new StorageError('locked', `made to fail: ${args[0]}`)
      if (isWrite) writes.push(String(args[0]))
      open += 1
      try {
        return await call(...args)
      } finally {
        open -= 1
      }
    }
  const counting: Database = {
    ...db,
    write: counted(db.write, true),
    writeEach: counted(db.writeEach, true),
    insertEach: counted(db.insertEach, true),
    read: counted(db.read, false),
    readPage: counted(db.readPage, false),
    readEach: counted(db.readEach, false),
    readEachPage: counted(db.readEachPage, false),
  }
  const die = () => {
    isDead = true
  }
  return { db: counting, failing, writes, isIdle: () => open === 0, die }
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

/** No job is shared, unless a test says otherwise. */
const outOfReach: RestResponse = {
  status: 200,
  headers: {},
  body: { sees: false, seesDetails: false, mayOperate: false, mayChange: false },
}

export interface WorldOptions {
  readonly config?: Partial<ExecutorConfig>
  /** What TEST does; it succeeds with `null` when left out. */
  readonly run?: (call: Call, number: number) => unknown
  readonly handlers?: readonly Handler[]
  /** The stores of an earlier process. */
  readonly db?: Database
  /** What the service stores in, instead of SQLite. */
  readonly stores?: Stores
  /** Stands between the service and its stores; the test itself reads the stores as they are. */
  readonly wrapStores?: (stores: Stores) => Stores
  readonly clock?: ManualClock
  /** What job-service answers when it is asked who sees a job; only its owner when left out. */
  readonly reachOf?: (request: RestRequest) => RestResponse
  /** The secrets that job-service has, by owner and name; it does not answer when left out. */
  readonly secrets?: Record<string, Record<string, string>>
  /** What the service's log takes; nothing when left out. */
  readonly logLevel?: LogLevelName
}

export function testHandler(run: (params: Record<string, unknown>, context: RunContext) => unknown): Handler {
  const handler: Handler<Record<string, unknown>> = {
    type: 'TEST',
    title: 'Test',
    description: 'Does what the test says.',
    params: z.looseObject({}),
    result: z.unknown(),
    timeoutMs: 1000,
    slots: 'io',
    examples: [],
    run: async (params, context) => run(params, context),
  }
  return handler as Handler
}

/** The answers of job-service to the question for secrets. */
export function secretsOfJobService(secrets: WorldOptions['secrets']): RestClient {
  return {
    async request({ body }) {
      if (secrets === undefined) throw new Error('job-service does not answer')
      const { ownerId, names } = body as { ownerId: string; names: string[] }
      const own = secrets[ownerId] ?? {}
      const values = Object.fromEntries(names.flatMap((name) => (name in own ? [[name, own[name]]] : [])))
      return { status: 200, headers: {}, body: { values } }
    },
  }
}

/** job-service, as far as the executor calls it. */
function jobServiceOf({ reachOf, secrets }: WorldOptions): RestClient {
  const { request: readSecrets } = secretsOfJobService(secrets)
  return {
    request: async (request) =>
      request.path === '/internal/jobs/reach' ? (reachOf?.(request) ?? outOfReach) : readSecrets(request),
  }
}

/** The executor on a bus, a store and a clock of its own: commands go in, statuses come out. */
export async function openWorld(options: WorldOptions = {}) {
  const clock = options.clock ?? createManualClock(startAt)
  const seed = Number(process.hrtime.bigint() % 1_000_000n)
  const { metricsRegistry, logged, depsOf } = createTestDeps({ clock, logLevel: options.logLevel ?? 'silent', seed })
  const deps = depsOf('executor-service')
  const { ids, log, metrics } = deps
  const opened = options.db ?? (await openMemoryDatabase(migrations))
  const counted = countCalls(opened)
  const { db, failing, writes, die } = counted
  const plain = options.stores ?? createSqliteStores(db, clock, createUnreadableReport(log, metrics))
  const watched = watchedStores(options.wrapStores?.(plain) ?? plain)
  const isIdle = () => counted.isIdle() && watched.isIdle()
  const groups = { 'job-execute': ['executor-service'], 'job-status': ['test'], 'job-dead-letter': ['test'] }
  const bus = createMemoryBus({ clock, ids, sender: 'test', freeze: true, groups })
  const tokens = createTestTokens(clock)
  const serviceTokens = createTestServiceTokens(clock)
  const calls: Call[] = []
  const statuses: JobStatusMessage[] = []
  const deadLetters: DeadLetterMessage[] = []
  await bus.subscribe('job-status', 'test', {
    onBatch: async (messages) => void statuses.push(...messages.map((one) => one.value)),
    onPoison: ignorePoison,
  })
  await bus.subscribe('job-dead-letter', 'test', {
    onBatch: async (messages) => void deadLetters.push(...messages.map((one) => one.value)),
    onPoison: ignorePoison,
  })
  const run = testHandler((params, context) => {
    const call = { params, context, at: clock.now() }
    calls.push(call)
    return options.run?.(call, calls.length) ?? null
  })
  const types = [run, ...(options.handlers ?? [])]
  const service = createExecutorService({
    ...deps,
    stores: watched.stores,
    bus,
    registry: createStaticRegistry(),
    rest: jobServiceOf(options),
    tokens: tokens.verifier,
    serviceTokens,
    // A batch must not wait for the clock while the test waits for the batch.
    config: { ...executorConfig.parse({}), executorRoomWaitMs: 0, ...options.config },
    handlers: { types: new Map(types.map((one) => [one.type, one])), close: async () => undefined },
    random: () => 0,
  })
  const stores: Stores = options.stores ?? createSqliteStores(opened, clock)

  /** Lets everything happen that needs no time. */
  async function settle(): Promise<void> {
    for (let quiet = 0; quiet < 4; ) {
      await turn()
      quiet = isIdle() ? quiet + 1 : 0
    }
  }

  /** Lets time pass, step by step, with everything settled in between. */
  async function pass(ms: number, stepMs = 1): Promise<void> {
    await settle()
    for (let left = ms; left > 0; left -= stepMs) {
      await clock.advance(Math.min(stepMs, left))
      await settle()
    }
  }

  async function read(executionId: string): Promise<Execution> {
    const [found] = await stores.executions.find([executionId])
    if (!found) throw new Error(`there is no ${executionId}`)
    return found.execution
  }

  /** Resolves when the service has stored them. */
  const publish = (...commands: JobExecuteMessage[]) =>
    bus.publish(
      'job-execute',
      commands.map((value) => ({ key: value.jobId, value })),
    )

  let isKilled = false
  const test = {
    service,
    clock,
    stores,
    db: opened,
    calls,
    statuses,
    deadLetters,
    /** The lines of the log, read. */
    logged,
    failing,
    /** Names of the writes so far, in order. */
    writes,
    settle,
    pass,
    read,
    publish,
    async command(...commands: JobExecuteMessage[]) {
      await publish(...commands)
      await settle()
    },
    /** Asks as job-service does. */
    async internal(method: 'GET' | 'POST' | 'PUT', url: string, payload?: object) {
      const headers = { authorization: `Bearer ${serviceTokens.sign('job-service')}` }
      return service.app.inject({ method, url, headers, ...(payload && { payload }) })
    },
    async get(url: string, userId = 'usr-1', headers: Readonly<Record<string, string>> = {}) {
      const authorization = tokens.bearer(userId, 'user')
      return service.app.inject({ method: 'GET', url, headers: { authorization, ...headers } })
    },
    async post(url: string, payload: object | undefined, role: Role = 'user') {
      const headers = { authorization: tokens.bearer('usr-1', role) }
      return service.app.inject({ method: 'POST', url, headers, ...(payload && { payload }) })
    },
    metric: async (name: string) =>
      (await metricsRegistry.render()).split('\n').filter((line) => line.startsWith(name)),
    /** As kill -9 does: what is in the store stays, and nothing else happens any more. */
    async kill() {
      isKilled = true
      die()
      await service.app.close()
    },
    async stop() {
      const stopping = service.stop()
      let isStopped = false
      void stopping.finally(() => {
        isStopped = true
      })
      while (!isStopped) await pass(50, 50)
      await stopping
    },
  }
  await service.start()
  await settle()
  onTestFinished(async () => {
    failing.clear()
    if (!isKilled) await test.stop()
    if (!options.db) await opened.close()
  })
  return test
}
export type World = Awaited<ReturnType<typeof openWorld>>
