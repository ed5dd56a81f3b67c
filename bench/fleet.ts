import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from '../proof/belfry-process.ts'
import { type Caller, signUp } from '../proof/caller.ts'
import { type Fleet, type FleetMember, type FleetOptions, fleetPeers, startFleet } from '../proof/fleet.ts'
import { printProfile } from './profile.ts'
import { nameOfMongo, printDocumentSizes, serverProcesses, treeCpuSeconds } from './servers.ts'
import type { WireRecord, WireSum, WireSums } from './wire-recorder.ts'

/** A distributed Belfry that is measured. */
export interface MeasuredFleet {
  readonly fleet: Fleet
  readonly user: Caller
  /** Runs `work`, then prints where the time went for each of `count` things, in one process and at the servers. */
  measure<T>(title: string, count: number, work: () => Promise<T>): Promise<T>
}

type Options = Omit<FleetOptions, 'peers'> & {
  /** Above 0: prints the functions with the most CPU of each process, for each measured part. */
  readonly profiles?: number | undefined
}

/** Text of a number with about three digits. */
const short = (value: number) => (value >= 100 ? value.toFixed(0) : value.toPrecision(3))

async function readRecord(folder: string, pid: number): Promise<WireRecord | undefined> {
  const text = await readFile(join(folder, `${pid}.json`), 'utf8').catch(() => '')
  return text ? (JSON.parse(text) as WireRecord) : undefined
}

/** What a process has used since it began. */
async function usageOf(folder: string, { pid }: FleetMember): Promise<WireRecord> {
  const before = (await readRecord(folder, pid))?.turn ?? 0
  process.kill(pid, 'SIGUSR2')
  return eventually('a process to write its record', async () => {
    const now = await readRecord(folder, pid)
    return now && now.turn > before ? now : undefined
  })
}

const none: WireSum = { count: 0, waitMs: 0, bytes: 0, rows: 0 }

function combine(one: WireSum, other: WireSum, sign: 1 | -1): WireSum {
  return {
    count: one.count + sign * other.count,
    waitMs: one.waitMs + sign * other.waitMs,
    bytes: one.bytes + sign * other.bytes,
    rows: one.rows + sign * other.rows,
  }
}

function difference(before: WireSums, after: WireSums): WireSums {
  const rows = Object.entries(after).map(([kind, sum]) => {
    const then = before[kind] ?? none
    return [kind, combine(sum, then, -1)] as const
  })
  return Object.fromEntries(rows.filter(([, { count }]) => count > 0))
}

function add(into: WireSums, more: WireSums): void {
  for (const [kind, sum] of Object.entries(more)) {
    into[kind] = combine(into[kind] ?? none, sum, 1)
  }
}

/** Waiting for these says nothing about the path: they answer when something is there, or keep a membership. */
const isLongPoll = (kind: string) => kind === 'kafka fetch' || kind === 'kafka join'

function printCalls(service: string, sums: WireSums, count: number, wallMs: number): void {
  const rows = Object.entries(sums).sort(([, one], [, other]) => other.waitMs - one.waitMs)
  for (const [kind, sum] of rows.slice(0, 14)) {
    const each = short((sum.count / count) * 1000)
    const operations = sum.rows > 0 ? `, ${short((sum.rows / count) * 1000)} records` : ''
    const wait = isLongPoll(kind)
      ? 'long poll'
      : `${short(sum.waitMs / sum.count)} ms each, ${short(sum.waitMs / wallMs)} under way`
    const size = `${short(sum.bytes / sum.count)} B`
    console.log(`    ${service.padEnd(18)} ${kind.padEnd(30)} for 1,000: ${each} calls${operations}; ${wait}; ${size}`)
  }
}

async function serverCpu(servers: ReadonlyMap<string, number>): Promise<Map<string, number>> {
  return new Map(await Promise.all([...servers].map(async ([name, pid]) => [name, await treeCpuSeconds(pid)] as const)))
}

async function measureIn<T>(
  { name, members, peers }: Fleet,
  folder: string,
  title: string,
  count: number,
  work: () => Promise<T>,
): Promise<T> {
  const running = members.filter((one) => one.isRunning())
  const usages = () => Promise.all(running.map((one) => usageOf(folder, one)))
  const servers = await serverProcesses(peers)
  const before = await usages()
  const serversBefore = await serverCpu(servers)
  const ownBefore = process.cpuUsage()
  const begun = performance.now()
  const result = await work()
  const wallMs = performance.now() - begun
  const own = process.cpuUsage(ownBefore)
  const serversAfter = await serverCpu(servers)
  const after = await usages()

  console.log(
    `\n${title}: where the time goes, ${count} in ${short(wallMs / 1000)} s, load ${short(loadavg()[0] ?? 0)}`,
  )
  const line = (name: string, seconds: number, rest = '') =>
    console.log(`  ${name.padEnd(22)} ${short((seconds / count) * 1e6)} µs of CPU each${rest}`)
  const calls = new Map<string, WireSums>()
  for (const [at, { service, index }] of running.entries()) {
    const [then, now] = [before[at], after[at]]
    if (!then || !now) continue
    const busy = `, event loop ${(((now.loopMs - then.loopMs) / wallMs) * 100).toFixed(0)} % busy`
    line(`${service} ${index}`, now.cpuSeconds - then.cpuSeconds, busy)
    const sums = calls.get(service) ?? {}
    add(sums, difference(then.sums, now.sums))
    calls.set(service, sums)
  }
  for (const [name, seconds] of serversAfter)
    line(name, seconds - (serversBefore.get(name) ?? 0), ' (all of its users)')
  line('this client', (own.user + own.system) / 1e6)
  for (const [service, sums] of calls) printCalls(service, sums, count, wallMs)
  await printDocumentSizes(peers.mongo, name)
  for (const { service, index, pid } of running)
    await printProfile(join(folder, `${pid}.cpuprofile`), `${service} ${index}`)
  console.log('')
  return result
}

/** How many executions the running executors have ended since they began; a read that costs the stores nothing. */
async function endedExecutions(fleet: Fleet): Promise<number> {
  let sum = 0
  for (const { url } of fleet.of('executor-service').filter((one) => one.isRunning())) {
    const text = await fetch(`${url}/metrics`).then((answer) => answer.text())
    for (const [, value] of text.matchAll(/^belfry_executions_total\{.*\} (\S+)$/gm)) sum += Number(value)
  }
  return sum
}

/** Resolves once the executors have ended `count` executions, counted from the beginning. */
export async function allEnded(fleet: Fleet, count: number, deadlineMs: number): Promise<void> {
  const ended = async () => ((await endedExecutions(fleet)) >= count ? true : undefined)
  await eventually(`${count} executions to have ended`, ended, deadlineMs)
}

/**
 * Runs `work` against a distributed Belfry, one process per service instance, on the servers of BELFRY_TEST_*; then stops
 * it and removes its traces. Throws where one of the servers is missing.
 */
export async function withFleet<T>(options: Options, work: (measured: MeasuredFleet) => Promise<T>): Promise<T> {
  const peers = fleetPeers()
  if (!peers) throw new Error('BELFRY_TEST_KAFKA, BELFRY_TEST_MONGO and BELFRY_TEST_CONSUL must name servers')
  console.log(`Stores: ${await nameOfMongo(peers.mongo)}. Load of the machine: ${short(loadavg()[0] ?? 0)}.`)
  const folder = await mkdtemp(join(tmpdir(), 'belfry-bench-'))
  const env = {
    BELFRY_LOG_LEVEL: 'warn',
    WIRE_RECORD: folder,
    WIRE_PROFILE: (options.profiles ?? 0) > 0 ? '1' : '',
    NODE_OPTIONS: `--import=${new URL('./wire-recorder.ts', import.meta.url)}`,
    ...options.env,
  }
  const fleet = await startFleet({ deadlineMs: 180_000, ...options, peers, env })
  // A benchmark that is ended leaves no processes behind.
  const end = () => void fleet.stop().finally(() => process.exit(130))
  const signals = ['SIGINT', 'SIGTERM'] as const
  for (const signal of signals) process.once(signal, end)
  try {
    const user = await signUp(fleet.url)
    return await work({
      fleet,
      user,
      measure: (title, count, part) => measureIn(fleet, folder, title, count, part),
    })
  } finally {
    for (const signal of signals) process.removeListener(signal, end)
    await fleet.stop()
    await rm(folder, { recursive: true, force: true })
  }
}
