import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { BelfryProcess } from '../../proof/belfry-process.ts'
import { type Caller, readAll } from '../../proof/caller.ts'
import { percentile } from '../report.ts'

/** What a Belfry is at one moment. Sizes are MiB, times milliseconds. */
export interface Sample {
  /** Seconds since the soak began. */
  readonly at: number
  readonly rss: number
  readonly heap: number
  readonly external: number
  /** All database files without their logs, and their logs. */
  readonly db: number
  readonly wal: number
  readonly files: Readonly<Record<string, number>>
  /** Lateness of the crons that were due since the sample before. */
  readonly lateP50: number
  readonly lateP99: number
  readonly crons: number
  /** Delay of the event loop in the last five seconds: 99th percentile, and the longest. */
  readonly loopDelayP99: number
  readonly loopDelayMost: number
  /** Share of the time in which the event loop worked. */
  readonly loopBusy: number
  readonly descriptors: number
  readonly handles: number
  readonly relayPending: number
}

const mib = 2 ** 20

/** The sum of the series of a metric; 0 where there is none. */
function sumOf(metrics: string, name: string): number {
  const lines = metrics.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, 'gm'))
  return [...lines].reduce((sum, [, value]) => sum + Number(value), 0)
}

async function fileSizes(folder: string): Promise<Record<string, number>> {
  const names = (await readdir(folder)).filter((name) => /\.db(-wal)?$/.test(name))
  const sizes = names.map(async (name) => {
    const size = await stat(join(folder, name)).then(
      (one) => one.size,
      () => 0,
    )
    return [name, Math.round((size / mib) * 10) / 10] as const
  })
  return Object.fromEntries(await Promise.all(sizes))
}

const total = (sizes: Record<string, number>, isCounted: (name: string) => boolean) =>
  Object.entries(sizes).reduce((sum, [name, size]) => sum + (isCounted(name) ? size : 0), 0)

/** Where `loop-delay.ts` writes. */
const loopFile = (folder: string) => join(folder, 'loop-delay.json')

/** What a Belfry is started with, so that `loop-delay.ts` writes beside its data. */
export const loopDelayEnv = (folder: string) => ({
  NODE_OPTIONS: `--import=${new URL('./loop-delay.ts', import.meta.url)}`,
  BENCH_LOOP_FILE: loopFile(folder),
})

async function readLoopDelay(folder: string): Promise<{ readonly p99: number; readonly most: number }> {
  const text = await readFile(loopFile(folder), 'utf8').catch(() => '')
  return text === '' ? { p99: Number.NaN, most: Number.NaN } : JSON.parse(text)
}

interface Execution {
  readonly status: string
  readonly fireAt: string
  readonly latenessMs: number | null
}

/** How late a run has started; one that has not counts as late as it is by now. */
const latenessOf = ({ status, latenessMs, fireAt }: Execution, now: number) =>
  status === 'SUCCESS' && latenessMs !== null ? latenessMs : now - Date.parse(fireAt)

/** Takes samples of a Belfry. `prober` owns the crons whose lateness counts, and nothing else. */
export function createSampler(belfry: BelfryProcess, prober: () => Caller, beganAt: number): () => Promise<Sample> {
  let since = Date.now()
  return async () => {
    // A run is shown a moment after its start.
    const until = Date.now() - 2_000
    const span = `from=${new Date(since).toISOString()}&to=${new Date(until - 1).toISOString()}`
    const [metrics, files, loop, runs] = await Promise.all([
      fetch(`${belfry.url}/metrics`).then((answer) => answer.text()),
      fileSizes(belfry.dataDir),
      readLoopDelay(belfry.dataDir),
      // A list that is refused is a sample without lateness, not the end of the soak.
      readAll<Execution>(prober(), `/executions?${span}`).catch(() => []),
    ])
    since = until
    const late = runs.map((one) => latenessOf(one, until + 2_000))
    const isLog = (name: string) => name.endsWith('-wal')
    return {
      at: (performance.now() - beganAt) / 1000,
      rss: sumOf(metrics, 'process_resident_memory_bytes') / mib,
      heap: sumOf(metrics, 'nodejs_heap_size_used_bytes') / mib,
      external: sumOf(metrics, 'nodejs_external_memory_bytes') / mib,
      db: total(files, (name) => !isLog(name)),
      wal: total(files, isLog),
      files,
      lateP50: percentile(late, 0.5),
      lateP99: percentile(late, 0.99),
      crons: late.length,
      loopDelayP99: loop.p99,
      loopDelayMost: loop.most,
      loopBusy: sumOf(metrics, 'nodejs_eventloop_utilization'),
      descriptors: sumOf(metrics, 'process_open_fds'),
      handles: sumOf(metrics, 'nodejs_active_resources_total'),
      relayPending: sumOf(metrics, 'belfry_relay_pending'),
    }
  }
}
