import { createMemoryBus, ignorePoison } from '@belfry/bus'
import type { JobExecuteMessage, JobStatusMessage } from '@belfry/contracts'
import { createStaticRegistry } from '@belfry/discovery'
import { createHealth, createIds, createLog, createMetrics, createSystemClock } from '@belfry/service'
import {
  createTcpProxy,
  createTestServiceTokens,
  createTestTokens,
  dropMongoDatabase,
  type TcpProxy,
  uniqueName,
} from '@belfry/testkit'
import { executorConfig } from '../../src/config.ts'
import type { Execution } from '../../src/executions/execution.ts'
import { createExecutorService } from '../../src/service.ts'
import type { Stores } from '../../src/store/ports.ts'
import { secretsOfJobService, testHandler } from '../world.ts'
import { databaseUrl, mongoUrl, openMongoStores } from './mongo-stores.ts'

/** A call of a handler. */
interface HandlerCall {
  readonly instance: number
  readonly executionId: string
  readonly epoch: number
  readonly at: number
}

/** Numbers from 0 up to 1, the same ones for the same seed (the generator "mulberry32"). */
export function createRandom(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

/** One executor-service with connections of its own, behind a proxy, on the system's clock. */
async function openInstance(
  index: number,
  database: string,
  calls: HandlerCall[],
  takeStatus: (one: JobStatusMessage) => void,
) {
  const proxy = await createTcpProxy(mongoUrl ?? '')
  const clock = createSystemClock()
  const stores = await openMongoStores(databaseUrl(database, proxy.port), clock)
  const log = createLog({ level: 'silent' })
  const metricsRegistry = createMetrics()
  const metrics = metricsRegistry.forService('executor-service')
  const ids = createIds()
  const groups = { 'job-execute': ['executor-service'], 'job-status': ['test'], 'job-dead-letter': ['test'] }
  const bus = createMemoryBus({ clock, ids, sender: `executor-${index}`, groups })
  await bus.subscribe('job-status', 'test', {
    onBatch: async (messages) => {
      for (const { value } of messages) takeStatus(value)
    },
    onPoison: ignorePoison,
  })
  await bus.subscribe('job-dead-letter', 'test', { onBatch: async () => undefined, onPoison: ignorePoison })
  const handler = testHandler(async ({ ms }, context) => {
    calls.push({ instance: index, executionId: context.executionId, epoch: context.epoch, at: clock.now() })
    context.log('info', 'at work')
    await wait(Number(ms))
    return { done: context.epoch }
  })
  const service = createExecutorService({
    clock,
    log,
    ids,
    health: createHealth({ clock, log }),
    metrics,
    stores,
    bus,
    registry: createStaticRegistry(),
    rest: secretsOfJobService(undefined),
    tokens: createTestTokens(clock).verifier,
    serviceTokens: createTestServiceTokens(clock),
    config: executorConfig.parse({ mode: 'distributed', executorLeaseMs: 3000, executorBeatMs: 500 }),
    handlers: { types: new Map([['TEST', handler]]), close: async () => undefined },
  })
  await service.start()
  return {
    proxy,
    service,
    send: (commands: readonly JobExecuteMessage[]) =>
      bus.publish(
        'job-execute',
        commands.map((value) => ({ key: value.jobId, value })),
      ),
    async close() {
      await service.stop()
      await stores.close()
      await proxy.close()
    },
  }
}
type Instance = Awaited<ReturnType<typeof openInstance>>

/** Makes one instance's database fail now and then, until it is stopped. */
function disturb(instances: readonly Instance[], random: () => number) {
  let isOn = true
  const modes = ['refuse', 'hang', 'lose-answers'] as const
  const counts = { refuse: 0, hang: 0, 'lose-answers': 0, cut: 0 }
  const pick = <T>(some: readonly T[]): T => some[Math.floor(random() * some.length)] as T

  async function fail({ proxy }: { readonly proxy: TcpProxy }): Promise<void> {
    if (random() < 0.3) {
      counts.cut += 1
      return proxy.cut()
    }
    const mode = pick(modes)
    counts[mode] += 1
    await proxy.set(mode)
    // Longer than a lease now and then: the others take its executions over.
    await wait(random() < 0.1 ? 4500 : 50 + random() * 1500)
    await proxy.set('pass')
  }

  async function loop(instance: Instance): Promise<void> {
    while (isOn) {
      await wait(200 + random() * 2500)
      if (isOn) await fail(instance)
    }
  }
  const loops = instances.map(loop)
  return {
    counts,
    async stop() {
      isOn = false
      await Promise.all(loops)
    },
  }
}

/** What came of it. */
export interface Account {
  readonly records: readonly (Execution | undefined)[]
  readonly calls: readonly HandlerCall[]
  /** The newest status of each execution, by its id. */
  readonly statuses: ReadonlyMap<string, JobStatusMessage>
  readonly changes: ReadonlyMap<string, number>
  readonly failures: Readonly<Record<string, number>>
  /** When the last status of an end came, and the whole run was over, milliseconds from its begin. */
  readonly endedMs: number
  readonly tookMs: number
}

/** A read, and once more where a busy machine was too slow. */
const patiently = async <T>(read: () => Promise<T>): Promise<T> => read().catch(() => wait(2000).then(read))

/**
 * Waits until the relays have published what is left and nothing changes any more: an attempt that was given up takes its
 * epoch out of those in doubt when it ends.
 */
async function waitForRest({ executions }: Stores, deadline: number): Promise<void> {
  const share = { index: 0, instances: 1, overdueAt: 0 }
  const isAllPublished = async () =>
    (await patiently(() => executions.listUnpublished({ rows: 1, bytes: 1 }, share))).rows.length === 0
  const head = async () => (await patiently(() => executions.listChanges({ after: 0, limit: 1 }))).head
  for (let before = -1; Date.now() < deadline; await wait(1500)) {
    const now = await head()
    if (now === before && (await isAllPublished())) return
    before = now
  }
}

export interface RunOptions {
  readonly seed: number
  /** How long the sending takes, and how long connections fail from the begin on, milliseconds. */
  readonly sendMs: number
  readonly faultsMs: number
  /** Until when everything must have ended, milliseconds. */
  readonly withinMs: number
}

/**
 * Three executors on one database run `commands`, sent over some seconds, while the connections of each fail. A command is sent
 * again, to any of them, until a status of its execution has come; a status may come from any of them.
 */
export async function runThree(
  commandsOf: (now: number) => readonly JobExecuteMessage[],
  { seed, sendMs, faultsMs, withinMs }: RunOptions,
): Promise<Account> {
  const random = createRandom(seed)
  const database = uniqueName('executors')
  const calls: HandlerCall[] = []
  const statuses = new Map<string, JobStatusMessage>()
  const takeStatus = (one: JobStatusMessage) => {
    if ((statuses.get(one.executionId)?.seq ?? 0) < one.seq) statuses.set(one.executionId, one)
  }
  const begun = Date.now()
  const instances: Instance[] = []
  let failures: ReturnType<typeof disturb> | undefined
  const stores: Stores = await openMongoStores(databaseUrl(database))
  try {
    for (const index of [0, 1, 2]) instances.push(await openInstance(index, database, calls, takeStatus))
    const commands = commandsOf(Date.now())
    const any = () => instances[Math.floor(random() * instances.length)] as Instance
    const isOver = (one: JobExecuteMessage) =>
      !['ready', 'running'].includes(statuses.get(one.executionId)?.state ?? 'ready')
    failures = disturb(instances, random)
    const batch = 50
    const batches = Math.ceil(commands.length / batch)
    for (let at = 0; at < commands.length; at += batch) {
      void any()
        .send(commands.slice(at, at + batch))
        .catch(() => undefined)
      await wait(sendMs / batches)
    }
    const deadline = begun + withinMs
    let areFaultsOver = false
    for (let left = commands; left.length > 0 && Date.now() < deadline; left = commands.filter((one) => !isOver(one))) {
      const unseen = left.filter((one) => !statuses.has(one.executionId))
      for (let at = 0; at < unseen.length; at += batch)
        void any()
          .send(unseen.slice(at, at + batch))
          .catch(() => undefined)
      await wait(1000)
      if (!areFaultsOver && Date.now() > begun + faultsMs) {
        areFaultsOver = true
        await failures.stop()
      }
    }
    const endedMs = Date.now() - begun
    await failures.stop()
    await waitForRest(stores, deadline)
    const ids = commands.map((one) => one.executionId)
    const records = (await patiently(() => stores.executions.find(ids))).map((one) => one?.execution)
    const changes = new Map<string, number>()
    for (let after = 0, more = true; more; ) {
      const from = after
      const page = await patiently(() => stores.executions.listChanges({ after: from, limit: 500 }))
      for (const { id, seq } of page.rows) changes.set(id, seq)
      after = page.rows.at(-1)?.changeNo ?? after
      more = page.hasMore
    }
    return { records, calls, statuses, changes, failures: failures.counts, endedMs, tookMs: Date.now() - begun }
  } finally {
    await failures?.stop()
    await Promise.allSettled(instances.map((one) => one.close()))
    await stores.close()
    await dropMongoDatabase(mongoUrl ?? '', database)
  }
}
