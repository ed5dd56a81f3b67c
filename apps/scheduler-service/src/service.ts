import { createCommandPublisher } from '@belfry/bus'
import { createPeerShare, createPeerTurns } from '@belfry/discovery'
import { createHttpApp } from '@belfry/http'
import { createLoop, createRetentionClock } from '@belfry/service'
import {
  createConsumerPart,
  createPeerLoopsPart,
  createServiceShell,
  type ServiceShell,
  type ServiceShellDeps,
} from '@belfry/shell'
import { soleShare } from '@belfry/storage'
import type { SchedulerConfig } from './config.ts'
import { horizonOf } from './domain/retention.ts'
import type { Rules } from './domain/schedule-record.ts'
import { createAdvanceLoop } from './loops/advance-loop.ts'
import { createReconcileLoop } from './loops/reconcile-loop.ts'
import { createSchedulerMetrics } from './metrics.ts'
import { mountFireLog } from './routes/fire-log.ts'
import { mountInternal } from './routes/internal.ts'
import { mountPreview } from './routes/preview.ts'
import { mountScan } from './routes/scan.ts'
import type { Stores } from './store/ports.ts'
import { createAdvanceSchedules } from './use-cases/advance-schedules.ts'
import { createDueTimer } from './use-cases/due-timer.ts'
import { createFindJob } from './use-cases/find-job.ts'
import { createIngestChanges } from './use-cases/ingest-changes.ts'
import { createIngestStatuses } from './use-cases/ingest-statuses.ts'
import { createListFireLog } from './use-cases/list-fire-log.ts'
import { createPurgeEnded } from './use-cases/purge-ended.ts'
import { createScheduleCache } from './use-cases/schedule-cache.ts'
import { createScheduleWriter } from './use-cases/schedule-writer.ts'
import { createTimeSlice } from './use-cases/time-slice.ts'

/** `rest` calls job-service. */
export type SchedulerServiceDeps = ServiceShellDeps<Stores, SchedulerConfig>
export type SchedulerService = ServiceShell

const service = 'scheduler-service'

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
  const { clock, log, registry, bus, rest, tokens, serviceTokens, config, openApp = createHttpApp } = deps
  const { schedules, fireLog, cursors } = deps.stores
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
    poison: deps.stores.poison,
    gauge: { name: 'belfry_scheduler_commands_waiting', help: 'Commands that wait for the bus' },
    backlogRows: config.schedulerSendBacklog,
    backlogBytes: config.schedulerSendBacklogBytes,
    batchRows: config.schedulerSendRows,
    batchBytes: config.schedulerSendBytes,
    maxInFlight: 1,
  })
  const peers = createPeerShare({ registry, service })
  const share = () => ({ ...peers(), overdueAt: clock.now() - config.schedulerOverdueMs })
  const writer = createScheduleWriter({ schedules, rules, publisher, dueTimer, peers, metrics, log })

  const page = { rows: config.schedulerPageRows, bytes: config.schedulerPageBytes }
  const common = { schedules, writer, compile, rules, clock, log, page, yieldIfOver, tries: config.schedulerTries }
  const retentionMs = config.retentionExecutions
  const retentionClock = createRetentionClock({ deps, marks: cursors, config })
  const horizon = () => horizonOf(retentionClock.now(), retentionMs)
  const ingestChanges = createIngestChanges({ ...common, horizon })
  const ingestStatuses = createIngestStatuses(common)
  const advanceSchedules = createAdvanceSchedules({ ...common, share, fireLog })
  const purgeBounds = { rows: config.schedulerPurgeRows, pages: config.schedulerPurgePages }
  const takesTurn = createPeerTurns(peers)
  const purgeEnded = createPurgeEnded({ schedules, fireLog, retentionClock, retentionMs, ...purgeBounds, takesTurn })

  const advanceLoop = createAdvanceLoop({
    schedules: advanceSchedules,
    dueTimer,
    clock,
    log,
    metrics,
    pollMs: config.schedulerPollMs,
  })
  const reconcileLoop = createReconcileLoop(deps, peers, ingestChanges)
  const retention = { name: 'retention', everyMs: config.schedulerPurgeMs, runOnce: purgeEnded, clock, log }

  const app = openApp({ service, deps, tokens, serviceTokens })
  mountScan(app, advanceLoop.runOnce)
  mountPreview(app, { clock, timezone: config.timezone })
  const listFireLog = createListFireLog({ schedules, fireLog, compile, clock })
  mountInternal(app, { schedules, fireLog, clock, page, listFireLog })
  const findJob = createFindJob(rest, schedules, config.schedulerJobTimeoutMs)
  mountFireLog(app, { listFireLog, findJob, clock })

  const parts = [
    { name: 'retention clock', start: retentionClock.open },
    { name: 'command publisher', stop: publisher.drain },
    { name: 'advance', start: advanceLoop.start, stop: advanceLoop.stop },
    createConsumerPart(deps, service, 'job-status', (messages) => ingestStatuses(messages.map(({ value }) => value))),
    createConsumerPart(deps, service, 'job-changes', async (messages) => {
      // A change without room for its commands is left to reconcile.
      await ingestChanges(messages.map(({ value }) => value))
    }),
    createPeerLoopsPart('reconcile', registry, 'job-service', [reconcileLoop]),
    { name: 'retention', ...createLoop(retention) },
  ]
  const listen = { host: config.schedulerHost, port: config.schedulerPort }
  const store = { name: 'scheduler.db', read: () => schedules.nextDueAt(soleShare) }
  return createServiceShell({ service, deps, app, listen, store, parts })
}
