import { monitorEventLoopDelay } from 'node:perf_hooks'
import { recordResult } from '../report/result.ts'
import { createBusTarget } from './bus-target.ts'
import { createCampaign, type Failure, type FuzzTarget } from './campaign.ts'
import { cronTarget } from './cron-target.ts'
import { type HttpTarget, openHttpTarget } from './http-target.ts'
import { createRawTarget } from './raw-target.ts'
import { createStoredTarget } from './stored-target.ts'
import { openSystem, type System } from './system.ts'
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

const crashes: string[] = []
const crash = (kind: string) => (error: unknown) => crashes.push(`${kind}: ${(error as Error)?.stack ?? String(error)}`)
process.on('unhandledRejection', crash('unhandledRejection'))
process.on('uncaughtException', crash('uncaughtException'))

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

type AnyTarget = FuzzTarget<unknown>

/** The targets, each with its part in all inputs. */
async function openTargets(system: System) {
  const [http, tokens] = [await openHttpTarget(system), await openTokenTarget(system)]
  const parts: readonly (readonly [AnyTarget, number])[] = [
    [http as AnyTarget, 0.25],
    [createRawTarget(system) as AnyTarget, 0.02],
    [createBusTarget(system) as AnyTarget, 0.15],
    [tokens as AnyTarget, 0.17],
    [createStoredTarget() as AnyTarget, 0.18],
    [cronTarget as AnyTarget, 0.23],
  ]
  const chosen = parts.filter(([{ name }]) => only.length === 0 || only.includes(name))
  return { http, parts: chosen, close: () => Promise.all([http.close(), tokens.close()]) }
}

/** Runs all inputs; resolves to the heap after a quarter of them and at the end, bytes. */
async function runAll(http: HttpTarget, parts: readonly (readonly [AnyTarget, number])[], failures: Failure[]) {
  const campaign = createCampaign(failures, seed)
  /** Valid inputs of each operation until it takes one. */
  async function tryEach(mostTries: number): Promise<void> {
    for (const operation of http.operations) {
      const { name } = operation
      if (needMore.has(name)) continue
      const target = { ...http, name: `${http.name} ${name}`, draw: (one: number) => http.drawValid(operation, one) }
      for (let tried = 0; tried < mostTries && !http.accepted.has(name); tried += target.callers)
        await campaign.run(target, tried, tried + target.callers, longestStallMs)
    }
  }
  // Before and after the others: at first there are few ids that exist, and later most of what was made is deleted, or locked.
  if (checksAcceptance) await tryEach(80)
  const tookMs = new Map<string, number>()
  let quarterBytes = 0
  for (let round = 0; round < rounds; round++) {
    for (const [target, part] of parts) {
      const at = (index: number) => Math.round((inputs * part * index) / rounds)
      const startedAt = performance.now()
      await campaign.run(target, at(round), at(round + 1), longestStallMs)
      tookMs.set(target.name, (tookMs.get(target.name) ?? 0) + performance.now() - startedAt)
    }
    if (round === rounds / 4 - 1) quarterBytes = heapBytes()
  }
  if (checksAcceptance) await tryEach(1000)
  for (const [name, ms] of tookMs) console.log(`${name}: ${(ms / 1000).toFixed(1)} s`)
  return { quarterBytes, endBytes: heapBytes() }
}

/** After all inputs the services still do their work. */
async function issuesOfWork({ callers: [user, admin] }: System): Promise<string[]> {
  await admin?.call('POST', '/system/resume')
  const made = await user?.call<{ id: string }>('POST', '/jobs', { jobType: 'DUMMY', params: { durationMs: 0 } })
  const run = await user?.call<{ id: string }>('POST', `/jobs/${made?.body.id}/trigger`)
  const path = `/executions/${run?.body.id}?until=terminal`
  const end = await user?.call<{ status: string }>('GET', path, undefined, { prefer: 'wait=20' })
  if (end?.body.status === 'SUCCESS') return []
  return [`a job that is triggered afterwards: ${JSON.stringify([made?.body, run?.body, end?.body])}`]
}

/** Faults of the program that a loop or a consumer caught and logged. */
function issuesOfLog({ errors }: System): string[] {
  const faults = errors.filter(({ err }) => /^(?:Type|Range|Reference|Syntax|URI)Error/.test(err?.stack ?? ''))
  return [...new Set(faults.map(({ service, msg, err }) => `${service} logs "${msg}": ${err?.stack?.slice(0, 600)}`))]
}

/** Operations that need what only a mail, a file, a past, a delivery or a password has: a schema does not give a valid input for them. */
const needMore = new Set([
  'refreshLogin',
  'makeFirstAdmin',
  'changePassword',
  'acceptInvitation',
  'backfillJob',
  'redeliverMessage',
  'confirmNotification',
  'sendNotificationCode',
  'getArtifact',
])
/** With fewer inputs there are not enough of any kind to say so. */
const checksAcceptance = inputs >= 50_000 && only.length === 0

function issuesOfAcceptance({ operations, accepted, refusedValid }: HttpTarget): string[] {
  const refused = operations.filter(({ name }) => !accepted.has(name)).map(({ name }) => name)
  console.log(`operations that took no valid input: ${refused.join(', ') || 'none'}`)
  if (!checksAcceptance) return []
  return refused
    .filter((name) => !needMore.has(name))
    .map((name) => `${name} takes no valid input: ${refusedValid.get(name)}`)
}

/** The result for `npm run proof`. */
function record(
  parts: readonly (readonly [AnyTarget, number])[],
  { statuses, operations }: HttpTarget,
  failures: readonly Failure[],
  issues: readonly string[],
): void {
  const again = `BELFRY_FUZZ_INPUTS=${inputs} BELFRY_FUZZ_SEED=${seed} npm run proof:fuzz`
  recordResult({
    layer: 'fuzz',
    tried: { inputs, operations: operations.length },
    seen: Object.fromEntries([...statuses].sort().map(([status, count]) => [`answers ${status}`, count])),
    parts: parts.map(([{ name }, part]) => ({
      name,
      isAsExpected: failures.every(({ target }) => target !== name),
      figures: { inputs: Math.round(inputs * part) },
    })),
    found: issues.map((text) => ({ rule: 'input', subject: `seed ${seed}`, text: text.slice(0, 4000), again })),
  })
}

async function main(): Promise<void> {
  const system = await openSystem()
  const { http, parts, close } = await openTargets(system)
  const failures: Failure[] = []
  const { quarterBytes, endBytes } = await runAll(http, parts, failures)
  const answers = [...http.statuses].sort().map(([name, count]) => `${name}: ${count}`)
  console.log(`answers over HTTP: ${answers.join(', ')}`)
  console.log(`heap: ${mib(quarterBytes)} after a quarter, ${mib(endBytes)} at the end`)
  const issues = [
    ...(await issuesOfWork(system)),
    ...issuesOfLog(system),
    ...issuesOfAcceptance(http),
    ...(endBytes > quarterBytes * growthLimit ? ['the heap grows'] : []),
    ...failures.map(
      (one) => `${one.target}, seed ${one.seed}: ${one.issue}\n  ${JSON.stringify(one.input).slice(0, 4000)}`,
    ),
  ]
  await close()
  await system.close()
  issues.push(...crashes)
  for (const issue of issues) console.error(issue)
  record(parts, http, failures, issues)
  const outcome = issues.length === 0 ? 'nothing fails' : `${issues.length} failures`
  console.log(`${inputs} inputs with seed ${seed}: ${outcome}`)
  process.exitCode = issues.length === 0 ? 0 : 1
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
