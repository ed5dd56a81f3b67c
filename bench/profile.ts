import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

interface ProfileNode {
  readonly id: number
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
  readonly children?: readonly number[]
}
/** What V8's profiler answers, as far as it is read here. */
interface CpuProfile {
  readonly nodes: readonly ProfileNode[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

const shown = 16
/** Idle time, and what the profiler itself needs. */
const leftOut = /^\(idle\)$|node:inspector/

/** The package or the part of ours that a file belongs to. */
function packageOf(url: string): string {
  const dependency = /node_modules\/((?:@[^/]+\/)?[^/]+)\/(?!.*node_modules\/)/.exec(url)?.[1]
  if (dependency && !dependency.startsWith('@belfry/')) return dependency
  return /\/((?:apps|libs)\/[^/]+)\//.exec(url)?.[1] ?? (url === '' ? '(engine)' : url.split('/')[0] || url)
}

function sumUp(profile: CpuProfile, keyOf: (node: ProfileNode) => string): [string, number][] {
  const keys = new Map(profile.nodes.map((node) => [node.id, keyOf(node)]))
  const sums = new Map<string, number>()
  for (const [at, id] of profile.samples.entries()) {
    const key = keys.get(id) ?? ''
    sums.set(key, (sums.get(key) ?? 0) + (profile.timeDeltas[at] ?? 0))
  }
  return [...sums].filter(([key]) => !leftOut.test(key)).sort(([, one], [, other]) => other - one)
}

function placeOf({ callFrame: { functionName, url, lineNumber } }: ProfileNode): string {
  const name = functionName || '(anonymous)'
  return url === '' ? name : `${name} ${url.replace(/^.*\/(?=(?:apps|libs|node_modules)\/)/, '')}:${lineNumber + 1}`
}

/** Prints the packages and the functions with the most CPU of their own; nothing where there is no such file. */
export async function printProfile(file: string, name: string): Promise<void> {
  const text = await readFile(file, 'utf8').catch(() => '')
  if (text === '') return
  const profile = JSON.parse(text) as CpuProfile
  const places = sumUp(profile, placeOf)
  const packages = sumUp(profile, (node) =>
    node.callFrame.url === '' ? node.callFrame.functionName : packageOf(node.callFrame.url),
  )
  const total = places.reduce((sum, [, us]) => sum + us, 0)
  const print = ([key, us]: readonly [string, number]) =>
    console.log(`    ${((us / total) * 100).toFixed(1).padStart(5)} %  ${key}`)
  console.log(`  profile of ${name}, ${(total / 1e6).toFixed(1)} s not idle`)
  for (const row of packages.slice(0, shown)) print(row)
  console.log('    --')
  for (const row of places.slice(0, 2 * shown)) print(row)
}

/** Profiles of a process and of its threads, which are written when it ends. */
export interface Profiles {
  /** What the process is to be started with. */
  readonly env: Readonly<Record<string, string>>
  /** Prints each profile once the process has ended, and removes them. */
  print(): Promise<void>
}

/** Profiles that are wanted (`--profile` of a benchmark of the standalone mode sets BENCH_PROFILE); undefined: none are. */
export async function openProfiles(): Promise<Profiles | undefined> {
  if (!process.env.BENCH_PROFILE) return undefined
  const folder = await mkdtemp(join(tmpdir(), 'belfry-profile-'))
  return {
    env: { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${folder}` },
    async print() {
      // CPU.<date>.<time>.<process>.<thread>.<number>.cpuprofile; thread 0 is the main one.
      for (const name of (await readdir(folder)).sort()) {
        const thread = name.split('.').at(-3) ?? ''
        await printProfile(join(folder, name), thread === '0' ? 'the main thread' : `thread ${thread}`)
      }
      await rm(folder, { recursive: true, force: true })
    },
  }
}
