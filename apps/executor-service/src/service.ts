import { type Bus, createConsumer } from '@belfry/bus'
import { createListener, type Registry } from '@belfry/discovery'
import { createHttpApp, type HttpApp, type ServiceTokens, type TokenVerifier } from '@belfry/http'
import { createLifecycle, createLoop, createRetentionClock, type Part, type ServiceDeps } from '@belfry/service'
import type { Handlers } from '@belfry/worker'
import { createSettle } from './admission/settle.ts'
import { createEngine } from './attempts/engine.ts'
import type { ExecutorConfig } from './config.ts'
import { createPoller } from './dispatch/poller.ts'
import { createExecutionLog } from './executions/execution-log.ts'
import { asUnpublished, createStatusRelay } from './executions/status-relay.ts'
import { createIntake } from './intake/job-execute.ts'
import { createHandlers, describeHandlers, handlersDefaults } from './job-types/job-types.ts'
import { createIdentity } from './membership/identity.ts'
import { createMembership } from './membership/membership.ts'
import { createExecutorMetrics } from './metrics.ts'
import { createRetention } from './retention/retention.ts'
import { oldestPlannedAt } from './retention/rules.ts'
import { mountExecutions } from './routes/executions.ts'
import { mountInternal } from './routes/internal.ts'
import { mountJobTypes } from './routes/job-types.ts'
import type { Stored, Stores } from './store/ports.ts'

export interface ExecutorServiceDeps extends ServiceDeps {
  /** Closed by whom they were opened. */
  stores: Stores
  bus: Bus
  registry: Registry
  tokens: TokenVerifier
  serviceTokens: ServiceTokens
  config: ExecutorConfig
  /** The job types; without them those that ship. Closed when the service stops. */
  handlers?: Handlers
  /** From 0 up to 1, for the spread of retries. */
  random?: () => number
}

export interface ExecutorService {
  readonly app: HttpApp
  /** Takes over what an earlier process left, joins the bus, starts the loops and listens; answers the address. */
  start(): Promise<string>
  /** In reverse: hands back what has not started, lets runs finish within the grace time. May be called twice. */
  stop(): Promise<void>
  /** Runs whose handler is at work. */
  running(): number
}

/** Everything between the adapters and the doors. */
function createRooms(deps: ExecutorServiceDeps) {
  const { clock, log, ids, config, stores } = deps
  const handlers =
    deps.handlers ??
    createHandlers({
      ...handlersDefaults,
      allowPrivate: config.executorAllowPrivate,
      // More than ever run at a time (docs/decisions, "one owner's share").
      httpConnections: 2 * config.executorIoConcurrency,
      lookups: config.executorLookups,
      ownerLookups: config.executorOwnerLookups,
    })
  const handlerOf = (jobType: string) => handlers.types.get(jobType)
  const runLog = createExecutionLog({
    log,
    clock,
    warningsPerSecond: config.executorWarningsPerSecond,
    warningBacklog: config.executorWarningBacklog,
  })
  const metrics = createExecutorMetrics(deps.metrics, (jobType) => handlers.types.has(jobType), runLog)
  const relay = createStatusRelay(deps, deps.bus, stores.executions)
  const identity = createIdentity(ids)

  const publish = (stored: readonly Stored[]) => relay.offer(stored.map(asUnpublished))
  /** The one place that a stored change goes through: counted, published, and armed when it is about to be due. */
  const onChanged = (stored: readonly Stored[]) => {
    publish(stored)
    const soon = clock.now() + 2 * config.executorPollMs
    const ready: Stored[] = []
    for (const one of stored) {
      if (one.execution.endedAt !== null) metrics.ended(one.execution)
      if (one.execution.state === 'ready') poll.wake()
      if (one.execution.state === 'ready' && one.execution.runAt <= soon) ready.push(one)
      else runs.claims.disarm(one.rowId)
    }
    if (ready.length > 0) runs.claims.arm(ready)
  }
  const common = { stores, clock, log, metrics, config, onChanged }
  const random = deps.random ?? Math.random
  const instance = identity.name
  const runs = createEngine({ ...common, instance, handlerOf, random, publish, onRoom: () => pollLoop.nudge() })
  const presence = createMembership({ ...common, identity, runs })
  const poll = createPoller({
    executions: stores.executions,
    clock,
    claims: runs.claims,
    slots: runs.slots,
    share: presence.share,
    everyMs: config.executorPollMs,
    rows: config.executorPollRows,
    scanRows: config.executorPollScanRows,
    bytes: config.executorPageBytes,
    asideMs: config.executorAsideMs,
    isSoleOwner: config.mode === 'standalone',
    overdueMs: config.executorOverdueMs,
  })
  const pollLoop = createLoop({ name: 'poll', everyMs: config.executorPollMs, clock, log, runOnce: poll.runOnce })
  const retentionClock = createRetentionClock({ deps, marks: stores.cursors, config })
  const intake = createIntake({
    executions: stores.executions,
    clock,
    metrics,
    runs,
    poolOf: (jobType) => handlerOf(jobType)?.slots ?? 'io',
    oldestPlannedAt: () => oldestPlannedAt(retentionClock.now(), config.retentionExecutions),
    roomWaitMs: config.executorRoomWaitMs,
    onChanged,
  })
  const settle = createSettle({
    stores,
    clock,
    jobs: config.executorSettleJobs,
    rows: config.executorSettleRows,
    onClosed: onChanged,
  })
  const settleLoop = createLoop({
    name: 'settle',
    everyMs: config.executorSettleMs,
    clock,
    log,
    runOnce: settle.runOnce,
  })
  const retention = createRetention({
    stores,
    retentionClock,
    log,
    keep: { executionsMs: config.retentionExecutions, logsMs: config.retentionLogs },
    rows: config.executorPurgeRows,
  })
  const runOnce = retention.runOnce
  const retentionLoop = createLoop({ name: 'retention', everyMs: config.executorPurgeMs, clock, log, runOnce })
  return {
    stores,
    handlers,
    relay,
    runLog,
    runs,
    pollLoop,
    presence,
    settleLoop,
    retentionClock,
    retentionLoop,
    intake,
    onChanged,
  }
}
type Rooms = ReturnType<typeof createRooms>

function createApp(deps: ExecutorServiceDeps, { stores, handlers, runs, settleLoop, onChanged }: Rooms): HttpApp {
  const { clock, health, tokens, serviceTokens } = deps
  const app = createHttpApp({ service: 'executor-service', deps, tokens, serviceTokens })
  mountExecutions(app, stores)
  mountJobTypes(app, describeHandlers(handlers))
  mountInternal(app, {
    stores,
    clock,
    fetchBytes: deps.config.executorFetchBytes,
    onFenced(asked) {
      for (const { rowId } of asked) runs.cancel(rowId)
      onChanged(asked)
      settleLoop.nudge()
    },
  })
  health.add('executor.db', async () => void (await stores.executors.list()))
  return app
}

function showSlots({ metrics }: ExecutorServiceDeps, { runs }: Rooms): void {
  metrics.gauge('belfry_executor_slots', 'Slots by what they are used for', ['pool', 'state'], (gauge) => {
    for (const pool of ['io', 'cpu'] as const) {
      const { busy, claimed, limit } = runs.slots.view(pool)
      gauge.set({ pool, state: 'busy' }, busy)
      gauge.set({ pool, state: 'free' }, Math.max(0, limit - busy))
      gauge.set({ pool, state: 'claimed' }, claimed)
    }
  })
}

export function createExecutorService(deps: ExecutorServiceDeps): ExecutorService {
  const { bus, stores, log, metrics } = deps
  const rooms = createRooms(deps)
  const { relay, runLog, runs, pollLoop, presence, settleLoop, retentionClock, retentionLoop, handlers, intake } = rooms
  const app = createApp(deps, rooms)
  const { executorHost: host, executorPort: port } = deps.config
  const { registry, health } = deps
  const door = createListener({ service: 'executor-service', app, host, port, registry, health })
  showSlots(deps, rooms)
  const consumer = createConsumer({
    bus,
    topic: 'job-execute',
    group: 'executor-service',
    handle: intake,
    poison: stores.poison,
    log,
    metrics,
  })
  // Stopped in reverse: the door, new commands, the poll, then the runs; what they still say is published at the end.
  const parts: Part[] = [
    { name: 'retention clock', start: retentionClock.open },
    { name: 'handlers', stop: () => handlers.close() },
    { name: 'warnings', stop: runLog.stop },
    { name: 'relay of executions', start: relay.start, stop: relay.stop },
    { name: 'presence', ...presence },
    { name: 'runs', stop: runs.stop },
    { name: 'poll', ...pollLoop },
    { name: 'settle', ...settleLoop },
    { name: 'retention', ...retentionLoop },
    { name: 'job-execute', ...consumer },
    door,
  ]
  const life = createLifecycle(parts)

  return {
    app,
    async start() {
      await life.start()
      return door.address()
    },
    stop: life.stop,
    running: () => runs.slots.view('io').busy + runs.slots.view('cpu').busy,
  }
}
