import type { Bus } from '@belfry/bus'
import { type CommandPublisher, createCommandPublisher, createConsumer, createRelay, type Relay } from '@belfry/bus'
import { isRefusal, putJobBody, type Refusal } from '@belfry/contracts'
import { createListener, type Registry, type RestClient } from '@belfry/discovery'
import { createHttpApp, createIdempotency, type HttpApp, type ServiceTokens, type TokenVerifier } from '@belfry/http'
import {
  createLifecycle,
  createRetentionClock,
  type Loop,
  type Part,
  type RetentionClock,
  type ServiceDeps,
} from '@belfry/service'
import type { RowId } from '@belfry/storage'
import type { z } from 'zod'
import { createExecutors } from './clients/executors.ts'
import { createJobTypeList } from './clients/job-types.ts'
import type { JobConfig } from './config.ts'
import { unlistedBefore } from './domain/retention.ts'
import { createLoops } from './loops/index.ts'
import { createConcurrencyLimiter } from './routes/concurrency-limiter.ts'
import { createExecutionViews } from './routes/execution-view.ts'
import { mountExecutions } from './routes/executions.ts'
import { mountInternal } from './routes/internal.ts'
import { createJobViews } from './routes/job-view.ts'
import { mountJobs } from './routes/jobs.ts'
import { createListPages } from './routes/list-pages.ts'
import type { StoredJob, Stores } from './store/ports.ts'
import { applyStatuses } from './use-cases/apply-statuses.ts'
import type { JobContext } from './use-cases/context.ts'
import { createJob } from './use-cases/create-job.ts'
import { createScheduleCache } from './use-cases/schedule-cache.ts'
import { createTriggeredJobs } from './use-cases/trigger-job.ts'

export interface JobServiceDeps extends ServiceDeps {
  /** From `openStores`. Closed by its opener. */
  stores: Stores
  bus: Bus
  registry: Registry
  /** Calls of job-service's own to the other services. */
  rest: RestClient
  tokens: TokenVerifier
  serviceTokens: ServiceTokens
  config: JobConfig
}

/** A job that comes with the system; `key` names it. */
interface OnceRequest {
  readonly ownerId: string
  readonly minted: string
  readonly key: string
  readonly body: z.input<typeof putJobBody>
}

export interface JobService {
  readonly app: HttpApp
  /** Joins the bus, starts the loops and listens; answers the address. */
  start(): Promise<string>
  /** In reverse; may be called twice. */
  stop(): Promise<void>
  readonly jobs: {
    /**
     * Makes a job that comes with the system, once on this data: not again after a restart, nor when its owner has ended
     * it. `minted`: the UUID of its id, the same in every try. Null when it has been made before; a conflict when a job
     * with its key is there, and then it counts as made.
     */
    createOnce(request: OnceRequest): Promise<StoredJob | Refusal | null>
  }
}

function createJobRelay({ stores: { jobs }, bus, clock, log, metrics }: JobServiceDeps): Relay<'job-changes', RowId> {
  const source = {
    readUnpublished: (rows: number, bytes: number) => jobs.listUnpublished({ rows, bytes }),
    markPublished: jobs.markPublished,
  }
  return createRelay({ name: 'jobs', topic: 'job-changes', bus, clock, log, metrics, source })
}

function createCommands({ bus, clock, log, metrics, config }: JobServiceDeps): CommandPublisher {
  return createCommandPublisher({
    bus,
    clock,
    log,
    metrics,
    gauge: { name: 'belfry_commands_waiting', help: 'Commands of triggers that wait for the bus' },
    backlogRows: config.jobTriggerBacklog,
    backlogBytes: config.jobTriggerBacklogBytes,
    refusedForMs: config.jobResendMs,
  })
}

function createApp(deps: JobServiceDeps, context: JobContext, retentionClock: RetentionClock): HttpApp {
  const { stores, clock, ids, health, tokens, serviceTokens, config } = deps
  const app = createHttpApp({ service: 'job-service', deps, tokens, serviceTokens, bodiesBytes: config.jobBodiesBytes })
  const ages = { agedBy: retentionClock.now, keepMs: config.jobRequestKeepMs, otherTryMs: config.jobRequestTryMs }
  const once = createIdempotency({ store: stores.requests, ids, instance: ids.uuid(), clock, ...ages })
  const limiter = createConcurrencyLimiter({ running: config.jobListsAtWork, waiting: config.jobListsWaiting })
  const pages = createListPages({ limiter, maxBytes: config.jobPageBytes })
  const views = createJobViews({ clock, timezone: config.timezone, schedules: context.schedules })
  mountJobs(app, { context, views, pages, ids, once })
  const executionViews = createExecutionViews({ clock, slotWaitMs: config.jobSlotWaitMs })
  mountExecutions(app, { context, views: executionViews, pages, once })
  mountInternal(app, stores.jobs, {
    fetchBytes: config.jobFetchBytes,
    unlistedBefore: () => unlistedBefore(retentionClock.now(), config.retentionExecutions),
  })
  health.add('jobs.db', async () => void (await stores.cursors.read('health')))
  return app
}

/** Runs the loops, and nudges each of them as soon as executors register: what waited for them waits no longer. */
function createLoopPart({ registry }: JobServiceDeps, loops: readonly Loop[]): Part {
  let unwatch: (() => void) | null = null
  return {
    name: 'loops',
    start() {
      for (const loop of loops) loop.start()
      unwatch = registry.watch('executor-service', (executors) => {
        if (executors.length > 0) for (const loop of loops) loop.nudge()
      })
    },
    async stop() {
      unwatch?.()
      await Promise.all(loops.map((loop) => loop.stop()))
    },
  }
}

export function createJobService(deps: JobServiceDeps): JobService {
  const { stores, bus, clock, log, metrics, config } = deps
  const retentionClock = createRetentionClock({ deps, marks: stores.cursors, config })
  const relay = createJobRelay(deps)
  const commands = createCommands(deps)
  const executors = createExecutors(deps.rest, { fenceTimeoutMs: config.jobFenceTimeoutMs })
  const context: JobContext = {
    stores,
    executors,
    types: createJobTypeList({ executors, clock, log, againMs: config.jobTypesAgainMs }),
    relay,
    commands,
    schedules: createScheduleCache(config.jobCompiledSchedules),
    triggered: createTriggeredJobs(config),
    clock,
    log,
    config,
  }
  const app = createApp(deps, context, retentionClock)
  const { jobHost: host, jobPort: port } = config
  const listener = createListener({
    service: 'job-service',
    app,
    host,
    port,
    registry: deps.registry,
    health: deps.health,
  })
  const consumer = createConsumer({
    bus,
    topic: 'job-status',
    group: 'job-service',
    handle: applyStatuses(context),
    poison: stores.poison,
    log,
    metrics,
  })
  const life = createLifecycle([
    { name: 'retention clock', start: retentionClock.open },
    { name: 'job-status', ...consumer },
    { name: 'relay of jobs', ...relay },
    { name: 'command publisher', stop: commands.drain },
    createLoopPart(deps, createLoops({ deps, context, commands, retentionClock })),
    listener,
  ])

  return {
    app,
    async start() {
      await life.start()
      return listener.address()
    },
    stop: life.stop,
    jobs: {
      async createOnce({ ownerId, minted, key, body }) {
        const name = `made ${key}`
        if ((await stores.cursors.read(name)) > 0) return null
        const made = await createJob(context, { ownerId, minted, body: { ...putJobBody.parse(body), key } })
        if (!isRefusal(made) || made.code === 'conflict') await stores.cursors.write(name, clock.now())
        return made
      },
    },
  }
}
