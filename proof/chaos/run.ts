import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Figures, recordResult } from '../report/result.ts'
import { describeServers } from '../report/servers.ts'
import { type CampaignResult, chaosInstances, runCampaign } from './campaign.ts'
import { historyOf } from './history.ts'
import { hasPeers, startServers } from './peers.ts'
import { makePlan } from './plan.ts'

const options = {
  /** The same seed gives the same faults, times and load. */
  seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  faults: { type: 'string', default: '50' },
  executions: { type: 'string', default: '5000' },
  /** From one fault to the next on average, milliseconds. */
  pace: { type: 'string', default: '7000' },
  /** Where the records are kept; left out, they are removed unless something is wrong. */
  folder: { type: 'string' },
} as const
const shortestMs = 30_000
const mostHistories = 5

function numberOf(name: 'seed' | 'faults' | 'executions' | 'pace', text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 0)
    throw new Error(`--${name} takes a whole number from 0 on, not "${text}"`)
  return value
}

const figuresOf = (names: readonly string[]): Figures =>
  Object.fromEntries([...Map.groupBy(names, (name) => name)].map(([name, all]) => [name, all.length]))

function countBy(names: readonly string[]): string {
  const counts = Object.entries(figuresOf(names)).map(([name, count]) => `${count} ${name}`)
  return counts.toSorted().join(', ') || 'none'
}

/** The result for `npm run proof`. */
function record(result: CampaignResult, again: string, servers: string): void {
  const { evidence, violations, injected, ends } = result
  const { stores, load, calls } = evidence
  const states = stores.executions.map(({ state }) => `executions ${state}`)
  const outcomes = stores.executions.flatMap(({ attempts }) => attempts.map(({ outcome }) => `attempts ${outcome}`))
  const kinds = injected.map(({ fault }) => `${fault.kind} ${'peer' in fault ? fault.peer : fault.service}`)
  recordResult({
    layer: 'chaos',
    tried: { requests: load.answered.size, executions: stores.executions.length, 'calls of the target': calls.length },
    injected: figuresOf(kinds),
    seen: { ...figuresOf([...states, ...outcomes]), 'processes that ended by themselves': ends.length },
    found: violations.map((violation) => ({ ...violation, again, timeline: historyOf(violation, result) })),
    servers,
  })
}

function report(result: CampaignResult): void {
  const { evidence, violations, injected, ends, quietAfterMs, durationMs } = result
  const { stores, load, calls } = evidence
  const starts = new Set(calls.map(({ key, epoch }) => `${key} ${epoch}`)).size
  console.log(`faults       ${countBy(injected.map(({ fault }) => fault.kind))}`)
  console.log(`answered     ${countBy([...load.answered.values()].map(({ kind }) => kind))}`)
  console.log(`refused      ${[...load.refusals].map(([what, count]) => `${count} x ${what}`).join(', ') || 'none'}`)
  console.log(`executions   ${stores.executions.length}: ${countBy(stores.executions.map(({ state }) => state))}`)
  console.log(`fire log     ${countBy(stores.fireLog.map(({ decision, reason }) => `${decision} (${reason})`))}`)
  console.log(
    `attempts     ${countBy(stores.executions.flatMap((one) => one.attempts.map(({ outcome }) => String(outcome))))}`,
  )
  console.log(
    `calls        ${calls.length}, ${starts} attempts, ${new Set(calls.map(({ key }) => key)).size} executions`,
  )
  console.log(`own ends     ${countBy(ends.map(({ member, end }) => `${member} with ${end}`))}`)
  console.log(`quiet after  ${quietAfterMs} ms; all in all ${Math.round(durationMs / 1000)} s`)
  console.log(`violations   ${countBy(violations.map(({ rule }) => rule))}`)
  for (const { member, end, output } of ends.slice(0, mostHistories))
    console.log(`\n${member} ended with ${end}:\n${output}`)
  for (const violation of violations.slice(0, mostHistories)) {
    console.log(`\n${violation.rule} ${violation.subject}: ${violation.text}`)
    for (const line of historyOf(violation, result)) console.log(`  ${line}`)
  }
  for (const { rule, subject, text } of violations.slice(mostHistories, 50)) console.log(`${rule} ${subject}: ${text}`)
}

const { values } = parseArgs({ options })
const [seed, faults, executions, paceMs] = (['seed', 'faults', 'executions', 'pace'] as const).map((name) =>
  numberOf(name, values[name]),
) as [number, number, number, number]
if (!hasPeers) {
  console.log('proof:chaos is skipped: the script that starts the servers is not there (BELFRY_PEERS)')
  process.exit(0)
}
const again = `npm run proof:chaos -- --seed ${seed} --faults ${faults} --executions ${executions} --pace ${paceMs}`
console.log(again)

const folder = values.folder ?? (await mkdtemp(join(tmpdir(), 'belfry-chaos-')))
// A signal does not end this process at once: its servers and processes go first.
const interrupted = new Promise<never>((_, reject) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => reject(new Error(signal)))
})
const servers = await startServers()
try {
  const described = await describeServers(servers.urls)
  const durationMs = Math.max(shortestMs, faults * paceMs)
  const plan = makePlan({ seed, faults, executions, durationMs, instances: chaosInstances })
  const result = await runCampaign(plan, { servers, folder, say: console.log, interrupted })
  report(result)
  record(result, again, described)
  if (result.violations.length > 0) {
    process.exitCode = 1
    console.log(`\nrecords in ${folder}; again: ${again}`)
  } else if (!values.folder) await rm(folder, { recursive: true })
} finally {
  await servers.stop()
}
