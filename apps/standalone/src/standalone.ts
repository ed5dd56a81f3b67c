import { randomBytes } from 'node:crypto'
import { join, resolve } from 'node:path'
import { createAuthService, openStores as openAuthStores } from '@belfry/auth-service'
import { createMemoryBus } from '@belfry/bus'
import type { ServiceName } from '@belfry/contracts'
import { createBalancer, createRestClient, createStaticRegistry, type RestClient } from '@belfry/discovery'
import { createExecutorService, openStores as openExecutorStores } from '@belfry/executor-service'
import { createGateway } from '@belfry/gateway'
import { createServiceTokens, createTokenVerifier, readJwks } from '@belfry/http'
import { createJobService, openStores as openJobStores } from '@belfry/job-service'
import { createSchedulerService, openStores as openSchedulerStores } from '@belfry/scheduler-service'
import {
  createClockWatch,
  createHealth,
  createIds,
  createLifecycle,
  createLog,
  createMetrics,
  createSystemClock,
  type Logger,
  type Part,
  readConfig,
  type ServiceDeps,
} from '@belfry/service'
import type { StorageError } from '@belfry/storage'
import { type HeldLock, lockDataFolder, openStoreThread } from '@belfry/storage/sqlite'
import manifest from '../package.json' with { type: 'json' }
import { type StandaloneConfig, standaloneConfig } from './config.ts'
import { sayHello } from './hello.ts'
import { findPort } from './port.ts'

/** Another Belfry holds the data folder. `address` is null while that one is still starting. */
export class AlreadyRunning extends Error {
  readonly address: string | null
  readonly dataDir: string
  constructor(dataDir: string, address: string | null) {
    super(`Belfry already runs on ${dataDir}`)
    this.name = 'AlreadyRunning'
    this.address = address
    this.dataDir = dataDir
  }
}

/** A Belfry that runs: all five services in this process. */
export interface Standalone {
  /** The gateway's address. */
  readonly url: string
  /** Where others reach it (BELFRY_PUBLIC_URL). */
  readonly publicUrl?: string
  readonly dataDir: string
  /** The port that was asked for, when another one had to be taken. */
  readonly wantedPort?: number
  readonly log: Logger
  /** How long `stop` waits for what runs, milliseconds. */
  readonly graceMs: number
  /** Runs that are at work. */
  running(): number
  /** May be called twice. Finishes what runs within the grace time and keeps the rest. */
  stop(): Promise<void>
}

export interface StandaloneOptions {
  /** Log lines for people at a terminal instead of JSON. */
  pretty?: boolean
  /** Called once when nothing can be stored any more: the process should end. */
  onFatal?: (error: StorageError) => void
}

/** The groups that belong to each topic (the messages between the services). */
const groups = {
  'job-changes': ['scheduler-service'],
  'job-execute': ['executor-service'],
  'job-status': ['job-service', 'scheduler-service'],
}

/** Everything that the services share in one process. */
function createShared(config: StandaloneConfig, log: Logger, onFatal: (error: StorageError) => void) {
  const clock = createSystemClock()
  const ids = createIds()
  const metricsRegistry = createMetrics({ defaults: true, version: manifest.version })
  const registry = createStaticRegistry()
  const bus = createMemoryBus({
    clock,
    ids,
    sender: 'standalone',
    metrics: metricsRegistry.forService('standalone'),
    groups,
  })
  // A key per start is enough: its holder is in this process.
  const serviceTokens = createServiceTokens({ key: randomBytes(32), clock })
  const thread = openStoreThread({
    crashAt: process.env.BELFRY_CRASH_AT,
    metrics: metricsRegistry.forService('standalone'),
    onFatal,
  })
  const breaker = {
    timeoutMs: config.breakerTimeoutMs,
    errorPercent: config.breakerErrorPercent,
    resetMs: config.breakerResetMs,
  }

  const depsOf = (service: ServiceName): ServiceDeps => {
    const bound = log.child({ service })
    const health = createHealth({ clock, log: bound })
    return { clock, ids, log: bound, metrics: metricsRegistry.forService(service), health }
  }

  const callsOf = (caller: ServiceName) => {
    const balancer = createBalancer({ registry, clock, metrics: metricsRegistry.forService(caller), breaker, caller })
    return { balancer, rest: createRestClient({ balancer, clock, signToken: () => serviceTokens.sign(caller) }) }
  }

  const tokensOf = (rest: RestClient) => {
    const path = '/auth/.well-known/jwks.json'
    const jwks = async () => readJwks((await rest.request({ service: 'auth-service', method: 'GET', path })).body)
    return createTokenVerifier({ clock, jwks })
  }

  return { clock, ids, metricsRegistry, registry, bus, serviceTokens, thread, depsOf, callsOf, tokensOf }
}
type Shared = ReturnType<typeof createShared>

async function openServices(config: StandaloneConfig, dataDir: string, shared: Shared) {
  const { thread, metricsRegistry, registry, bus, serviceTokens, depsOf, callsOf, tokensOf } = shared
  // One after the other, so that a file which another process has open is the last one that is touched.
  const authStores = await openAuthStores(`sqlite:${join(dataDir, 'auth.db')}`, { thread })
  const jobDeps = depsOf('job-service')
  const jobStores = await openJobStores(`sqlite:${join(dataDir, 'jobs.db')}`, { ...jobDeps, thread })
  const schedulerStores = await openSchedulerStores(`sqlite:${join(dataDir, 'scheduler.db')}`, shared)
  const executorDeps = depsOf('executor-service')
  const executorStores = await openExecutorStores(`sqlite:${join(dataDir, 'executor.db')}`, { thread, ...executorDeps })
  const calls = { gateway: callsOf('gateway'), job: callsOf('job-service'), scheduler: callsOf('scheduler-service') }
  // One for all five: a token that the gateway has verified is known to the services behind it.
  const tokens = tokensOf(calls.gateway.rest)
  const common = { config, registry, bus, tokens, serviceTokens }
  const auth = createAuthService({ ...depsOf('auth-service'), ...common, stores: authStores })
  const executor = createExecutorService({ ...executorDeps, ...common, stores: executorStores })
  const scheduler = createSchedulerService({
    ...depsOf('scheduler-service'),
    ...common,
    stores: schedulerStores,
    rest: calls.scheduler.rest,
  })
  const job = createJobService({ ...jobDeps, ...common, stores: jobStores, rest: calls.job.rest })
  const gateway = createGateway({ ...depsOf('gateway'), ...common, ...calls.gateway, metricsRegistry })
  const closeHops = () => {
    for (const { balancer } of Object.values(calls)) balancer.close()
  }
  return { auth, executor, scheduler, job, gateway, closeHops }
}
type Services = Awaited<ReturnType<typeof openServices>>

/** Who hears of a service's changes stops after it, so that what it finishes while it stops is still taken over. */
function partsOf({ auth, executor, scheduler, job, gateway }: Services): Part[] {
  return [
    { name: 'auth-service', ...auth },
    { name: 'scheduler-service', stop: scheduler.stop },
    { name: 'job-service', stop: job.stop },
    { name: 'executor-service', ...executor },
    { name: 'scheduler-service', start: scheduler.start },
    { name: 'job-service', start: job.start },
    { name: 'gateway', ...gateway },
  ]
}

async function openLocked(config: StandaloneConfig, dataDir: string, lock: HeldLock, options: StandaloneOptions) {
  const log = createLog({ level: config.logLevel, pretty: options.pretty ?? false })
  const { node, tz: timeZoneData } = process.versions
  log.info({ version: manifest.version, node, timeZoneData }, 'Belfry starts')
  const port = await findPort(config.host, config.port)
  const settled = { ...config, port }
  const shared = createShared(settled, log, (error) => {
    log.fatal({ err: error }, 'nothing can be stored any more')
    options.onFatal?.(error)
  })
  const watched = { clock: shared.clock, log, metrics: shared.metricsRegistry.forService('standalone') }
  const services = await openServices(settled, dataDir, shared).catch(async (error: unknown) => {
    await shared.thread.close()
    throw error
  })
  lock.forgetAddress()
  const { gateway, auth, job } = services
  const helloWhenSignedUp = () =>
    auth
      .firstUser()
      .then((userId) => sayHello(userId, job.jobs, shared.bus, log))
      .catch((err: unknown) => log.warn({ err }, 'the job hello could not be made; the next start tries again'))
  const life = createLifecycle([
    { name: 'lock', stop: lock.release },
    { name: 'clock watch', ...createClockWatch({ deps: watched, config: settled }) },
    { name: 'store thread', stop: shared.thread.close },
    { name: 'bus', stop: shared.bus.close },
    { name: 'hops', stop: services.closeHops },
    ...partsOf(services),
    { name: 'address', start: async () => lock.announce(await gateway.start()) },
    { name: 'hello', start: () => void helloWhenSignedUp() },
  ])
  await life.start()
  const { publicUrl, shutdownGraceMs: graceMs } = config
  return {
    url: await gateway.start(),
    ...(publicUrl === undefined ? {} : { publicUrl }),
    dataDir,
    ...(port === config.port ? {} : { wantedPort: config.port }),
    log,
    graceMs,
    running: services.executor.running,
    stop: life.stop,
  }
}

/**
 * Opens a standalone Belfry with the settings in `env`. Rejects with a `ConfigError`, an `AlreadyRunning` or a
 * `StorageError`, whose messages are fit for people.
 */
export async function openStandalone(env: NodeJS.ProcessEnv, options: StandaloneOptions = {}): Promise<Standalone> {
  const config = readConfig(standaloneConfig, env)
  // libuv reads it when the pool is used for the first time, which nothing before this line does.
  process.env.UV_THREADPOOL_SIZE = String(config.threads)
  const dataDir = resolve(config.dataDir)
  const lock = lockDataFolder(dataDir)
  if (!lock.held) throw new AlreadyRunning(dataDir, lock.address)
  try {
    return await openLocked(config, dataDir, lock, options)
  } catch (error) {
    lock.release()
    throw error
  }
}
