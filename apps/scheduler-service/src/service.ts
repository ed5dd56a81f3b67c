import { type Bus, createCommandPublisher, createConsumer } from '@belfry/bus'
import { createListener, type Registry, type RestClient } from '@belfry/discovery'
import { createHttpApp, type HttpApp, type ServiceTokens, type TokenVerifier } from '@belfry/http'
import { createLifecycle, createLoop, createRetentionClock, type Part, type ServiceDeps } from '@belfry/service'
import type { SchedulerConfig } from './config.ts'
import { horizonOf } from './domain/retention.ts'
import type { Rules } from './domain/schedule-record.ts'
import { createAdvanceLoop } from './loops/advance-loop.ts'
import { createReconcileLoop } from './loops/reconcile-loop.ts'
import { createSchedulerMetrics } from './metrics.ts'
import { mountFireLog } from './routes/fire-log.ts'
import { mountScan } from './routes/scan.ts'
import type { Stores } from './store/ports.ts'
import { createAdvanceSchedules } from './use-cases/advance-schedules.ts'
import { createDueTimer } from './use-cases/due-timer.ts'
import { createFindJob } from './use-cases/find-job.ts'
import { createIngestChanges } from './use-cases/ingest-changes.ts'
import { createIngestStatuses } from './use-cases/ingest-statuses.ts'
import { createPurgeEnded } from './use-cases/purge-ended.ts'
import { createScheduleCache } from './use-cases/schedule-cache.ts'
import { createScheduleWriter } from './use-cases/schedule-writer.ts'
import { createTimeSlice } from './use-cases/time-slice.ts'

export interface SchedulerServiceDeps extends ServiceDeps {
  /** Closed by their opener. */
  stores: Stores
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
    fireLogOutboxLimit: config.schedulerUndeliveredLimit,
    quarantineMs: config.schedulerAsideMs,
  }
}

export function createSchedulerService(deps: SchedulerServiceDeps): SchedulerService {
  const { clock, log, health, stores, bus, rest, tokens, serviceTokens, config } = deps
  const { schedules, fireLog, cursors, poison } = stores
  const metrics = createSchedulerMetrics(deps.metrics)
  const rules = rulesOf(config)
  const compile = createScheduleCache(config.schedulerCompiledLimit)
  const yieldIfOver = createTimeSlice(clock, config.schedulerSliceMs)
  const dueTimer = createDueTimer(clock, config.schedulerPollMs)
  const publisher = createCommandPublisher({
    bus,
    clock,
    log,
    metrics: deps.metrics,
    gauge: { name: 'belfry_scheduler_commands_waiting', help: 'Commands that wait for the bus' },
    backlogRows: config.schedulerSendBacklog,
    backlogBytes: config.schedulerSendBacklogBytes,
    batchRows: config.schedulerSendRows,
    batchBytes: config.schedulerSendBytes,
    maxInFlight: 1,
  })
  const writer = createScheduleWriter({ schedules, rules, publisher, dueTimer, metrics, log })

  const page = { rows: config.schedulerPageRows, bytes: config.schedulerPageBytes }
  const common = { schedules, writer, compile, rules, clock, log, page, yieldIfOver, tries: config.schedulerTries }
  const retentionMs = config.retentionExecutions
  const retentionClock = createRetentionClock({ deps, marks: cursors, config })
  const horizon = () => horizonOf(retentionClock.now(), retentionMs)
  const ingestChanges = createIngestChanges({ ...common, horizon })
  const ingestStatuses = createIngestStatuses(common)
  const advanceSchedules = createAdvanceSchedules({ ...common, fireLog })
  const purgeRows = config.schedulerPurgeRows
  const purgeEnded = createPurgeEnded({ schedules, fireLog, retentionClock, retentionMs, rows: purgeRows })

  const advanceLoop = createAdvanceLoop({
    schedules: advanceSchedules,
    dueTimer,
    clock,
    log,
    metrics,
    pollMs: config.schedulerPollMs,
  })
  const mayLose = !bus.capabilities.storesBeforePublishResolves
  const reconcileLoop = createReconcileLoop({ deps, schedules, cursors, ingestChanges, mayLose })
  const retention = { name: 'retention', everyMs: config.schedulerPurgeMs, runOnce: purgeEnded, clock, log }

  const app = createHttpApp({ service: 'scheduler-service', deps, tokens, serviceTokens })
  mountScan(app, advanceLoop.runOnce)
  mountFireLog(app, { fireLog, findJob: createFindJob(rest, config.schedulerJobTimeoutMs) })
  health.add('scheduler.db', async () => void (await schedules.nextDueAt()))

  const group = { bus, group: 'scheduler-service', poison, log, metrics: deps.metrics } as const
  const changes = createConsumer({
    ...group,
    topic: 'job-changes',
    // A change without room for its commands is left to reconcile.
    handle: async (messages) => void (await ingestChanges(messages.map(({ value }) => value))),
  })
  const statuses = createConsumer({
    ...group,
    topic: 'job-status',
    handle: (messages) => ingestStatuses(messages.map(({ value }) => value)),
  })
  const { schedulerHost: host, schedulerPort: port } = config
  const listener = createListener({ service: 'scheduler-service', app, host, port, registry: deps.registry, health })
  const parts: Part[] = [
    { name: 'retention clock', start: retentionClock.open },
    { name: 'command publisher', stop: publisher.drain },
    { name: 'advance', start: advanceLoop.start, stop: advanceLoop.stop },
    { name: 'job-status', start: statuses.start, stop: statuses.stop },
    { name: 'job-changes', start: changes.start, stop: changes.stop },
    reconcileLoop,
    { name: 'retention', ...createLoop(retention) },
    listener,
  ]
  const life = createLifecycle(parts)

  return {
    app,
    async start() {
      await life.start()
      return listener.address()
    },
    stop: life.stop,
  }
}
