import { randomBytes } from 'node:crypto'
import { type AuditLog, createAuditLog } from '@belfry/audit'
import { type CommandPublisher, createCommandPublisher, createRelay, createSharedSource, type Relay } from '@belfry/bus'
import type { Refusal } from '@belfry/contracts'
import { createPeerShare, createPeerTurns, type PeerShare } from '@belfry/discovery'
import { createHttpApp, createIdempotency, type HttpApp } from '@belfry/http'
import { createRetentionClock, type RetentionClock } from '@belfry/service'
import {
  createConsumerPart,
  createPeerLoopsPart,
  createServiceShell,
  type ServiceShell,
  type ServiceShellDeps,
} from '@belfry/shell'
import type { RowId } from '@belfry/storage'
import { createExecutors } from './clients/executors.ts'
import { createJobTypeList } from './clients/job-types.ts'
import { createScheduler } from './clients/scheduler.ts'
import { createUsers } from './clients/users.ts'
import { type JobConfig, otherTryMsOf } from './config.ts'
import { unlistedBefore } from './domain/retention.ts'
import { createSealer, type Sealer } from './domain/sealing.ts'
import { createLoops } from './loops/index.ts'
import { mountBackfill } from './routes/backfill.ts'
import { mountBulkExecutions } from './routes/bulk-executions.ts'
import { mountBulkJobs } from './routes/bulk-jobs.ts'
import { mountCompatibility } from './routes/compatibility.ts'
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
import { mountQuotas } from './routes/quotas.ts'
import { mountSecrets } from './routes/secrets.ts'
import type { StoredJob, Stores } from './store/ports.ts'
import { applyStatuses } from './use-cases/apply-statuses.ts'
import { createTurns } from './use-cases/change-job.ts'
import { createConcurrencyLimiter } from './use-cases/concurrency-limiter.ts'
import type { JobContext } from './use-cases/context.ts'
import { type CreateOnceRequest, createOnce } from './use-cases/create-once.ts'
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
  return createRelay({ name: 'jobs', topic: 'job-changes', bus, clock, log, metrics, source, poison })
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

function openSealer({ secretsKey, secretsKeyPrevious }: JobConfig): Sealer {
  if (secretsKey === undefined) throw new Error('BELFRY_SECRETS_KEY is not set')
  const keys = secretsKeyPrevious === undefined ? [secretsKey] : [secretsKey, secretsKeyPrevious]
  return createSealer({ keys, randomBytes })
}

function createApp(
  deps: JobServiceDeps,
  context: JobContext,
  retentionClock: RetentionClock,
  audit: AuditLog,
): HttpApp {
  const { stores, clock, ids, tokens, serviceTokens, config } = deps
  const app = createHttpApp({ service: 'job-service', deps, tokens, serviceTokens, bodiesBytes: config.jobBodiesBytes })
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
  mountQuotas(app, context)
  mountSecrets(app, context)
  mountCompatibility(app, { context, views, executionViews, pages, ids })
  mountInternal(app, stores.jobs, {
    fetchBytes: config.jobFetchBytes,
    unlistedBefore: () => unlistedBefore(retentionClock.now(), config.retentionExecutions),
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
  const context: JobContext = {
    stores,
    executors,
    scheduler: createScheduler(deps.rest, { timeoutMs: config.jobSchedulerTimeoutMs }),
    types: createJobTypeList({
      ...{ executors, registry: deps.registry, clock, log },
      ...{ againMs: config.jobTypesAgainMs, keepMs: config.jobTypesKeepMs },
    }),
    users: createUsers(deps.rest, { timeoutMs: config.jobUsersTimeoutMs }),
    relay,
    turns: createTurns(),
    commands,
    schedules: createScheduleCache(config.jobCompiledSchedules),
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
  const app = createApp(deps, context, retentionClock, audit)
  const loops = createLoops({ deps, context, commands, retentionClock, peers })
  const shell = createServiceShell({
    service: 'job-service',
    deps,
    app,
    listen: { host: config.jobHost, port: config.jobPort },
    store: { name: 'jobs.db', read: () => stores.cursors.read('health') },
    parts: [
      { name: 'retention clock', start: retentionClock.open },
      audit.part,
      createConsumerPart(deps, 'job-service', 'job-status', applyStatuses(context)),
      { name: 'relay of jobs', start: relay.start, stop: relay.stop },
      { name: 'command publisher', stop: commands.drain },
      createPeerLoopsPart('loops', deps.registry, 'executor-service', loops),
    ],
  })

  return { ...shell, jobs: { createOnce: (request) => createOnce(context, request) } }
}
