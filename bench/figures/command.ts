import { appendFile } from 'node:fs/promises'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Figure, type Report, round } from '../report.ts'
import { missingServers, nameOfMongo } from '../servers.ts'
import { runChild } from './child.ts'
import { describeMachine, type Machine, warningOf } from './machine.ts'
import { installPeers, measurePeer, type PeerOutcome } from './peers.ts'
import { figureNames, fullOptions, peerMeasurements, type Step, steps } from './plan.ts'
import { notMeasured, type PeerResult, type Row, rowsOf, tableText } from './rows.ts'

const runFile = join(import.meta.dirname, '../run.ts')
/** One benchmark may take this long, milliseconds. */
const deadlineMs = 900_000

interface Options {
  readonly only: readonly string[]
  readonly hasPeers: boolean
  readonly isQuick: boolean
  readonly isFull: boolean
  readonly isAll: boolean
  readonly isVerbose: boolean
  /** A benchmark whose goal was missed runs once more, with a profile. */
  readonly isProfiled: boolean
  readonly json: string
}

/** Reads the arguments; throws for a figure that is none. */
export function readOptions(args: readonly string[]): Options {
  const flag = { type: 'boolean', default: false } as const
  const { values } = parseArgs({
    args: [...args],
    options: {
      peers: flag,
      quick: flag,
      full: flag,
      all: flag,
      verbose: flag,
      profile: flag,
      only: { type: 'string', default: '' },
      json: { type: 'string', default: 'figures.jsonl' },
    },
  })
  const only = values.only.split(',').filter((name) => name !== '')
  const unknown = only.find((name) => !figureNames.includes(name))
  if (unknown !== undefined) throw new Error(`--only takes figures of ${figureNames.join(', ')}, not "${unknown}"`)
  return {
    only: only.length > 0 ? only : figureNames,
    hasPeers: values.peers,
    isQuick: values.quick,
    isFull: values.full,
    isAll: values.all,
    isVerbose: values.verbose,
    isProfiled: values.profile,
    json: values.json,
  }
}

/** The figures of a step, or why it has none. */
async function runStep(
  step: Step,
  options: Options,
  flags: readonly string[] = [],
): Promise<readonly Figure[] | string> {
  const missing = step.isDistributed ? missingServers() : []
  if (missing.length > 0) return `${missing.join(', ')} not set`
  const given = options.isQuick
    ? step.quick
    : { ...step.full, ...(options.isFull ? fullOptions[step.benchmark] : undefined) }
  const numbers = Object.entries(given).flatMap(([key, value]) => [`--${key}`, String(value)])
  const result = await runChild([runFile, step.benchmark, ...numbers, ...flags], {
    deadlineMs,
    ...((options.isVerbose || flags.length > 0) && { onText: (text: string) => process.stderr.write(text) }),
  })
  return 'why' in result ? result.why : (result.value as Report).figures
}

/** The measurements of the peers that a benchmark is compared with, in turn. */
async function runPeers(benchmark: string, { isQuick, hasPeers }: Options): Promise<readonly PeerOutcome[]> {
  const outcomes: PeerOutcome[] = []
  for (const measurement of peerMeasurements.filter(({ beside }) => hasPeers && beside === benchmark)) {
    console.error(`  beside it: ${measurement.key}`)
    outcomes.push(await measurePeer(measurement, isQuick))
  }
  return outcomes
}

function printPeers(outcomes: readonly PeerOutcome[]): void {
  for (const { key, result, tried } of outcomes) {
    console.log(`${key}: ${result ? `${result.name}, best: ${result.setting}` : 'not measured'}`)
    for (const { setting, values, why } of tried) console.log(`  ${setting}: ${why ?? JSON.stringify(values)}`)
  }
}

/** What came of one step: its rows, and the peers beside it. */
interface Outcome {
  readonly rows: readonly Row[]
  readonly peers: readonly PeerOutcome[]
}

async function measureStep(step: Step, options: Options): Promise<Outcome> {
  const result = await runStep(step, options)
  if (typeof result === 'string') return { rows: [notMeasured(step.figure, step.benchmark, result)], peers: [] }
  const peers = await runPeers(step.benchmark, options)
  const results = peers.flatMap(({ key, result }) => (result ? [[key, result] as const] : []))
  return { rows: rowsOf(result, new Map<string, PeerResult>(results), options.isAll), peers }
}

/** Appends the rows and the peers' settings, a JSON line each, with what they were measured on. */
async function record(file: string, machine: Machine, { rows, peers }: Outcome): Promise<void> {
  const lines = [...rows.map((row) => ({ row })), ...peers.map((peer) => ({ peer }))]
  await appendFile(file, lines.map((line) => `${JSON.stringify({ ...line, machine })}\n`).join(''))
}

async function printHeader(machine: Machine): Promise<void> {
  const { date, commit, node, cores, cpu, loadBefore, fsyncMs } = machine
  console.log(`${date}, commit ${commit}, Node ${node}`)
  console.log(`${cores} cores (${cpu}), load ${loadBefore}, a write with fsync ${fsyncMs} ms`)
  const mongo = process.env.BELFRY_TEST_MONGO
  if (missingServers().length === 0 && mongo) console.log(`P2 and P7: Kafka, Consul, and ${await nameOfMongo(mongo)}`)
}

/** Measures the figures one after the other, each in fresh processes, and prints the table. Resolves to whether each goal was met. */
export async function figures(args: readonly string[]): Promise<boolean> {
  const options = readOptions(args)
  const machine = describeMachine()
  await printHeader(machine)
  const warning = warningOf(machine)
  if (warning !== '') console.log(warning)
  if (options.hasPeers) await installPeers()
  const outcomes: Outcome[] = []
  for (const step of steps.filter(({ figure }) => options.only.includes(figure))) {
    const loadBefore = round(loadavg()[0] ?? 0)
    console.error(`${step.figure}: ${step.benchmark} (load ${loadBefore})`)
    const outcome = await measureStep(step, options)
    outcomes.push(outcome)
    const isMissed = outcome.rows.some(({ met }) => met === false)
    if (options.isProfiled && isMissed) await runStep(step, options, ['--profile'])
    await record(options.json, { ...machine, loadBefore }, outcome)
  }
  const rows = outcomes.flatMap((one) => one.rows)
  console.log(`\n${tableText(rows)}\n`)
  printPeers(outcomes.flatMap(({ peers }) => peers))
  if (options.isQuick) console.log('This was --quick: it shows that the command works, and no figure.')
  if (warning !== '') console.log(warning)
  console.log(`JSON lines: ${options.json}`)
  return rows.every(({ met }) => met !== false)
}
