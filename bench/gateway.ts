import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { Pool } from 'undici'
import { cpuSeconds, inParallel } from './belfry.ts'
import type { Ready } from './gateway-children.ts'
import { type Benchmark, type Figure, percentile } from './report.ts'

interface Child extends Ready {
  readonly child: ChildProcess
  readonly pool: Pool
}

async function open(kind: string, port = 0, connections = 16): Promise<Child> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'gateway-children.ts'), kind, String(port)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer]
  const ready = JSON.parse(line.toString()) as Ready
  return { ...ready, child, pool: new Pool(`http://127.0.0.1:${ready.port}`, { connections, pipelining: 1 }) }
}

async function close({ child, pool }: Child): Promise<void> {
  await pool.close()
  child.kill('SIGKILL')
}

async function get({ pool, token }: Child): Promise<number> {
  const begun = performance.now()
  const answer = await pool.request({
    method: 'GET',
    path: '/jobs/job-1',
    headers: { authorization: `Bearer ${token}` },
  })
  await answer.body.text()
  if (answer.statusCode !== 200) throw new Error(`GET: ${answer.statusCode}`)
  return performance.now() - begun
}

/** CPU of the process for one GET, µs. */
async function cpuOf(one: Child, n: number): Promise<number> {
  const before = await cpuSeconds(one.child.pid as number)
  await inParallel(n, 16, async () => void (await get(one)))
  return (((await cpuSeconds(one.child.pid as number)) - before) / n) * 1e6
}

const median = (values: readonly number[]) => percentile(values, 0.5)
const kinds = ['gateway', 'chain', 'chain-cached'] as const

/** Figures of the gateway against the plain chain of the same packages, alternating in one run. */
async function withAll(
  work: (all: Record<string, Child>) => Promise<Figure[]>,
  connections: number,
): Promise<Figure[]> {
  const service = await open('service', 0, connections)
  const all: Record<string, Child> = { service }
  try {
    for (const kind of kinds) all[kind] = await open(kind, service.port, connections)
    return await work(all)
  } finally {
    for (const one of Object.values(all)) await close(one)
  }
}

export const g1: Benchmark = {
  title: 'G1: CPU of the gateway for a GET against the plain chain of @fastify/jwt, @fastify/http-proxy and opossum',
  defaults: { n: 6000, rounds: 4 },
  run: ({ n = 0, rounds = 0 }) =>
    withAll(async (all) => {
      const used: Record<string, number[]> = {}
      for (const kind of kinds) await cpuOf(all[kind] as Child, Math.min(n, 3000))
      for (let round = 0; round < rounds; round++)
        for (const kind of kinds) used[kind] = [...(used[kind] ?? []), await cpuOf(all[kind] as Child, n)]
      const [ours = 0, plain = 0, cached = 0] = kinds.map((kind) => median(used[kind] ?? []))
      return [
        { id: 'G1', what: 'CPU of the gateway for a GET', value: ours, unit: 'µs' },
        { id: 'G1', what: 'CPU of the chain', value: plain, unit: 'µs' },
        { id: 'G1', what: 'CPU of the chain with a token cache', value: cached, unit: 'µs' },
        { id: 'G1', what: 'gateway / chain', value: ours / plain, unit: 'x', goal: { atMost: 0.45 } },
        {
          id: 'G1',
          what: 'gateway / chain with a token cache',
          value: ours / cached,
          unit: 'x',
          goal: { atMost: 0.8 },
        },
      ]
    }, 16),
}

export const g2: Benchmark = {
  title: 'G2: latency that the gateway adds to a GET over one connection, against the same chain',
  defaults: { n: 3000, rounds: 4 },
  run: ({ n = 0, rounds = 0 }) =>
    withAll(async (all) => {
      const p50s: Record<string, number[]> = {}
      for (let round = 0; round < rounds + 1; round++) {
        for (const kind of ['service', ...kinds]) {
          const waits: number[] = []
          for (let call = 0; call < n / 4; call++) waits.push(await get(all[kind] as Child))
          // The first round warms up.
          if (round > 0) p50s[kind] = [...(p50s[kind] ?? []), median(waits)]
        }
      }
      const added = (kind: string) => median(p50s[kind] ?? []) - median(p50s.service ?? [])
      const goal = { atMost: 0.35 }
      return [
        { id: 'G2', what: 'latency added by the gateway, p50', value: added('gateway'), unit: 'ms', goal },
        { id: 'G2', what: 'latency added by the chain', value: added('chain'), unit: 'ms' },
        { id: 'G2', what: 'latency added by the chain with a token cache', value: added('chain-cached'), unit: 'ms' },
      ]
    }, 1),
}
