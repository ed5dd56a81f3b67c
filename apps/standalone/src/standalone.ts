import { resolve } from 'node:path'
import { createBase, setThreads, version } from '@belfry/bootstrap'
import { createClockWatch, createLifecycle, createLog, type Logger, readConfig } from '@belfry/service'
import type { StorageError } from '@belfry/storage'
import { type HeldLock, lockDataFolder, openStoreThread } from '@belfry/storage/sqlite'
import { type StandaloneConfig, standaloneConfig } from './config.ts'
import { sayHello } from './hello.ts'
import { findPort } from './port.ts'
import { openServices, partsOf } from './services.ts'

/** Another process holds the data folder. `address` is null while that process is starting. */
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

/** A running Belfry: all five services in this process. */
export interface Standalone {
  /** The gateway's address. */
  readonly url: string
  /** Its address for others (BELFRY_PUBLIC_URL). */
  readonly publicUrl?: string
  readonly dataDir: string
  /** The port that was asked for, when another one had to be taken. */
  readonly wantedPort?: number
  /** The link that makes the first admin, for a few minutes and once; left out when there is an admin. */
  readonly firstAdminUrl?: string
  readonly log: Logger
  /** How long `stop` waits for running attempts, milliseconds. */
  readonly graceMs: number
  /** The number of running attempts. */
  running(): number
  /** May be called twice. Finishes running attempts within the grace time; the rest stays stored. */
  stop(): Promise<void>
}

export interface StandaloneOptions {
  /** Log lines for people at a terminal instead of JSON. */
  pretty?: boolean
  /** Called once when the store thread has died: the process should end. */
  onFatal?: (error: StorageError) => void
}

async function openLocked(config: StandaloneConfig, dataDir: string, lock: HeldLock, options: StandaloneOptions) {
  const log = createLog({ level: config.logLevel, pretty: options.pretty ?? false })
  const { node, tz: timeZoneData } = process.versions
  log.info({ version, node, timeZoneData }, 'Belfry starts')
  const port = await findPort(config.host, config.port)
  const listening = { ...config, port }
  const base = createBase('standalone', log)
  const thread = openStoreThread({
    crashAt: process.env.BELFRY_CRASH_AT,
    metrics: base.metrics,
    onFatal(error) {
      log.fatal({ err: error }, 'nothing can be stored any more')
      options.onFatal?.(error)
    },
  })
  const services = await openServices(listening, dataDir, base, () => thread).catch(async (error: unknown) => {
    await thread.close()
    throw error
  })
  lock.forgetAddress()
  const { gateway, auth, job, bus } = services
  const helloWhenSignedUp = () =>
    auth
      .firstUser()
      .then((userId) => sayHello(userId, job.jobs, bus, log))
      .catch((err: unknown) => log.warn({ err }, 'the job hello could not be made; the next start tries again'))
  const life = createLifecycle([
    { name: 'lock', stop: lock.release },
    { name: 'clock watch', ...createClockWatch({ deps: base, config: listening }) },
    { name: 'store thread', stop: thread.close },
    { name: 'bus', stop: bus.close },
    { name: 'calls', stop: services.closeCalls },
    ...partsOf(services),
    { name: 'address', start: async () => lock.announce(await gateway.start()) },
    { name: 'hello', start: () => void helloWhenSignedUp() },
  ])
  await life.start()
  const { publicUrl, shutdownGraceMs: graceMs } = config
  const url = await gateway.start()
  const token = await auth.firstAdminToken()
  return {
    url,
    ...(token === null ? {} : { firstAdminUrl: `${publicUrl ?? url}/first-admin#${token}` }),
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
 * `StorageError`, whose messages are written for people.
 */
export async function openStandalone(env: NodeJS.ProcessEnv, options: StandaloneOptions = {}): Promise<Standalone> {
  const config = readConfig(standaloneConfig, env)
  setThreads(config)
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
