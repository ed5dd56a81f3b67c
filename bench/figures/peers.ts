import { execFileSync } from 'node:child_process'
import { access, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { runChild } from './child.ts'
import { startPostgres, startRedis } from './peer-servers.ts'
import type { PeerMeasurement, Setting } from './plan.ts'
import type { PeerResult } from './rows.ts'

const folder = join(import.meta.dirname, '../peers')
/** One setting of one peer may take this long, milliseconds. */
const deadlineMs = 300_000

const displayNames = { bullmq: 'BullMQ', 'pg-boss': 'pg-boss', 'graphile-worker': 'graphile-worker' }

async function versionOf(name: string): Promise<string | undefined> {
  const text = await readFile(join(folder, 'node_modules', name, 'package.json'), 'utf8').catch(() => '')
  return text === '' ? undefined : (JSON.parse(text) as { version: string }).version
}

/** Installs the pinned versions of `bench/peers`, without their install scripts, where they are not there yet. */
export async function installPeers(): Promise<void> {
  const text = await readFile(join(folder, 'package.json'), 'utf8')
  const { dependencies } = JSON.parse(text) as { dependencies: Record<string, string> }
  const installed = await Promise.all(
    Object.entries(dependencies).map(async ([name, version]) => (await versionOf(name)) === version),
  )
  if (installed.every((one) => one)) return
  await access(join(folder, 'package-lock.json'))
  execFileSync('npm', ['ci', '--ignore-scripts'], { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] })
}

async function measureOne(
  { peer, work, server }: PeerMeasurement,
  { options, fsync }: Setting,
  sizes: Readonly<Record<string, number>>,
): Promise<Record<string, number> | string> {
  const running = server === 'redis' ? await startRedis(fsync) : await startPostgres()
  if (!running) return server === 'redis' ? 'no redis-server on PATH' : 'no initdb and postgres found'
  try {
    const given = JSON.stringify({ ...sizes, ...options, url: running.url })
    const args = [join(folder, `${peer}.mjs`), ...(work ? [work] : []), given]
    const result = await runChild(args, { deadlineMs })
    return 'why' in result ? result.why : (result.value as Record<string, number>)
  } finally {
    await running.stop()
  }
}

/** What came of the settings of one measurement: the best of them, or why there is none. */
export interface PeerOutcome {
  readonly key: string
  readonly result?: PeerResult
  readonly tried: readonly { readonly setting: string; readonly values?: unknown; readonly why?: string }[]
}

/** Measures a peer with each of its settings (`isQuick`: with the first) and takes the best. */
export async function measurePeer(measurement: PeerMeasurement, isQuick: boolean): Promise<PeerOutcome> {
  const { key, peer, best, settings } = measurement
  const tried: PeerOutcome['tried'][number][] = []
  let result: PeerResult | undefined
  const name = `${displayNames[peer]} ${(await versionOf(peer)) ?? ''}`.trim()
  for (const setting of isQuick ? settings.slice(0, 1) : settings) {
    const values = await measureOne(measurement, setting, isQuick ? measurement.quick : measurement.full)
    if (typeof values === 'string') {
      tried.push({ setting: setting.text, why: values })
      continue
    }
    tried.push({ setting: setting.text, values })
    const [now, before] = [values[best.value] ?? Number.NaN, result?.values[best.value]]
    const isBetter = before === undefined || (best.is === 'highest' ? now > before : now < before)
    if (isBetter) result = { name, setting: setting.text, unit: best.unit, values }
  }
  return { key, tried, ...(result && { result }) }
}
