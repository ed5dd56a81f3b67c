import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import type { Run } from './layers.ts'
import { type LayerName, type LayerResult, mergeResults, resultFileKey } from './result.ts'

const root = resolve(import.meta.dirname, '../..')

/** Lines of the output that are kept for a layer that fails. */
const tailLines = 200

export interface LayerRun {
  readonly result: LayerResult
  /** The last lines that it wrote. */
  readonly output: readonly string[]
  readonly seconds: number
}

/** The command as it is typed. */
export function commandOf({ script, args = [], env = {} }: Run): string {
  const settings = Object.entries(env).map(([key, value]) => `${key}=${value} `)
  return `${settings.join('')}npm run ${script}${args.length > 0 ? ` -- ${args.join(' ')}` : ''}`
}

/** What leaves no trace of the machine: paths are those of the repository. */
function withoutPaths(text: string): string {
  return text.replaceAll(`${root}/`, '').replaceAll(root, '.').replaceAll(tmpdir(), '/tmp')
}

/** The lines that a layer has written; of a last one that was cut short when its process was killed nothing is left. */
async function readLines(path: string): Promise<LayerResult[]> {
  const text = withoutPaths(await readFile(path, 'utf8').catch(() => ''))
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line))
}

/** The lines as one result. A process that fails without saying what it found is itself what was found. */
export function resultOf(
  name: LayerName,
  run: Run,
  lines: readonly LayerResult[],
  end: { readonly code: number | null; readonly signal: string | null },
): LayerResult {
  const merged = mergeResults(name, lines)
  if (end.code === 0 || merged.found.length > 0) return merged
  const text = `it ended with ${end.signal ?? end.code}`
  return { ...merged, found: [{ rule: 'end', subject: name, text, again: commandOf(run) }] }
}

/** Runs a layer in a process of its own. `onLine` gets each line that it writes. */
export async function runLayer(name: LayerName, run: Run, onLine: (line: string) => void): Promise<LayerRun> {
  const folder = await mkdtemp(join(tmpdir(), 'belfry-proof-'))
  const file = join(folder, 'result.jsonl')
  const since = performance.now()
  const output: string[] = []
  try {
    const child = spawn('npm', ['run', '-s', run.script, '--', ...(run.args ?? [])], {
      cwd: root,
      env: { ...process.env, NO_COLOR: '1', ...run.env, [resultFileKey]: file },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const input of [child.stdout, child.stderr]) {
      createInterface({ input }).on('line', (line) => {
        output.push(line)
        if (output.length > tailLines) output.shift()
        onLine(line)
      })
    }
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
    const result = resultOf(name, run, await readLines(file), { code, signal })
    return { result, output, seconds: Math.round((performance.now() - since) / 1000) }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
