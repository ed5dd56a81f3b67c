import { monitorEventLoopDelay } from 'node:perf_hooks'
import { createBusTarget } from './bus-target.ts'
import { createCampaign, type Failure, type FuzzTarget } from './campaign.ts'
import { cronTarget } from './cron-target.ts'
import { openHttpTarget } from './http-target.ts'
import { createRawTarget } from './raw-target.ts'
import { createStoredTarget } from './stored-target.ts'
import { openSystem } from './system.ts'
import { openTokenTarget } from './token-target.ts'

/** Inputs of all targets together; CI has 100,000. */
const inputs = Number(process.env.BELFRY_FUZZ_INPUTS ?? 100_000)
/** The same seed draws the same inputs, but for ids and times of the run. */
const seed = Number(process.env.BELFRY_FUZZ_SEED ?? 1)
/** Only targets whose names are here, with commas between; all when empty. */
const only = (process.env.BELFRY_FUZZ_ONLY ?? '').split(',').filter(Boolean)

/** Rounds of a run: each target gets its part of every round. The heap is measured after a quarter of them and at the end. */
const rounds = 8
/** How much larger the heap may be at the end than after a quarter of the inputs. */
const growthLimit = 1.3
/** Heap that caches with a bound may fill after a quarter of a short run, bytes. */
const growthSlackBytes = 24 * 1024 * 1024

const crashes: string[] = []
const crash = (kind: string) => (error: unknown) => crashes.push(`${kind}: ${(error as Error)?.stack ?? String(error)}`)
process.on('unhandledRejection', crash('unhandledRejection'))
process.on('uncaughtException', crash('uncaughtException'))
process.on('exit', (code) => {
  if (!isOver) console.error(`the process ends with ${code} before its inputs`)
})
let isOver = false

const delay = monitorEventLoopDelay({ resolution: 10 })
delay.enable()
function longestStallMs(): number {
  const { max } = delay
  delay.reset()
  return max / 1e6
}

function heapBytes(): number {
  if (!globalThis.gc) throw new Error('this needs node --expose-gc')
  globalThis.gc()
  return process.memoryUsage().heapUsed
}
const mib = (bytes: number) => `${(bytes / 1024 / 1024).toFixed(1)} MiB`

const system = await openSystem()
const [http, tokens] = [await openHttpTarget(system), await openTokenTarget(system)]
/** The part of each target in all inputs. */
const parts: readonly (readonly [FuzzTarget<unknown>, number])[] = [
  [http as FuzzTarget<unknown>, 0.25],
  [createRawTarget(system) as FuzzTarget<unknown>, 0.02],
  [createBusTarget(system) as FuzzTarget<unknown>, 0.15],
  [tokens as FuzzTarget<unknown>, 0.17],
  [createStoredTarget() as FuzzTarget<unknown>, 0.18],
  [cronTarget as FuzzTarget<unknown>, 0.23],
]
const failures: Failure[] = []
const campaign = createCampaign(failures, seed)
const tookMs = new Map<string, number>()
let quarterBytes = 0

for (let round = 0; round < rounds; round++) {
  for (const [target, part] of parts) {
    if (only.length > 0 && !only.includes(target.name)) continue
    const at = (index: number) => Math.round((inputs * part * index) / rounds)
    const startedAt = performance.now()
    await campaign.run(target, at(round), at(round + 1), longestStallMs)
    tookMs.set(target.name, (tookMs.get(target.name) ?? 0) + performance.now() - startedAt)
  }
  if (round === rounds / 4 - 1) quarterBytes = heapBytes()
}
const endBytes = heapBytes()

/** After all inputs the services still do their work. */
async function issueOfWork(): Promise<string | undefined> {
  const user = system.callers[0]
  await system.callers[1]?.call('POST', '/system/resume')
  const made = await user?.call<{ id: string }>('POST', '/jobs', { jobType: 'DUMMY', params: { durationMs: 0 } })
  const run = await user?.call<{ id: string }>('POST', `/jobs/${made?.body.id}/trigger`)
  const end = await user?.call<{ status: string }>('GET', `/executions/${run?.body.id}?until=terminal`, undefined, {
    prefer: 'wait=20',
  })
  return end?.body.status === 'SUCCESS'
    ? undefined
    : `a job that is triggered afterwards: ${JSON.stringify([made?.body, run?.body, end?.body])}`
}
const workIssue = await issueOfWork()

for (const [name, ms] of tookMs) console.log(`${name}: ${(ms / 1000).toFixed(1)} s`)
console.log(
  `answers over HTTP: ${[...http.statuses]
    .sort()
    .map(([name, count]) => `${name}: ${count}`)
    .join(', ')}`,
)
const refused = http.operations.filter(({ name }) => !http.accepted.has(name)).map(({ name }) => name)
console.log(`operations that took no valid input: ${refused.join(', ') || 'none'}`)
console.log(`heap: ${mib(quarterBytes)} after a quarter, ${mib(endBytes)} at the end`)
if (process.env.BELFRY_FUZZ_VERBOSE) {
  for (const [name, text] of http.refusedValid) console.log(`refused: ${name} ${text}`)
  const kinds = new Map<string, number>()
  for (const { service, msg, err } of system.errors) {
    const kind = `${service} ${msg} ${err?.stack?.slice(0, 600)}`
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
  }
  for (const [kind, count] of kinds) console.log(`logged ${count} times: ${kind}`)
}

const issues = [
  ...crashes,
  ...failures.map(
    (one) => `${one.target}, seed ${one.seed}: ${one.issue}\n  ${JSON.stringify(one.input).slice(0, 4000)}`,
  ),
  ...(workIssue === undefined ? [] : [workIssue]),
  ...(endBytes > quarterBytes * growthLimit + growthSlackBytes ? ['the heap grows'] : []),
]
await Promise.all([http.close(), tokens.close()])
await system.close()
isOver = true
for (const issue of issues) console.error(issue)
console.log(
  `${inputs} inputs with seed ${seed}: ${issues.length === 0 ? 'nothing fails' : `${issues.length} failures`}`,
)
process.exitCode = issues.length === 0 ? 0 : 1
