import { parseArgs } from 'node:util'
import { runCampaign } from './campaign.ts'
import { countImmediates } from './event-loop.ts'
import { recordCampaign } from './result.ts'
import { collectErrors, runSeed } from './run-seed.ts'
import type { Summary } from './summary.ts'

/** Seeds without an option: what CI runs. */
const usualSeeds = 2_000
const progressMs = 5_000
/** Failed seeds that are printed with their timelines. */
const mostPrinted = 20

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: String(usualSeeds) },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    workers: { type: 'string' },
    /** Appends the result to this file (proof/README.md). */
    json: { type: 'string' },
  },
})

const seconds = (ms: number) => (ms / 1_000).toFixed(1)

/** The seed, what does not hold, how to see it again, and what happened to the job concerned. */
function printFailure({ seed, violations, timeline }: Summary): void {
  console.log(`\nseed ${seed}: ${violations.length} violations`)
  for (const { rule, subject, text } of violations.slice(0, 20)) console.log(`  ${rule} ${subject}: ${text}`)
  console.log(`  replay: npm run proof:simulation -- --seed ${seed}`)
  for (const line of timeline) console.log(line)
}

function printCounts(counts: Iterable<readonly [string, number]>): void {
  const sorted = [...counts].sort(([a], [b]) => (a < b ? -1 : 1))
  const listOf = (isFault: boolean) =>
    sorted
      .filter(([name]) => name.startsWith('fault ') === isFault)
      .map(([name, count]) => `${name.replace('fault ', '')} ${count.toLocaleString('en')}`)
      .join(', ')
  console.log(`faults: ${listOf(true)}`)
  console.log(`what happened: ${listOf(false)}`)
}

async function runOne(seed: number): Promise<number> {
  const ends = [countImmediates(), collectErrors()]
  const summary = await runSeed(seed, {}, true)
  for (const end of ends) end()
  if (summary.violations.length > 0) printFailure(summary)
  console.log(`seed ${seed}: ${seconds(summary.lastedMs)} s simulated, history ${summary.hash}`)
  printCounts(summary.counts)
  console.log(`${summary.violations.length} violations`)
  return summary.violations.length
}

async function runMany(): Promise<number> {
  const begun = performance.now()
  let printedAt = begun
  let failures = 0
  const seeds = Number(values.seeds)
  const result = await runCampaign({
    from: Number(values.from),
    seeds,
    ...(values.workers !== undefined && { workers: Number(values.workers) }),
    onSummary(summary, done) {
      if (summary.violations.length > 0) {
        failures += 1
        if (failures <= mostPrinted) printFailure(summary)
      }
      if (performance.now() - printedAt < progressMs) return
      printedAt = performance.now()
      console.log(`${done} of ${seeds} seeds in ${seconds(printedAt - begun)} s, ${failures} with violations`)
    },
  })
  const tookMs = performance.now() - begun
  console.log(`\n${result.seeds} seeds, ${seconds(result.simulatedMs)} s simulated in ${seconds(tookMs)} s`)
  printCounts(result.counts)
  const violations = result.failed.reduce((sum, one) => sum + one.violations.length, 0)
  console.log(`violations: ${violations}${violations > 0 ? ` in ${result.failed.length} seeds` : ''}`)
  recordCampaign(result, values.json)
  return violations
}

const violations = values.seed === undefined ? await runMany() : await runOne(Number(values.seed))
process.exitCode = violations > 0 ? 1 : 0
