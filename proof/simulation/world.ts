import type { PoisonStore } from '@belfry/bus'
import type { Logger } from '@belfry/service'
import { createDocumentStores as createExecutionStores } from '../../apps/executor-service/test/store/document-stores.ts'
import { createDocumentStores as createJobStores } from '../../apps/job-service/test/store/document-stores.ts'
import { createDocumentStores as createScheduleStores } from '../../apps/scheduler-service/test/store/document-stores.ts'
import { createDocumentStore as createAuditStore } from '../../libs/audit/test/documents.ts'
import { createStaticTable, type StaticTable } from '../../libs/discovery/src/registry/static.ts'
import { createRandom, type Random } from '../random.ts'
import { createSimulatedBus, type SimulatedBus } from './bus.ts'
import { createEventLoop, type EventLoop } from './event-loop.ts'
import { createFaults, type FaultRates, type Faults, passing, usualRates } from './faults.ts'
import { createHistory, type History } from './history.ts'
import { createNetwork, type Network } from './network.ts'
import { createProcess, type Process, simulatedServices } from './process.ts'
import { createRecords, type Records } from './records.ts'
import { createTarget, type Target } from './target.ts'

/** When a world begins: a Monday, epoch milliseconds. */
const worldStartAt = Date.UTC(2026, 0, 5, 9)

export interface SimulatedStores {
  readonly jobs: ReturnType<typeof createJobStores>
  readonly schedules: ReturnType<typeof createScheduleStores>['stores']
  readonly executions: ReturnType<typeof createExecutionStores>
}

/** What the processes of a world have in common. */
export interface WorldParts {
  readonly seed: number
  readonly startAt: number
  readonly loop: EventLoop
  readonly random: Random
  readonly faults: Faults
  readonly history: History
  readonly records: Records
  readonly target: Target
  readonly executionVersions: ReadonlyMap<string, number>
  readonly bus: SimulatedBus
  readonly network: Network
  readonly table: StaticTable
  readonly stores: SimulatedStores
  readonly log?: Logger
  onFailedStart(name: string): void
  onStopped(name: string): void
}

export interface World extends WorldParts {
  readonly processes: readonly Process[]
  /** Messages that some service could not take, as text. */
  readonly poison: readonly string[]
}

/** The same stores, with what they are given as poison read along. */
function watchPoison<S extends { readonly poison: PoisonStore }>(stores: S, poison: string[]): S {
  const keep: PoisonStore['keep'] = (messages) => {
    poison.push(...messages.map(({ group, topic, reason }) => `${group} cannot take ${topic}: ${reason}`))
    return stores.poison.keep(messages)
  }
  return { ...stores, poison: { keep } }
}

/** The stores, which three services share by their processes, and a record of everything that is stored. */
function createStores(random: Random, loop: EventLoop, records: Records, poison: string[]): SimulatedStores {
  // A write of several records is done record by record, each at a moment of its own, once in a while.
  const pause = async () => {
    if (random.chance(0.05)) await passing(loop, random.fraction() * 30)
  }
  let ids = 0
  const newId = () => `${random.between(10_000, 99_999)}-${ids++}`
  const jobs = createJobStores(random.fraction, {
    latency: pause,
    onJob: records.job,
    onCopy: records.copy,
    audit: createAuditStore({ delayTurns: 0 }),
  })
  const { stores: schedules } = createScheduleStores({
    roundTrip: pause,
    newId,
    onSchedule: records.schedule,
    onRange: records.range,
  })
  const { execution: onExecution, admission: onAdmission } = records
  const executions = createExecutionStores(1, { delay: pause, newId, onExecution, onAdmission })
  return {
    jobs: watchPoison(jobs, poison),
    schedules: watchPoison(schedules, poison),
    executions: watchPoison(executions, poison),
  }
}

export interface WorldOptions {
  readonly rates?: FaultRates
  readonly log?: Logger
  /** Wraps the stores of all processes: for the mutants. */
  readonly wrapStores?: (stores: SimulatedStores) => SimulatedStores
}

/** When the world of a seed begins, epoch milliseconds: the first draw of its chance. */
export const startOf = (seed: number): number => worldStartAt + createRandom(seed).between(0, 60_000)

/** A world of two instances of each service, none of which has started. */
export function createWorld(
  seed: number,
  { rates = usualRates, log, wrapStores = (one) => one }: WorldOptions = {},
): World {
  const random = createRandom(seed)
  const loop = createEventLoop()
  const startAt = startOf(seed)
  const history = createHistory(loop.now)
  const faults = createFaults(random, rates)
  const records = createRecords(history)
  const poison: string[] = []
  const stores = createStores(random, loop, records, poison)
  const target = createTarget(loop, history, startAt)
  const starting = (name: string) => void processes.find((one) => one.name === name)?.start()
  const parts: WorldParts = {
    seed,
    startAt,
    loop,
    random,
    faults,
    history,
    records,
    target,
    executionVersions: records.executionVersions,
    bus: createSimulatedBus({ loop, random, faults, history, startAt }),
    network: createNetwork({ loop, random, faults }),
    table: createStaticTable(),
    stores: wrapStores(stores),
    ...(log && { log }),
    onFailedStart: starting,
    onStopped: (name) => void loop.after(random.between(100, 2_000), () => starting(name)),
  }
  const processes = simulatedServices.flatMap((service) =>
    [1, 2].map((n) => {
      const name = `${service.split('-')[0]}-${n}`
      return createProcess(parts, name, service, random.chance(0.5) ? random.between(-400, 400) : 0)
    }),
  )
  return { ...parts, processes, poison }
}
