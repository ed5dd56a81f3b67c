import { type Bus, createConsumer, createRelay, type Relay } from '@belfry/bus'
import { isRefusal, messageSize, putJobBody, type Refusal } from '@belfry/contracts'
import { createListener, type Registry, type RestClient } from '@belfry/discovery'
import { createHttpApp, createIdempotency, type HttpApp, type ServiceTokens, type TokenVerifier } from '@belfry/http'
import {
  createLifecycle,
  createRetentionClock,
  debugEach,
  type Loop,
  type Part,
  type ServiceDeps,
} from '@belfry/service'
import { createUnreadableReport } from '@belfry/storage'
import type { Database } from '@belfry/storage/sqlite'
import type { z } from 'zod'
import type { JobConfig } from './config.ts'
import { createFireTimes } from './domain/fire-times.ts'
import { toJobChanges } from './domain/job.ts'
import { createJobs } from './domain/jobs.ts'
import { createLists } from './domain/lists.ts'
import type { StoredJob } from './domain/ports.ts'
import { unlistedBefore } from './domain/retention.ts'
import { createTrigger } from './domain/triggers.ts'
import { createTurns } from './domain/turns.ts'
import { createStatusHandler } from './events/job-status.ts'
import { createExecutors } from './executors.ts'
import { createLoops } from './loops/loops.ts'
import { createSender, idsOf } from './loops/sender.ts'
import { createTypeList } from './loops/types.ts'
import { createExecutionViews } from './routes/execution-view.ts'
import { mountExecutions } from './routes/executions.ts'
import { mountInternal } from './routes/internal.ts'
import { createJobViews } from './routes/job-view.ts'
import { mountJobs } from './routes/jobs.ts'
import { createPages } from './routes/pages.ts'
import { createSqliteStores } from './store/sqlite/index.ts'

export interface JobServiceDeps extends ServiceDeps {
  /** jobs.db, opened with `migrations`. Closed by its opener. */
  db: Database
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

/** Everything between the adapters and the doors. */
function createRooms(deps: JobServiceDeps) {
  const { clock, log, metrics, db, bus, rest, config } = deps
  const stores = createSqliteStores(db, clock, createUnreadableReport(log, metrics))
  const { jobs: store, executions } = stores
  const retentionClock = createRetentionClock({ deps, marks: stores.cursors, config })
  const executors = createExecutors(rest, { fenceTimeoutMs: config.jobFenceTimeoutMs })
  const types = createTypeList({ executors, clock, log, againMs: config.jobTypesAgainMs })
  const sender = createSender({
    bus,
    backlog: config.jobTriggerBacklog,
    backlogBytes: config.jobTriggerBacklogBytes,
    againMs: config.jobResendMs,
    clock,
    log,
    metrics,
  })
  const readUnpublished = (rows: number, bytes: number) => store.untold({ rows, bytes })
  const source = { readUnpublished, markPublished: store.markTold }
  const relay: Relay<'job-changes'> = createRelay({
    name: 'jobs',
    topic: 'job-changes',
    bus,
    clock,
    log,
    metrics,
    source,
  })
  const jobs = createJobs({
    store,
    types,
    executors,
    clock,
    timezone: config.timezone,
    mostPerUser: config.jobMostPerUser,
    fenceRetryMs: config.jobResendMs,
    onChanged(job) {
      const value = toJobChanges(job)
      relay.offer([
        { rowId: job.handle, seq: job.version, key: job.id, size: messageSize('job-changes', value), value },
      ])
    },
    onUnconfirmed: (jobId, err) => log.warn({ err, jobId }, 'the executors did not confirm a change; it is repeated'),
  })
  const lists = createLists({
    jobs,
    jobStore: store,
    executions,
    scanRows: config.jobScanRows,
    scanChunkRows: config.jobScanChunkRows,
    statusRows: config.jobStatusRows,
    pageBytes: config.jobPageBytes,
  })
  const trigger = createTrigger({
    jobs,
    executions,
    types,
    sender,
    clock,
    resendMs: config.jobResendMs,
    remembered: { jobs: config.jobRememberedJobs, bytes: config.jobRememberedBytes },
    onCreated: (command) => debugEach(log, 'execution created', [command], idsOf),
  })
  return { stores, retentionClock, executors, types, sender, relay, jobs, lists, trigger }
}
type Rooms = ReturnType<typeof createRooms>

function createApp(deps: JobServiceDeps, { stores, retentionClock, jobs, lists, trigger }: Rooms): HttpApp {
  const { clock, ids, health, tokens, serviceTokens, config } = deps
  const app = createHttpApp({ service: 'job-service', deps, tokens, serviceTokens, bodiesBytes: config.jobBodiesBytes })
  const keeping = { keepMs: config.jobRequestKeepMs, otherTryMs: config.jobRequestTryMs }
  const ages = { clock, agedBy: retentionClock.now, ...keeping }
  const once = createIdempotency({ store: stores.requests, ids, instance: ids.uuid(), ...ages })
  const fireTimes = createFireTimes(config.jobCompiledSchedules)
  const turns = createTurns({ atWork: config.jobListsAtWork, waiting: config.jobListsWaiting })
  const pages = createPages({ turns, maxBytes: config.jobPageBytes })
  const views = createJobViews({ clock, timezone: config.timezone, fireTimes })
  mountJobs(app, { jobs, lists, views, pages, ids, once })
  const executionViews = createExecutionViews({ clock, slotWaitMs: config.jobSlotWaitMs })
  mountExecutions(app, { lists, executions: stores.executions, views: executionViews, pages, trigger, once })
  mountInternal(app, stores.jobs, {
    fetchBytes: config.jobFetchBytes,
    unlistedBefore: () => unlistedBefore(retentionClock.now(), config.retentionExecutions),
  })
  health.add('jobs.db', async () => void (await stores.cursors.read('health')))
  return app
}

/** Runs the loops, and gives each a turn as soon as executors come: what waited for them need not wait longer. */
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
  const { bus, log, metrics } = deps
  const rooms = createRooms(deps)
  const { stores, relay, sender, jobs } = rooms
  const app = createApp(deps, rooms)
  const { jobHost: host, jobPort: port } = deps.config
  const door = createListener({ service: 'job-service', app, host, port, registry: deps.registry, health: deps.health })
  const consumer = createConsumer({
    bus,
    topic: 'job-status',
    group: 'job-service',
    handle: createStatusHandler(stores.executions, log),
    poison: stores.poison,
    log,
    metrics,
  })
  const parts: Part[] = [
    { name: 'retention clock', start: rooms.retentionClock.open },
    { name: 'job-status', ...consumer },
    { name: 'relay of jobs', ...relay },
    { name: 'sender of commands', stop: sender.drain },
    createLoopPart(deps, createLoops({ deps, ...rooms })),
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
    jobs: {
      async createOnce({ ownerId, minted, key, body }) {
        const name = `made ${key}`
        if ((await stores.cursors.read(name)) > 0) return null
        const made = await jobs.create({ ownerId, minted, body: { ...putJobBody.parse(body), key } })
        if (!isRefusal(made) || made.code === 'conflict') await stores.cursors.write(name, deps.clock.now())
        return made
      },
    },
  }
}
