import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { inspect } from 'node:util'
import type { ServiceName } from '@belfry/contracts'
import { type Peer, peerUrl, uniqueName } from '@belfry/testkit'
import { collectOutput, eventually, raisedLimits } from './belfry-process.ts'
import { removeTraces } from './fleet-traces.ts'

/** The addresses of the real servers, as `peers` prints them. */
export type PeerUrls = Readonly<Record<Peer, string>>

/** The servers of BELFRY_TEST_*; undefined unless all three are there. */
export function fleetPeers(): PeerUrls | undefined {
  const [kafka, mongo, consul] = [peerUrl('kafka'), peerUrl('mongo'), peerUrl('consul')]
  return kafka && mongo && consul ? { kafka, mongo, consul } : undefined
}

/** One instance of a service, over its restarts. */
export interface FleetMember {
  readonly service: ServiceName
  /** From 0 among the instances of its service. */
  readonly index: number
  /** Stays the same over restarts. */
  readonly url: string
  /** Of the process that runs, or ran last. */
  readonly pid: number
  isRunning(): boolean
  /** What its processes wrote last, both streams. */
  output(): string
  /** Resolves with the signal or exit code of the process that runs now, when it has gone. */
  exited(): Promise<string>
  /** SIGKILL, and waits until it has gone. */
  kill(): Promise<void>
  /** SIGTERM, and waits until it has gone; answers the signal or exit code. */
  stop(): Promise<string>
  /** SIGSTOP: the process stands still. */
  pause(): void
  /** SIGCONT. */
  resume(): void
  /** Starts a process again after one that has gone, and waits until it is ready. `env` adds to the settings. */
  start(env?: Readonly<Record<string, string>>): Promise<void>
  /** The same without the wait. */
  spawn(env?: Readonly<Record<string, string>>): void
  /** Resolves once it answers that it is ready. */
  ready(deadlineMs?: number): Promise<void>
}

/** One process per service instance, on real servers. */
export interface Fleet {
  /** The first gateway's address. */
  readonly url: string
  /** The prefix of its databases, topics and services. */
  readonly name: string
  readonly peers: PeerUrls
  readonly members: readonly FleetMember[]
  of(service: ServiceName): FleetMember[]
  /** Adds and starts an instance, and waits until it is ready. */
  add(service: ServiceName, env?: Readonly<Record<string, string>>): Promise<FleetMember>
  /** Resolves once every running member is ready and listed by the registry. */
  known(deadlineMs?: number): Promise<void>
  /** Ends every process, then removes the databases, topics and registrations. */
  stop(): Promise<void>
}

export interface FleetOptions {
  readonly peers: PeerUrls
  /** Instances of each service; 1 where nothing is said, 0 for none. */
  readonly instances?: Partial<Record<ServiceName, number>>
  /** Adds to or replaces the settings of every process. */
  readonly env?: Readonly<Record<string, string>>
  /** The same for the processes of one service. */
  readonly envOf?: Partial<Record<ServiceName, Readonly<Record<string, string>>>>
  readonly deadlineMs?: number
  /** Whether to wait until all are ready and known. Default true. */
  readonly waits?: boolean
}

/** In the order in which they start; any order works. */
const services = ['auth-service', 'job-service', 'scheduler-service', 'executor-service', 'gateway'] as const

/**
 * Below the ports that systems give to clients, so that no outgoing connection takes one while its process is away. Above
 * 10080, which `fetch` refuses (the port blocking of the Fetch standard).
 */
const portRange = { first: 10_100, count: 9_900 }

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  try {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    return true
  } catch {
    return false
  } finally {
    server.close()
  }
}

async function freePort(taken: ReadonlySet<number>): Promise<number> {
  for (;;) {
    const port = portRange.first + Math.floor(Math.random() * portRange.count)
    if (!taken.has(port) && (await isFree(port))) return port
  }
}

/** The variable that holds a service's port. */
const portKeys: Record<ServiceName, string> = {
  gateway: 'BELFRY_PORT',
  'auth-service': 'BELFRY_AUTH_PORT',
  'job-service': 'BELFRY_JOB_PORT',
  'scheduler-service': 'BELFRY_SCHEDULER_PORT',
  'executor-service': 'BELFRY_EXECUTOR_PORT',
}

/** The settings that make the processes of one fleet belong together, apart from all others on the same servers. */
function settingsOf(name: string, peers: PeerUrls): Record<string, string> {
  const secret = () => randomBytes(32).toString('base64url')
  return {
    BELFRY_MODE: 'distributed',
    BELFRY_BUS_URL: `kafka://${peers.kafka}`,
    BELFRY_BUS_KEY: secret(),
    BELFRY_BUS_TOPIC_CHANGES: `${name}.job-changes`,
    BELFRY_BUS_TOPIC_EXECUTE: `${name}.job-execute`,
    BELFRY_BUS_TOPIC_STATUS: `${name}.job-status`,
    BELFRY_BUS_TOPIC_DEAD_LETTER: `${name}.job-dead-letter`,
    BELFRY_BUS_PARTITIONS: '6',
    BELFRY_REGISTRY_URL: `${peers.consul.replace(/^http:/, 'consul:').replace(/\/$/, '')}/${name}`,
    BELFRY_STORE_URL: peers.mongo.replace(/^(mongodb:\/\/[^/?]+)\/?/, `$1/${name}`),
    BELFRY_SERVICE_KEY: secret(),
    BELFRY_SECRETS_KEY: secret(),
    BELFRY_EXECUTOR_ALLOW_PRIVATE: 'true',
    ...raisedLimits,
  }
}

function createMember(
  service: ServiceName,
  index: number,
  port: number,
  settings: Readonly<Record<string, string>>,
  deadlineMs: number,
): FleetMember {
  const url = `http://127.0.0.1:${port}`
  const file = join(import.meta.dirname, `../apps/${service}/src/main.ts`)
  let child: ChildProcess | undefined
  let exit: Promise<string> = Promise.resolve('never started')
  let isGone = true
  const outputs: (() => string)[] = []
  const output = () => outputs.map((read) => read()).join('')

  const member: FleetMember = {
    service,
    index,
    url,
    get pid() {
      return child?.pid ?? -1
    },
    isRunning: () => !isGone,
    output,
    exited: () => exit,
    spawn(env = {}) {
      if (!isGone) throw new Error(`${service} ${index} runs`)
      const { PATH = '', HOME = '' } = process.env
      const started = spawn(process.execPath, [file], {
        env: { PATH, HOME, ...settings, [portKeys[service]]: String(port), ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      child = started
      isGone = false
      outputs.push(collectOutput(started))
      const ended = (how: string) => {
        isGone = true
        return how
      }
      exit = once(started, 'exit').then(
        ([code, signal]) => ended(String(signal ?? code)),
        (error: Error) => ended(`could not be started: ${error.message}`),
      )
    },
    async ready(readyMs = deadlineMs) {
      let last = 'no answer'
      await eventually(
        `${service} ${index} to be ready`,
        async () => {
          if (isGone) throw new Error(`${service} ${index} ended before it was ready (${await exit}):\n${output()}`)
          try {
            const answer = await fetch(`${url}/readyz?verbose`, { signal: AbortSignal.timeout(2_000) })
            last = `${answer.status} ${await answer.text()}`
            return answer.ok || undefined
          } catch (error) {
            last = inspect(error)
            return undefined
          }
        },
        readyMs,
      ).catch((error: unknown) => {
        const message = error instanceof Error ? error.message : error
        throw new Error(`${message}\nThe last answer of ${url}/readyz: ${last}\n${output()}`)
      })
    },
    async start(env) {
      member.spawn(env)
      await member.ready()
    },
    async kill() {
      if (!isGone) child?.kill('SIGKILL')
      await exit
    },
    async stop() {
      if (!isGone) child?.kill('SIGTERM')
      return exit
    },
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
  }
  return member
}

/** The ids that Consul lists as passing. */
async function passingIds(consul: string, service: string): Promise<string[]> {
  const answer = await fetch(`${consul.replace(/\/$/, '')}/v1/health/service/${service}?passing=1`)
  const entries = (await answer.json()) as { Service: { ID: string } }[]
  return entries.map((entry) => entry.Service.ID)
}

/**
 * Starts one process per service instance on free ports of loopback, with databases, topics and names in the registry of
 * their own, and waits until all are ready and known to each other. Private addresses are on, and limits of rate are raised.
 */
export async function startFleet(options: FleetOptions): Promise<Fleet> {
  const { peers, instances = {}, env = {}, envOf = {}, deadlineMs = 60_000, waits = true } = options
  const name = uniqueName('fleet')
  const settings = { ...settingsOf(name, peers), ...env }
  const members: FleetMember[] = []
  const ports = new Set<number>()

  const of = (service: ServiceName) => members.filter((one) => one.service === service)

  async function addMember(service: ServiceName): Promise<FleetMember> {
    const port = await freePort(ports)
    ports.add(port)
    const member = createMember(service, of(service).length, port, { ...settings, ...envOf[service] }, deadlineMs)
    members.push(member)
    return member
  }

  async function known(knownMs = deadlineMs): Promise<void> {
    const running = members.filter((one) => one.isRunning())
    await Promise.all(running.map((one) => one.ready(knownMs)))
    for (const service of services) {
      const ports = running.filter((one) => one.service === service).map(({ url }) => new URL(url).port)
      await eventually(
        `the registry to list ${ports.length} of ${service}`,
        async () => {
          const ids = await passingIds(peers.consul, `${name}-${service}`)
          return ids.length === ports.length && ports.every((port) => ids.some((id) => id.endsWith(`-${port}`)))
            ? true
            : undefined
        },
        knownMs,
      )
    }
    const gateways = running.filter(({ service }) => service === 'gateway')
    for (const { url } of running.some(({ service }) => service === 'auth-service') ? gateways : []) {
      await eventually('the gateway to reach auth-service', async () => {
        const answer = await fetch(`${url}/auth/.well-known/jwks.json`)
        await answer.arrayBuffer()
        return answer.ok || undefined
      })
    }
  }

  async function stop(): Promise<void> {
    for (const one of members) one.resume()
    // All at once: nothing is to be handed over, and what is stored goes with the databases.
    await Promise.all(members.map((one) => one.kill()))
    await removeTraces(name, peers)
  }

  try {
    for (const service of services) {
      for (let count = instances[service] ?? 1; count > 0; count--) (await addMember(service)).spawn()
    }
    if (waits) await known()
  } catch (error) {
    await stop()
    throw error
  }
  return {
    url: of('gateway')[0]?.url ?? '',
    name,
    peers,
    members,
    of,
    async add(service, more) {
      const member = await addMember(service)
      await member.start(more)
      await known()
      return member
    },
    known,
    stop,
  }
}
