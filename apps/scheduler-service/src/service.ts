import { type Bus, createConsumer } from '@belfry/bus'
import type { JobExecuteMessage } from '@belfry/contracts'
import { createListener, type Registry, type RestClient } from '@belfry/discovery'
import { createHttpApp, type HttpApp, type ServiceTokens, type TokenVerifier } from '@belfry/http'
import {
  createLifecycle,
  createLoop,
  createRetentionClock,
  debugEach,
  type Part,
  type ServiceDeps,
} from '@belfry/service'
import type { Database } from '@belfry/storage/sqlite'
import type { SchedulerConfig } from './config.ts'
import { createCompiled } from './domain/compiled.ts'
import { createDueSchedules } from './domain/due.ts'
import { createHearing } from './domain/hearing.ts'
import { createKeeping, type Decided } from './domain/keeping.ts'
import { horizonOf } from './domain/retention.ts'
import type { Rules } from './domain/schedule-record.ts'
import { createChangesHandler } from './events/job-changes.ts'
import { createStatusHandler } from './events/job-status.ts'
import { createJobFinder } from './job-finder.ts'
import { type AdvanceLoop, createAdvanceLoop } from './loops/advance.ts'
import { createJobReconcile } from './loops/reconcile.ts'
import { createRetention } from './loops/retention.ts'
import { createSender } from './loops/sender.ts'
import { mountFireLog } from './routes/fire-log.ts'
import { mountScan } from './routes/scan.ts'
import { createSlices } from './slices.ts'
import { createSqliteStores } from './store/sqlite/index.ts'

export interface SchedulerServiceDeps extends ServiceDeps {
  /** scheduler.db, opened with `migrations`. Closed by its opener. */
  db: Database
  bus: Bus
  registry: Registry
  /** Calls of the scheduler's own to job-service. */
  rest: RestClient
  tokens: TokenVerifier
  serviceTokens: ServiceTokens
  config: SchedulerConfig
}

export interface SchedulerService {
  readonly app: HttpApp
  /** Joins the bus, starts the loops and listens; answers the address. */
  start(): Promise<string>
  /** In reverse; may be called twice. */
  stop(): Promise<void>
}

function rulesOf(config: SchedulerConfig): Rules {
  return {
    lookAheadMs: config.schedulerLookaheadMs,
    misfire: { afterMs: config.schedulerMisfireAfterMs, withinMs: config.schedulerMisfireWithinMs },
    resendFirstMs: config.schedulerResendMs,
    resendMaxMs: config.schedulerResendMaxMs,
    pendingLimit: config.schedulerPendingLimit,
    undeliveredLimit: config.schedulerUndeliveredLimit,
    asideMs: config.schedulerAsideMs,
  }
}

const createdOf = ({ jobId, executionId, fireAt, version }: JobExecuteMessage) => ({
  jobId,
  executionId,
  fireAt,
  version,
})

function createFacts({ metrics, log }: SchedulerServiceDeps) {
  const fires = metrics.counter('belfry_schedule_fires_total', 'Fire times by what became of them', [
    'outcome',
    'reason',
  ])
  const tick = metrics.gauge('belfry_scheduler_last_tick_timestamp_seconds', 'When the scheduler last looked')
  return {
    onDecided({ outcome, reason, count, command }: Decided) {
      fires.inc({ outcome, reason }, count)
      if (command) debugEach(log, 'execution created', [command], createdOf)
    },
    onTick: (at: number) => tick.set({}, at / 1000),
    onAside: (jobId: string, err: unknown) =>
      log.error({ jobId, err }, 'a schedule cannot be worked on; it is put aside'),
    onRefused: (jobId: string, reason: string) =>
      log.error({ jobId, reason }, 'a change of a job cannot be taken over'),
  }
}

/** Compares with job-service, as soon as there is one and then again and again. */
function createReconciling(deps: SchedulerServiceDeps, reconcile: () => Promise<void>): Part {
  const { clock, log, registry, config } = deps
  const runOnce = () => (registry.instances('job-service').length > 0 ? reconcile() : undefined)
  const loop = createLoop({ name: 'reconcile jobs', everyMs: config.schedulerReconcileMs, runOnce, clock, log })
  let unwatch: (() => void) | undefined
  return {
    name: 'reconcile',
    start() {
      unwatch = registry.watch('job-service', loop.nudge)
      loop.start()
    },
    async stop() {
      unwatch?.()
      await loop.stop()
    },
  }
}

export function createSchedulerService(deps: SchedulerServiceDeps): SchedulerService {
  const { clock, log, metrics, health, db, bus, rest, tokens, serviceTokens, config } = deps
  const { schedules, fireLog, cursors, poison } = createSqliteStores(db, clock)
  const { onDecided, onTick, onAside, onRefused } = createFacts(deps)
  const rules = rulesOf(config)
  const compile = createCompiled(config.schedulerCompiledLimit)
  const giveWay = createSlices(clock, config.schedulerSliceMs)
  const sender = createSender({
    bus,
    backlog: config.schedulerSendBacklog,
    backlogBytes: config.schedulerSendBacklogBytes,
    batchRows: config.schedulerSendRows,
    batchBytes: config.schedulerSendBytes,
    log,
    metrics,
  })
  const keeping = createKeeping({
    schedules,
    rules,
    send: sender.send,
    wakeAt: (at) => advance.wakeAt(at),
    onDecided,
  })
  const page = { rows: config.schedulerPageRows, bytes: config.schedulerPageBytes }
  const pages = { schedules, keeping, compile, rules, clock, page, giveWay }
  const due = createDueSchedules({ ...pages, fireLog, onAside })
  const advance: AdvanceLoop = createAdvanceLoop({ due, clock, log, pollMs: config.schedulerPollMs, onTick })
  const retentionMs = config.retentionExecutions
  const retentionClock = createRetentionClock({ deps, marks: cursors, config })
  const horizon = () => horizonOf(retentionClock.now(), retentionMs)
  const hearing = createHearing({ ...pages, horizon, mostTries: config.schedulerTries, onRefused })
  const mayLose = !bus.capabilities.storesBeforePublishResolves
  const reconcile = createJobReconcile({ deps, schedules, cursors, hearing, mayLose })
  const { schedulerPurgeRows: rows } = config
  const runOnce = createRetention({ schedules, fireLog, retentionClock, retentionMs, rows })
  const clearing = { runOnce, clock, log }

  const app = createHttpApp({ service: 'scheduler-service', deps, tokens, serviceTokens })
  mountScan(app, advance.runOnce)
  mountFireLog(app, { fireLog, findJob: createJobFinder(rest, config.schedulerJobTimeoutMs) })
  health.add('scheduler.db', async () => void (await schedules.nextDueAt()))

  const group = { bus, group: 'scheduler-service', poison, log, metrics } as const
  const changes = createConsumer({ ...group, topic: 'job-changes', handle: createChangesHandler(hearing) })
  const statuses = createConsumer({ ...group, topic: 'job-status', handle: createStatusHandler(hearing) })
  const { schedulerHost: host, schedulerPort: port } = config
  const door = createListener({ service: 'scheduler-service', app, host, port, registry: deps.registry, health })
  const parts: Part[] = [
    { name: 'retention clock', start: retentionClock.open },
    { name: 'sender', stop: sender.drain },
    { name: 'advance', start: advance.start, stop: advance.stop },
    { name: 'job-status', start: statuses.start, stop: statuses.stop },
    { name: 'job-changes', start: changes.start, stop: changes.stop },
    createReconciling(deps, reconcile),
    { name: 'retention', ...createLoop({ name: 'retention', everyMs: config.schedulerPurgeMs, ...clearing }) },
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
  }
}
