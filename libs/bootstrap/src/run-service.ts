import { hostname } from 'node:os'
import { type Bus, openBus } from '@belfry/bus'
import type { ServiceName } from '@belfry/contracts'
import { type Balancer, createPeerClocks, openRegistry } from '@belfry/discovery'
import {
  createClockWatch,
  createLifecycle,
  createLog,
  type Lifecycle,
  type Logger,
  type MetricsRegistry,
  readConfig,
  type ServiceDeps,
} from '@belfry/service'
import type { ServiceShell, ServiceShellDeps } from '@belfry/shell'
import { type OpenStoresOptions, storeUrlOf } from '@belfry/storage'
import type { z } from 'zod'
import { createBase, createCalls, setThreads, version } from './base.ts'
import {
  type BusConfig,
  type ConfigRules,
  type DistributedConfig,
  distributedSchema,
  hasBus,
  keysOfOthers,
  storeNounOf,
} from './config.ts'
import { fail, StartError } from './explain.ts'
import { endOnUncaught, stopOnSignals } from './signals.ts'

/** What a service gets in a process of its own. */
export interface ServiceProcessDeps<Stores, Config> extends ServiceShellDeps<Stores, Config> {
  readonly balancer: Balancer
  readonly metricsRegistry: MetricsRegistry
}

interface Closable {
  close(): Promise<void>
}

/** What distinguishes the process of one service from those of the others. */
export interface ServiceProcess<Shape extends z.ZodRawShape, Stores extends Closable> {
  readonly service: ServiceName
  readonly config: z.ZodObject<Shape>
  /** Checks fields against each other. */
  readonly rules?: ConfigRules
  /** Left out by a service without a store. */
  readonly openStores?: (url: string, options: OpenStoresOptions) => Promise<Stores>
  readonly create: (deps: ServiceProcessDeps<Stores, z.output<z.ZodObject<Shape>> & DistributedConfig>) => ServiceShell
}

interface OpenedService extends Lifecycle {
  readonly log: Logger
}

/** How much longer than the grace time of its attempts a process may take to stop, milliseconds. */
const stopMarginMs = 10_000

async function withinLimit(stopped: Promise<void>, limitMs: number): Promise<void> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new StartError(`The process did not stop within ${limitMs} ms.`)), limitMs)
  return Promise.race([stopped, late]).finally(() => clearTimeout(timer))
}

/** The URL of the service's own store: its own setting, or the one of all services. */
function storeUrlFor(service: ServiceName, config: Record<string, unknown>): string {
  const noun = storeNounOf(service)
  const own = noun && config[`${noun}StoreUrl`]
  if (typeof own === 'string') return own
  return noun ? storeUrlOf(String(config.storeUrl), noun) : ''
}

/** Only SQLite's stores need a thread, and only one process with all services has those. */
function noThread(): never {
  throw new StartError('The stores of a service in its own process are in MongoDB.')
}

function openServiceBus(config: BusConfig, deps: ServiceDeps, sender: string): Promise<Bus> {
  return openBus(config.busUrl, {
    ...deps,
    sender,
    key: config.busKey,
    topicNames: {
      'job-changes': config.busTopicChanges,
      'job-execute': config.busTopicExecute,
      'job-status': config.busTopicStatus,
      'job-dead-letter': config.busTopicDeadLetter,
    },
    partitions: config.busPartitions,
    replication: config.busReplication,
  })
}

/** Opens the adapters and wires the service; nothing is at work before `start`. */
async function openService<Shape extends z.ZodRawShape, Stores extends Closable>(
  { service, config: fields, rules, openStores, create }: ServiceProcess<Shape, Stores>,
  isTerminal: boolean,
): Promise<OpenedService> {
  type Config = z.output<z.ZodObject<Shape>> & DistributedConfig
  const schema = distributedSchema(service, fields.shape, rules)
  const config = readConfig(schema, process.env, { known: keysOfOthers(service) }) as unknown as Config
  setThreads(config)
  const instance = `${hostname()}-${process.pid}`
  const base = createBase(service, createLog({ level: config.logLevel, pretty: isTerminal, instance }))
  const { clock, metrics, metricsRegistry } = base
  const deps = base.depsOf(service)
  const { log } = deps
  endOnUncaught(log)
  const { node, tz: timeZoneData } = process.versions
  log.info({ version, node, timeZoneData }, `${service} starts`)

  const registry = await openRegistry(config.registryUrl, {
    ...deps,
    key: config.serviceKey,
    meta: { version, mode: config.mode },
  })
  const stores = await openStores?.(storeUrlFor(service, config), {
    ...deps,
    thread: noThread,
    crashAt: process.env.BELFRY_CRASH_AT,
  })
  const bus = hasBus(service)
    ? await openServiceBus(config as unknown as BusConfig, deps, `${service}@${instance}`)
    : undefined
  const { serviceTokens, callsOf, tokensOf } = createCalls(base, registry, config, config.serviceKey)
  const { balancer, rest } = callsOf(service)
  const { advertiseHost, advertisePort } = config
  const shell = create({
    ...deps,
    config,
    stores: stores as Stores,
    bus: bus as Bus,
    registry,
    balancer,
    rest,
    serviceTokens,
    tokens: tokensOf(rest),
    metricsRegistry,
    advertise: { host: advertiseHost, port: advertisePort },
  })
  const life = createLifecycle([
    { name: 'registry', stop: () => registry.close() },
    { name: 'clock watch', ...createClockWatch({ deps: { clock, log, metrics }, config }) },
    { name: 'peer clocks', ...createPeerClocks({ deps, balancer, config }) },
    { name: 'stores', stop: () => stores?.close() },
    { name: 'bus', stop: () => bus?.close() },
    { name: 'calls', stop: () => balancer.close() },
    {
      name: service,
      start: async () => log.info({ url: await shell.start() }, `${service} is ready`),
      stop: shell.stop,
    },
  ])
  return { log, start: life.start, stop: () => withinLimit(life.stop(), config.shutdownGraceMs + stopMarginMs) }
}

/**
 * Runs one service in this process, with the settings of the environment, until SIGINT or SIGTERM. The exit code is 0 after an
 * orderly stop, and 1 when the service cannot start or cannot go on, with the reason on stderr.
 */
export async function runService<Shape extends z.ZodRawShape, Stores extends Closable>(
  definition: ServiceProcess<Shape, Stores>,
): Promise<void> {
  let opened: OpenedService | undefined
  stopOnSignals(async (signal) => {
    opened?.log.info({ signal }, `${definition.service} stops`)
    // A start that is under way is waited for. What is only being opened holds no work.
    await opened?.stop()
  })
  try {
    opened = await openService(definition, process.stdout.isTTY === true)
    await opened.start()
  } catch (error) {
    fail(error)
  }
}
