import { execFileSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { hasPeers } from './chaos/peers.ts'
import { fleetPeers } from './fleet.ts'
import { type Layer, layerOf, layers, type Run, type Size } from './report/layers.ts'
import { describeProof } from './report/page.ts'
import { showProgress } from './report/progress.ts'
import { type LayerName, layerNames } from './report/result.ts'
import { commandOf, runLayer } from './report/run-layer.ts'
import { readStored, type StoredResult, store } from './report/stored.ts'

const { values } = parseArgs({
  options: {
    /** Only these layers, with commas between. */
    only: { type: 'string', default: layerNames.join(',') },
    /** The campaigns of a release in place of what CI runs: hours. */
    full: { type: 'boolean', default: false },
    /** Other figures than those of the size. */
    seeds: { type: 'string' },
    faults: { type: 'string' },
    executions: { type: 'string' },
    inputs: { type: 'string' },
    /** Runs nothing: writes the page from the results that are stored. */
    page: { type: 'boolean', default: false },
  },
})

function chosenLayers(): readonly Layer[] {
  const names = values.only.split(',')
  const unknown = names.filter((name) => !layerNames.includes(name as LayerName))
  if (unknown.length > 0) throw new Error(`--only takes ${layerNames.join(', ')}, not ${unknown.join(', ')}`)
  return layers.filter(({ name }) => names.includes(name))
}

/** The arguments of a run with the figures of the command line in the place of its own. */
function withFigures(run: Run, name: LayerName): Run {
  if (name === 'simulation' && values.seeds) return { ...run, args: ['--seeds', values.seeds] }
  if (name === 'fuzz' && values.inputs) return { ...run, env: { ...run.env, BELFRY_FUZZ_INPUTS: values.inputs } }
  if (name !== 'chaos' || !(values.faults || values.executions)) return run
  const { faults = '50', executions = '5000' } = values
  return { ...run, args: ['--faults', faults, '--executions', executions] }
}

/** The commit of the working tree; `+` when files other than what this program writes are changed. */
function commitOf(): string {
  const git = (...args: string[]) => execFileSync('git', args, { cwd: import.meta.dirname, encoding: 'utf8' }).trim()
  try {
    const changed = git(
      'status',
      '--porcelain',
      '--',
      ':/',
      ':(exclude,top)proof/results',
      ':(exclude,top)docs/proof.md',
    )
    return git('rev-parse', '--short=10', 'HEAD') + (changed === '' ? '' : '+')
  } catch {
    return 'unknown'
  }
}

/** What a layer needs and this machine has not. */
function missingOf({ needsServers }: Layer): string | null {
  if (needsServers === 'own' && !hasPeers) return 'no script that starts servers (BELFRY_PEERS)'
  if (needsServers === 'given' && !fleetPeers())
    return 'no servers are given (BELFRY_TEST_KAFKA, BELFRY_TEST_MONGO, BELFRY_TEST_CONSUL)'
  return null
}

async function prove(layer: Layer, size: Size, commit: string): Promise<StoredResult | null> {
  const run = withFigures(layer[size], layer.name)
  const progress = showProgress(layer.title)
  const missing = missingOf(layer)
  if (missing) {
    const last = await readStored(layer.name, size)
    const kept = last ? `its result of ${last.date}, commit ${last.commit}, stays` : 'it was never run'
    progress.end(`left out: ${missing}; ${kept}`)
    return null
  }
  const { result, output, seconds } = await runLayer(layer.name, run, progress.line)
  const tried = Object.entries(result.tried).map(([what, count]) => `${count.toLocaleString('en')} ${what}`)
  progress.end(`${tried.join(', ') || 'nothing tried'}, ${result.found.length} found, ${seconds} s`)
  for (const { rule, subject, text, again, timeline = [] } of result.found) {
    console.log(
      [`  ${rule} ${subject}: ${text}`, ...timeline.map((line) => `    ${line}`), `  again: ${again}`].join('\n'),
    )
  }
  if (result.found.some(({ rule }) => rule === 'end')) console.log(output.map((line) => `    ${line}`).join('\n'))
  const stored = {
    ...{ date: new Date().toISOString().slice(0, 10), commit, seconds },
    ...{ node: process.version, cores: availableParallelism(), command: commandOf(run) },
    ...result,
  }
  // A run that tried nothing does not replace one that did.
  if (tried.length > 0) await store(stored, size)
  return stored
}

const page = join(import.meta.dirname, '../docs/proof.md')
const commit = commitOf()
const size: Size = values.full ? 'campaign' : 'usual'
const results: (StoredResult | null)[] = []
if (!values.page) {
  for (const { name } of chosenLayers()) {
    results.push(await prove(layerOf(name), size, commit))
    await writeFile(page, await describeProof())
  }
}
await writeFile(page, await describeProof())
const wrong = results.filter((one) => one !== null && one.found.length > 0)
console.log(
  wrong.length === 0 ? 'docs/proof.md is written' : `${wrong.length} layers found something; docs/proof.md has it`,
)
process.exitCode = wrong.length === 0 ? 0 : 1
