import { randomBytes } from 'node:crypto'
import { type AuditLog, createAuditLog } from '@belfry/audit'
import { type CommandPublisher, createCommandPublisher, createRelay, createSharedSource, type Relay } from '@belfry/bus'
import type { Refusal } from '@belfry/contracts'
import { createPeerShare, createPeerTurns, type PeerShare } from '@belfry/discovery'
import { createEventStreams, createHttpApp, createIdempotency, type HttpApp, streamBoundsOf } from '@belfry/http'
import { createRetentionClock, createSlices, type RetentionClock } from '@belfry/service'
import {
  createConsumerPart,
  createPeerLoopsPart,
  createServiceShell,
  type ServiceShell,
  type ServiceShellDeps,
} from '@belfry/shell'
import type { RowId } from '@belfry/storage'
import { createAuditSource, ownAuditSource } from './clients/audit.ts'
import { createExecutionRecords, type ExecutionRecords } from './clients/execution-records.ts'
import { createExecutors } from './clients/executors.ts'
import { createJobTypeList } from './clients/job-types.ts'
import { createScheduler } from './clients/scheduler.ts'
import { createUsers } from './clients/users.ts'
import { eventSettleMsOf, type JobConfig, otherTryMsOf } from './config.ts'
import { unlistedBefore } from './domain/retention.ts'
import { createSealer, type Sealer } from './domain/sealing.ts'
import { createLoops } from './loops/index.ts'
import { createNotifications, type NotificationParts } from './notifications.ts'
import { mountAuditLists } from './routes/audit.ts'
import { mountBackfill } from './routes/backfill.ts'
import { mountBatches } from './routes/batches.ts'
import { mountBulkExecutions } from './routes/bulk-executions.ts'
import { mountBulkJobs } from './routes/bulk-jobs.ts'
import { mountCompatibility } from './routes/compatibility.ts'
import { mountEvents } from './routes/events.ts'
import { mountExecutionOperations } from './routes/execution-operations.ts'
import { createExecutionViews } from './routes/execution-view.ts'
import { mountExecutions } from './routes/executions.ts'
import { mountHistory } from './routes/history.ts'
import { mountInternal } from './routes/internal.ts'
import { mountJobOperations } from './routes/job-operations.ts'
import { createJobViews } from './routes/job-view.ts'
import { mountJobs } from './routes/jobs.ts'
import { createListPages } from './routes/list-pages.ts'
import { mountNextRuns } from './routes/next-runs.ts'
import { mountNotifications } from './routes/notifications.ts'
import { mountQuotas } from './routes/quotas.ts'
import { mountSecrets } from './routes/secrets.ts'
import { mountWhy } from './routes/why.ts'
import type { StoredJob, Stores } from './store/ports.ts'
import { applyStatuses } from './use-cases/apply-statuses.ts'
import { createChangeFeed } from './use-cases/change-feed.ts'
import { createTurns } from './use-cases/change-job.ts'
import { createConcurrencyLimiter } from './use-cases/concurrency-limiter.ts'
import type { JobContext } from './use-cases/context.ts'
import { type CreateOnceRequest, createOnce } from './use-cases/create-once.ts'
import { createEventHub } from './use-cases/event-hub.ts'
import { createIntake, type Outflow } from './use-cases/intake.ts'
import { createLastMissed } from './use-cases/last-missed.ts'
import { createScheduleCache } from './use-cases/schedule-cache.ts'
import { createTriggeredJobs } from './use-cases/trigger-job.ts'
import { createWaiters } from './use-cases/waiters.ts'

export type JobServiceDeps = ServiceShellDeps<Stores, JobConfig>

export interface JobService extends ServiceShell {
  readonly jobs: {
    /** See use-cases/create-once.ts. */
    createOnce(request: CreateOnceRequest): Promise<StoredJob | Refusal | null>
  }
}

function createJobRelay(deps: JobServiceDeps, peers: () => PeerShare): Relay<'job-changes', RowId> {
  const { bus, clock, log, metrics, config } = deps
  const { jobs, poison } = deps.stores
  const share = () => ({ ...peers(), overdueAt: clock.now() - config.jobOverdueMs })
  const source = createSharedSource<'job-changes', RowId>(
    {
      readUnpublished: (rows, bytes) => jobs.listUnpublished({ rows, bytes }, share()),
      markPublished: jobs.markPublished,
    },
    () => peers().instances === 1,
  )
  const soonMs = config.jobSoonMs
  return createRelay({ name: 'jobs', topic: 'job-changes', bus, clock, log, metrics, source, poison, soonMs })
}

function createCommands({ stores, bus, clock, log, metrics, config }: JobServiceDeps): CommandPublisher {
  return createCommandPublisher({
    bus,
    clock,
    log,
    metrics,
    poison: stores.poison,
    gauge: { name: 'belfry_commands_waiting', help: 'Commands of triggers that wait for the bus' },
    backlogRows: config.jobTriggerBacklog,
    backlogBytes: config.jobTriggerBacklogBytes,
    refusedForMs: config.jobResendMs,
  })
}

function createIntakes({ clock, config }: JobServiceDeps, relay: Outflow, commands: Outflow): JobContext['intake'] {
  const holdMs = config.jobIntakeHoldMs
  const [rows, triggers] = [config.jobIntakeRows, config.jobIntakeTriggers]
  return {
    jobs: createIntake({ clock, outflow: relay, rows, mostRows: Math.max(rows, config.jobIntakeSoonRows), holdMs }),
    triggers: createIntake({ clock, outflow: commands, rows: triggers, mostRows: triggers, holdMs }),
  }
}

function openSealer({ secretsKey, secretsKeyPrevious }: JobConfig): Sealer {
  if (secretsKey === undefined) throw new Error('BELFRY_SECRETS_KEY is not set')
  const keys = secretsKeyPrevious === undefined ? [secretsKey] : [secretsKey, secretsKeyPrevious]
  return createSealer({ keys, randomBytes })
}

/** What feeds the streams of events. */
function createEvents({ stores, clock, log, config }: JobServiceDeps, records: ExecutionRecords) {
  const settleMs = eventSettleMsOf(config)
  const feed = createChangeFeed({ context: { stores }, records, clock, rows: config.jobEventRows, settleMs })
  const hub = createEventHub({ feed, clock, log, pollMs: config.jobEventPollMs, heldEvents: config.jobEventsHeld })
  return { feed, hub }
}
type Events = ReturnType<typeof createEvents>

function createApp(
  deps: JobServiceDeps,
  context: JobContext,
  retentionClock: RetentionClock,
  {
    audit,
    events,
    notifications,
  }: {
    readonly audit: AuditLog
    readonly events: Events
    readonly notifications: NotificationParts
  },
): HttpApp {
  const { stores, clock, ids, tokens, serviceTokens, config, openApp = createHttpApp } = deps
  const app = openApp({ service: 'job-service', deps, tokens, serviceTokens, bodiesBytes: config.jobBodiesBytes })
  audit.record(app)
  // Open calls would else hold the stop up for as long as they may wait.
  app.addHook('preClose', async () => context.waiters.stop())
  const ages = { agedBy: retentionClock.now, keepMs: config.jobRequestKeepMs, otherTryMs: otherTryMsOf(config) }
  const once = createIdempotency({ store: stores.requests, ids, instance: ids.uuid(), clock, ...ages })
  const limiter = createConcurrencyLimiter({ running: config.jobListsAtWork, waiting: config.jobListsWaiting })
  const pages = createListPages({ limiter, maxBytes: config.jobPageBytes })
  const views = createJobViews({ clock, timezone: config.timezone, schedules: context.schedules })
  mountJobs(app, { context, views, pages, ids, once })
  mountJobOperations(app, context, views)
  mountBulkJobs(app, context)
  mountBackfill(app, context, once)
  const executionViews = createExecutionViews({ clock, slotWaitMs: config.jobSlotWaitMs, types: context.types })
  mountNextRuns(app, context)
  mountExecutions(app, { context, views: executionViews, pages })
  mountHistory(app, context, executionViews)
  mountExecutionOperations(app, { context, views: executionViews, once })
  mountBulkExecutions(app, context)
  mountQuotas(app, context, notifications.context.mailQuotas)
  mountBatches(app, { context, views, executionViews, once })
  mountSecrets(app, context)
  mountNotifications(app, { context: notifications.context, ids })
  mountCompatibility(app, { context, views, executionViews, pages, ids })
  const { log, metrics } = deps
  const streams = createEventStreams(app, { clock, metrics, ...streamBoundsOf(config) })
  const keptSince = () => retentionClock.now() - config.retentionExecutions
  const copyRetention = { executionsMs: config.retentionExecutions, copyMarginMs: config.retentionCopyMarginMs }
  mountEvents(app, context, { streams, ...events, clock, log, behind: config.jobEventsBehind, keptSince })
  const authAudit = createAuditSource(deps.rest, 'auth-service', { timeoutMs: config.auditReadTimeoutMs })
  const ownAudit = ownAuditSource(audit)
  mountAuditLists(app, context, [ownAudit, authAudit])
  mountWhy(app, { ...context, audit: ownAudit, keptSince })
  mountInternal(app, stores.jobs, {
    fetchBytes: config.jobFetchBytes,
    unlistedBefore: () => unlistedBefore(retentionClock.now(), copyRetention),
  })
  return app
}

export function createJobService(deps: JobServiceDeps): JobService {
  const { stores, clock, log, config } = deps
  const retentionClock = createRetentionClock({ deps, marks: stores.cursors, config })
  const peers = createPeerShare({ registry: deps.registry, service: 'job-service' })
  const relay = createJobRelay(deps, peers)
  const commands = createCommands(deps)
  const executors = createExecutors(deps.rest, { fenceTimeoutMs: config.jobFenceTimeoutMs })
  const records = createExecutionRecords(deps.rest, { timeoutMs: config.jobReconcileTimeoutMs })
  const events = createEvents(deps, records)
  const scheduler = createScheduler(deps.rest, { timeoutMs: config.jobSchedulerTimeoutMs })
  const context: JobContext = {
    stores,
    executors,
    scheduler,
    records,
    lastMissed: createLastMissed({
      ...{ scheduler, clock, log },
      ...{ holdsMs: config.jobMissedHoldsMs, held: config.jobMissedHeld },
    }),
    types: createJobTypeList({
      ...{ executors, registry: deps.registry, clock, log },
      ...{ againMs: config.jobTypesAgainMs, keepMs: config.jobTypesKeepMs },
    }),
    users: createUsers(deps.rest, { timeoutMs: config.jobUsersTimeoutMs }),
    relay: {
      offer(rows) {
        relay.offer(rows)
        events.hub.nudge()
      },
    },
    intake: createIntakes(deps, relay, commands),
    turns: createTurns(),
    commands,
    schedules: createScheduleCache(config.jobCompiledSchedules),
    slices: createSlices(),
    sealer: openSealer(config),
    triggered: createTriggeredJobs(config),
    waiters: createWaiters({
      ...{ clock, pollMs: config.jobWaitPollMs },
      ...{ most: config.jobWaiters, mostOfUser: config.jobWaitersOfUser },
    }),
    clock,
    log,
    config,
  }
  const takesTurn = createPeerTurns(peers)
  const audit = createAuditLog({ deps, store: stores.audit, config, retentionClock, takesTurn })
  const notifications = createNotifications({ deps, context, retentionClock, peers })
  const app = createApp(deps, context, retentionClock, { audit, events, notifications })
  const loops = [...createLoops({ deps, context, commands, retentionClock, peers }), ...notifications.loops]
  const shell = createServiceShell({
    service: 'job-service',
    deps,
    app,
    listen: { host: config.jobHost, port: config.jobPort },
    store: { name: 'jobs.db', read: () => stores.cursors.read('health') },
    parts: [
      { name: 'retention clock', start: retentionClock.open },
      audit.part,
      createConsumerPart(deps, 'job-service', 'job-status', async (messages) => {
        await applyStatuses(context)(messages)
        events.hub.nudge()
      }),
      { name: 'events', stop: events.hub.stop },
      { name: 'relay of jobs', start: relay.start, stop: relay.stop },
      { name: 'command publisher', stop: commands.drain },
      notifications.sender,
      createPeerLoopsPart('loops', deps.registry, 'executor-service', loops),
    ],
  })

  return { ...shell, jobs: { createOnce: (request) => createOnce(context, request) } }
}
