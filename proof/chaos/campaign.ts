import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ServiceName } from '@belfry/contracts'
import { type Fleet, startFleet } from '../fleet.ts'
import type { Violation } from '../violation.ts'
import { checkEvidence, type Evidence } from './check.ts'
import { type Injected, type Injection, injectFaults } from './inject.ts'
import { startLoad } from './load.ts'
import type { Servers } from './peers.ts'
import type { Plan } from './plan.ts'
import { type ReadyGateways, watchGateways } from './ready-gateways.ts'
import { createStoreReader, type StoreReader } from './stores.ts'
import { startTarget, type TargetProcess } from './target-record.ts'
import { type StoreWatch, watchStores } from './watch.ts'

/** Two of what shares its work by instances. */
export const chaosInstances: Readonly<Record<ServiceName, number>> = {
  gateway: 1,
  'auth-service': 1,
  'job-service': 2,
  'scheduler-service': 2,
  'executor-service': 2,
}

/** What a campaign checks does not depend on speed: on a busy machine a process may take long to start and a call to answer. */
const patientMs = { start: 180_000, request: 240_000, quiet: 300_000 }

/** The same for the services: a slow machine must not look like a service that fails. */
export const patience = {
  BELFRY_LOG_LEVEL: 'warn',
  BELFRY_BREAKER_TIMEOUT_MS: '25000',
  BELFRY_JOB_FENCE_TIMEOUT_MS: '10000',
  BELFRY_GATEWAY_READY_TIMEOUT_MS: '5000',
}

export interface CampaignOptions {
  /** A set of their own: the faults hit them. */
  readonly servers: Servers
  /** For the records; it is made. */
  readonly folder: string
  readonly instances?: Readonly<Record<ServiceName, number>>
  /** Adds to the settings of every process. */
  readonly env?: Readonly<Record<string, string>>
  /** What else is done while the load runs; the campaign goes on when it is over. */
  readonly meanwhile?: (fleet: Fleet) => Promise<void>
  readonly say?: (line: string) => void
  /** When it rejects, everything is ended before the campaign rejects too. */
  readonly interrupted?: Promise<never>
}

export interface CampaignResult {
  readonly evidence: Evidence
  readonly violations: readonly Violation[]
  readonly injected: readonly Injected[]
  readonly ends: Injection['ends']
  readonly watch: StoreWatch
  /** Start of the load, epoch milliseconds. */
  readonly startedAt: number
  /** From the end of load and faults until nothing was open any more, milliseconds. */
  readonly quietAfterMs: number
  readonly durationMs: number
}

/** Waits until nothing is open; answers how long that took and what was still open at the end. */
async function waitForQuiet(reader: StoreReader): Promise<{ quietAfterMs: number; open: string[] }> {
  const since = performance.now()
  for (;;) {
    const open = await reader.openWork().catch((error: unknown) => [`a store that answers: ${error}`])
    const quietAfterMs = Math.round(performance.now() - since)
    if (open.length === 0 || quietAfterMs > patientMs.quiet) return { quietAfterMs, open }
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
}

/** Keeps what the processes wrote last beside the records. */
async function keepOutputs(fleet: Fleet, folder: string): Promise<void> {
  for (const { service, index, output } of fleet.members)
    await writeFile(join(folder, `${service}-${index}.log`), output())
}

/** Runs a plan on processes of its own: the load, the faults, and the check of all that is left. */
export async function runCampaign(plan: Plan, options: CampaignOptions): Promise<CampaignResult> {
  const { servers, folder, instances = chaosInstances, env = {}, meanwhile = async () => undefined } = options
  const { say = () => undefined, interrupted = new Promise<never>(() => undefined) } = options
  await mkdir(folder, { recursive: true })
  const since = performance.now()
  let starting: Promise<Fleet> | undefined
  let target: TargetProcess | undefined
  let watch: StoreWatch | undefined
  let gateways: ReadyGateways | undefined
  let injection: Injection | undefined

  async function run(): Promise<CampaignResult> {
    target = await startTarget(join(folder, 'target.jsonl'))
    const settings = { ...patience, ...env }
    starting = startFleet({ peers: servers.urls, instances, env: settings, deadlineMs: patientMs.start })
    const fleet = await starting
    const reader = createStoreReader(servers.urls.mongo, fleet.name)
    watch = watchStores(reader)
    gateways = watchGateways(fleet)
    say(`${fleet.members.length} processes are ready`)
    const load = startLoad({
      url: gateways.next,
      target: target.url,
      requests: plan.load,
      keyPrefix: `chaos-${plan.seed}`,
      recordPath: join(folder, 'answers.jsonl'),
      patienceMs: patientMs.request,
    })
    injection = injectFaults(plan.faults, fleet, servers, load.startedAt, say)
    const [injected] = await Promise.all([injection.done, meanwhile(fleet)])
    say('the faults are over')
    const answers = await load.done
    say(`${answers.answered.size} requests are answered`)
    const { quietAfterMs, open } = await waitForQuiet(reader)
    await watch.stop()
    const evidence = { plan, load: answers, stores: await reader.readAll(), calls: await target.calls() }
    const violations = [
      ...watch.violations,
      ...open.map((text) => ({ rule: 'I10', subject: 'stores', text: `after ${quietAfterMs} ms there are ${text}` })),
      ...checkEvidence(evidence),
    ]
    const durationMs = Math.round(performance.now() - since)
    const { startedAt } = load
    return { evidence, violations, injected, ends: injection.ends, watch, startedAt, quietAfterMs, durationMs }
  }

  try {
    return await Promise.race([run(), interrupted])
  } finally {
    injection?.stop()
    gateways?.stop()
    await watch?.stop()
    await starting?.then(
      async (fleet) => {
        await fleet.stop()
        await keepOutputs(fleet, folder)
      },
      () => undefined,
    )
    await target?.stop()
  }
}
