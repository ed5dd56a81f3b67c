import { randomBytes } from 'node:crypto'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ServiceName } from '@belfry/contracts'
import { Kafka, logLevel } from 'kafkajs'
import { type BelfryProcess, makeDataDir, startBelfry } from '../belfry-process.ts'
import { createCaller, signUp } from '../caller.ts'
import { type FleetMember, type PeerUrls, startFleet } from '../fleet.ts'
import { openTarget } from '../target.ts'
import type { World } from './acts/act.ts'

/** A Belfry over the deaths of its processes: one process with all services on SQLite, or one for each service on MongoDB. */
export interface Host {
  /** The gateway's address now. */
  url(): string
  readonly world: World
  /** From now on the process of the service dies at this point. */
  arm(service: ServiceName, point: string): Promise<void>
  /** Whether the process of the service has gone. */
  isGone(service: ServiceName): boolean
  /** How the process of the service ended. */
  endOf(service: ServiceName): Promise<string>
  /** What the process of the service wrote last. */
  output(service: ServiceName): string
  /** Puts a message that cannot be read on a topic. Only where the topics are those of a real server. */
  spoil?(topic: 'execute' | 'status' | 'changes'): Promise<void>
  /** SIGTERM, without waiting. */
  stop(service: ServiceName): void
  /** SIGKILL, and waits until it has gone. */
  kill(service: ServiceName): Promise<void>
  /** Starts the process of the service again, without a point unless one is given. Does not wait when one is. */
  start(service: ServiceName, point?: string): Promise<void>
  close(): Promise<void>
}

/** What makes repairs come soon: the usual settings are for people, who do not wait for a proof. */
const soon = {
  BELFRY_LOG_LEVEL: 'warn',
  BELFRY_AUTH_PURGE_MS: '1000',
  BELFRY_AUTH_KEY_CHECK_MS: '1000',
  // A refresh whose answer was lost is repeated after a restart, however long that takes on a busy machine.
  BELFRY_AUTH_REFRESH_GRACE_MS: '300000',
  BELFRY_AUTH_TOKEN_LIFETIME_MS: '86400000',
  BELFRY_AUTH_LOGINS_PER_MINUTE: '1000000',
  BELFRY_AUDIT_OPEN_MS: '1500',
  BELFRY_AUDIT_SEAL_MS: '300',
  BELFRY_AUDIT_SEAL_POLL_MS: '200',
  BELFRY_AUDIT_PURGE_MS: '1000',
  BELFRY_BREAKER_RESET_MS: '500',
  // A slow machine must not look like a service that is away.
  BELFRY_BREAKER_TIMEOUT_MS: '20000',
  BELFRY_EXECUTOR_IO_CONCURRENCY: '20',
  BELFRY_EXECUTOR_PURGE_MS: '1000',
  BELFRY_JOB_FENCE_TIMEOUT_MS: '800',
  BELFRY_JOB_NOTIFY_ALLOW_PRIVATE: 'true',
  BELFRY_JOB_NOTIFY_LEASE_MS: '2000',
  BELFRY_JOB_NOTIFY_POLL_MS: '200',
  BELFRY_JOB_NOTIFY_TIMEOUT_MS: '1000',
  BELFRY_JOB_NOTIFY_WINDOW_MS: '0',
  BELFRY_JOB_PURGE_MS: '1000',
  BELFRY_JOB_RECONCILE_MS: '1000',
  BELFRY_JOB_REQUEST_TRY_MS: '1000',
  BELFRY_JOB_RESEND_MS: '1000',
  BELFRY_SCHEDULER_PURGE_MS: '1000',
  BELFRY_SCHEDULER_RECONCILE_MS: '1000',
  BELFRY_SCHEDULER_RESEND_MS: '1000',
}

/** How long a process may take to be ready, milliseconds. */
const readyMs = 120_000

const root = { username: 'root', password: 'correct horse battery' }

/** The first admin and a user, and a target that fails the calls to `/fail…`. */
async function openWorld(url: string, token: string) {
  const target = await openTarget(({ path }, response) => {
    if (path.startsWith('/fail')) response.writeHead(500).end()
    else response.end('{}')
  })
  const made = await createCaller(url, null).call('POST', '/auth/bootstrap', { token, ...root })
  if (made.status !== 201) throw new Error(`no first admin: ${JSON.stringify(made.body)}`)
  const admin = await signUp(url, root.username)
  const user = await signUp(url)
  return { target, admin: admin.token ?? '', user: user.token ?? '' }
}

/** The file in which a process looks for its point; written as a whole. */
async function writePoint(path: string, point: string): Promise<void> {
  await writeFile(`${path}.new`, point)
  await rename(`${path}.new`, path)
}

/** One process with all services, on SQLite. */
export async function openStandalone(firstPoint?: string): Promise<Host> {
  const folder = await makeDataDir()
  const file = join(folder.path, 'crash-at')
  const token = randomBytes(32).toString('base64url')
  let belfry: BelfryProcess | undefined
  let isGone = false

  async function start(point = `@${file}`): Promise<void> {
    await rm(file, { force: true })
    const env = { ...soon, BELFRY_BOOTSTRAP_TOKEN: token, BELFRY_CRASH_AT: point }
    const mayDie = !point.startsWith('@')
    const started = await startBelfry(folder.path, { env, mayDie, deadlineMs: readyMs })
    belfry = started
    isGone = false
    void started.exited.then(() => {
      if (belfry === started) isGone = true
    })
  }
  /** The first start dies at its point. */
  async function dieOnce(): Promise<void> {
    await start(firstPoint)
    const end = await belfry?.exited
    if (end !== 'SIGKILL') throw new Error(`the first start ended with ${end} at ${firstPoint}:\n${belfry?.output()}`)
  }
  const url = () => belfry?.url ?? ''
  if (firstPoint) await dieOnce()
  await start()
  const world = await openWorld(url(), token)
  return {
    url,
    world,
    arm: (_service, point) => writePoint(file, point),
    isGone: () => isGone,
    endOf: async () => (await belfry?.exited) ?? 'never started',
    output: () => belfry?.output() ?? '',
    stop: () => void belfry?.stop(),
    kill: async () => belfry?.kill(),
    start: (_service, point) => start(point),
    async close() {
      await belfry?.kill()
      await world.target.close()
      await folder.remove()
    },
  }
}

async function spoilTopic(broker: string, topic: string): Promise<void> {
  const producer = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING }).producer()
  await producer.connect()
  await producer.send({ topic, messages: [{ key: 'spoiled', value: 'no message' }] })
  await producer.disconnect()
}

/** One process for each service, on real servers. */
export async function openFleet(peers: PeerUrls): Promise<Host> {
  const folder = await mkdtemp(join(tmpdir(), 'belfry-crash-'))
  const token = randomBytes(32).toString('base64url')
  const fileOf = (service: ServiceName) => join(folder, service)
  const services = ['auth-service', 'job-service', 'scheduler-service', 'executor-service'] as const
  const fleet = await startFleet({
    peers,
    deadlineMs: readyMs,
    env: { ...soon, BELFRY_BOOTSTRAP_TOKEN: token, BELFRY_EXECUTOR_LEASE_MS: '2000', BELFRY_EXECUTOR_BEAT_MS: '500' },
    envOf: Object.fromEntries(services.map((one) => [one, { BELFRY_CRASH_AT: `@${fileOf(one)}` }])),
  })
  const member = (service: ServiceName) => fleet.of(service)[0] as FleetMember
  const world = await openWorld(fleet.url, token)
  return {
    url: () => fleet.url,
    world,
    arm: (service, point) => writePoint(fileOf(service), point),
    isGone: (service) => !member(service).isRunning(),
    endOf: (service) => member(service).exited(),
    output: (service) => member(service).output(),
    spoil: (topic) => spoilTopic(peers.kafka, `${fleet.name}.job-${topic}`),
    stop: (service) => void member(service).stop(),
    kill: (service) => member(service).kill(),
    async start(service, point) {
      await rm(fileOf(service), { force: true })
      if (point) return member(service).spawn({ BELFRY_CRASH_AT: point })
      await member(service).start()
    },
    async close() {
      await fleet.stop()
      await world.target.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
