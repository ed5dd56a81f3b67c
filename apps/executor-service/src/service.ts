import { createPeerShare, defaultAdvertiseHost } from '@belfry/discovery'
import { createEventStreams, createHttpApp, type HttpApp, streamBoundsOf } from '@belfry/http'
import { createLoop, createRetentionClock } from '@belfry/service'
import { createConsumerPart, createServiceShell, type ServiceShell, type ServiceShellDeps } from '@belfry/shell'
import type { Handler, Handlers } from '@belfry/worker'
import { createSettle } from './admission/settle.ts'
import { createWake } from './admission/wake.ts'
import { createAttemptRunner } from './attempts/attempt-runner.ts'
import { createCheckpoints } from './attempts/checkpoints.ts'
import { createEngine } from './attempts/engine.ts'
import { createAttemptOutput } from './attempts/output.ts'
import { createStarts } from './attempts/starts.ts'
import { claimAheadOf, type ExecutorConfig, livenessOf } from './config.ts'
import { createClaimLead } from './dispatch/claim-lead.ts'
import { createClaimer } from './dispatch/claimer.ts'
import { createDispatcher } from './dispatch/dispatcher.ts'
import { createExpiry } from './dispatch/expiry.ts'
import { createPoller } from './dispatch/poller.ts'
import { createRoom } from './dispatch/room.ts'
import { createSlots } from './dispatch/slots.ts'
import { createStartTimers } from './dispatch/start-timers.ts'
import { createUnclaimable } from './dispatch/unclaimable.ts'
import { createDrain } from './drain/drain.ts'
import { createExecutionChanges } from './executions/changes.ts'
import { createExecutionLog } from './executions/execution-log.ts'
import { asUnpublished, createStatusRelay } from './executions/status-relay.ts'
import { createCancelExecution } from './intake/cancel-execution.ts'
import { createIntake } from './intake/job-execute.ts'
import { createCommand } from './job-types/command/command.ts'
import { withHandlersFolder } from './job-types/folder/handlers.ts'
import { createHandlers, describeHandlers, handlersDefaults, listedTypes } from './job-types/job-types.ts'
import { createIdentity } from './membership/identity.ts'
import { createMembership } from './membership/membership.ts'
import { createExecutorMetrics } from './metrics.ts'
import { createRetention } from './retention/retention.ts'
import { oldestPlannedAt } from './retention/rules.ts'
import { mountDrain } from './routes/drain.ts'
import { mountExecutions } from './routes/executions.ts'
import { mountInternal } from './routes/internal.ts'
import { createSeesDetails } from './routes/job-reach.ts'
import { mountJobTypes } from './routes/job-types.ts'
import { createSecrets } from './secrets/secrets.ts'
import type { Stores } from './store/ports.ts'

export interface ExecutorServiceDeps extends ServiceShellDeps<Stores, ExecutorConfig> {
  /** The job types; without them those that ship. Closed when the service stops. */
  readonly handlers?: Handlers
  /** From 0 up to 1, for the spread of retries. */
  readonly random?: () => number
}

/**
 * Its start takes over what an earlier process left. Its stop gives back what has not started, and lets attempts finish within
 * the grace time.
 */
export interface ExecutorService extends ServiceShell {
  /** Attempts whose handler is at work. */
  running(): number
}

/** The advertised address; null where the port is any free one, which only the listener finds out. */
function addressOf({ advertise, config }: ExecutorServiceDeps): string | null {
  const port = advertise?.port ?? config.executorPort
  return port === 0 ? null : `${advertise?.host ?? defaultAdvertiseHost(config.executorHost)}:${port}`
}

/** The job types that ship, and those of the handlers folder. */
function openHandlers({ config, clock, log }: ExecutorServiceDeps): Handlers {
  const { executorCommands: commands, executorLogBytes: logBytes } = config
  const command = commands && createCommand({ commands, env: process.env, logBytes })
  const shipped = createHandlers({
    ...handlersDefaults,
    allowPrivate: config.executorAllowPrivate,
    // More than there are attempts at a time (docs/decisions, "one owner's share").
    httpConnections: 2 * config.executorIoConcurrency,
    lookups: config.executorLookups,
    ownerLookups: config.executorOwnerLookups,
    ...(command && { more: [command as Handler] }),
  })
  return withHandlersFolder(shipped, { config, limits: outputLimits(config), clock, log, env: process.env })
}

/** What one attempt may log and store. */
function outputLimits(config: ExecutorConfig) {
  return {
    log: { lines: config.executorLogLines, bytes: config.executorLogBytes, lineBytes: config.executorLogLineBytes },
    artifacts: config.executorArtifacts,
    artifactBytes: config.executorArtifactBytes,
  }
}

/**
 * Everything between the adapters and the listener, from the bottom up: each part uses only what is created above it. Changes of
 * executions come back to the parts that follow them through `changes`.
 */
function createParts(deps: ExecutorServiceDeps) {
  const { clock, log, ids, config, stores } = deps
  const handlers = deps.handlers ?? openHandlers(deps)
  const executionLog = createExecutionLog({
    log,
    clock,
    warningsPerSecond: config.executorWarningsPerSecond,
    warningBacklog: config.executorWarningBacklog,
  })
  const metrics = createExecutorMetrics(deps.metrics, handlers.types)
  const leaseMs = config.mode === 'standalone' ? null : livenessOf(config).leaseMs
  const drain = createDrain({ cursors: stores.cursors, clock, log, isSoleOwner: leaseMs === null })
  const identity = createIdentity({ ids, clock, leaseMs, isDrained: drain.isOn })
  const peers = createPeerShare({ registry: deps.registry, service: 'executor-service' })
  const relayShare = () => ({ ...peers(), overdueAt: clock.now() - config.executorOverdueMs })
  const relay = createStatusRelay(deps, deps.bus, stores.executions, stores.poison, relayShare)
  const changes = createExecutionChanges()
  const storeRetryMs = config.executorStoreRetryMs
  const { executions } = stores
  const common = { stores, executions, handlers: handlers.types, clock, log, metrics, changes, storeRetryMs }

  const output = createAttemptOutput({
    ...common,
    limits: outputLimits(config),
    flushMs: config.executorLogFlushMs,
  })
  const runner = createAttemptRunner({
    ...common,
    output,
    checkpoints: createCheckpoints(stores),
    secrets: createSecrets({ rest: deps.rest, clock, timeoutMs: config.executorSecretsTimeoutMs }),
    abortGraceMs: config.executorAbortGraceMs,
  })
  const starts = createStarts({ ...common, shownMs: config.executorRunningShownMs })
  const engine = createEngine({ ...common, identity, starts, runner, output, random: deps.random ?? Math.random })

  const ownerShare = config.executorOwnerShare
  const limits = { io: config.executorIoConcurrency, cpu: config.executorConcurrency }
  // What waits for its time holds no large params, so a quarter is enough for it.
  const waitingBytes = config.executorHeldBytes / 4
  const heldSize = config.executorHeldBytes - waitingBytes
  const slots = createSlots({ limits, ownerShare })
  const room = createRoom({
    clock,
    limits,
    ahead: claimAheadOf(config),
    heldSize,
    ownerShare,
    hasFreeSlot: (pool) => slots.view(pool).busy < limits[pool],
  })
  const dispatcher = createDispatcher({
    ...common,
    room,
    slots,
    engine,
    identity,
    shutdownGraceMs: config.shutdownGraceMs,
    abortGraceMs: config.executorAbortGraceMs,
  })
  const lead = createClaimLead({ minMs: config.executorClaimLeadMinMs, maxMs: config.executorClaimLeadMaxMs })
  const unclaimable = createUnclaimable(common)
  const claimer = createClaimer({
    ...common,
    identity,
    room,
    dispatcher,
    unclaimable,
    lead,
    paramsBytes: config.executorPageBytes,
    placeRecheckMs: config.executorPlaceRecheckMs,
    placeGraceMs: config.executorPlaceGraceMs,
  })
  const timers = createStartTimers({
    clock,
    lead,
    claimer,
    held: dispatcher.held,
    soonMs: 2 * config.executorPollMs,
    bounds: { count: config.executorArmed, size: waitingBytes, ownerShare },
  })
  const membership = createMembership({ ...common, config, identity, address: addressOf(deps), dispatcher, claimer })
  const page = { rows: config.executorPollRows, bytes: config.executorPageBytes }
  const expiry = createExpiry({ ...common, ...page, unclaimable, everyMs: config.executorExpiryMs })
  const poller = createPoller({
    ...common,
    ...page,
    expiry,
    unclaimable,
    otherMs: config.executorOtherPollMs,
    claimer,
    timers,
    dispatcher,
    room,
    share: membership.share,
    everyMs: config.executorPollMs,
    scanRows: config.executorPollScanRows,
    quarantineMs: config.executorAsideMs,
    isSoleOwner: config.mode === 'standalone',
    overdueMs: config.executorOverdueMs,
  })
  const wake = createWake(common)

  drain.onEnd(dispatcher.resume)
  changes.subscribe((stored) => relay.offer(stored.map(asUnpublished)))
  changes.subscribe(metrics.changed)
  changes.subscribe(executionLog.changed)
  changes.subscribe(timers.update)
  changes.subscribe(poller.notice)
  changes.subscribe(wake.changed)
  changes.subscribe(claimer.changed)

  const retentionClock = createRetentionClock({ deps, marks: stores.cursors, config })
  const intake = createIntake({
    ...common,
    claimer,
    room,
    oldestPlannedAt: () => oldestPlannedAt(retentionClock.now(), config.retentionExecutions),
    roomWaitMs: config.executorRoomWaitMs,
    roomWaitMostMs: config.executorRoomWaitMostMs,
  })
  const cancelExecution = createCancelExecution({ ...common, dispatcher })
  const settle = createSettle({ ...common, jobs: config.executorSettleJobs, rows: config.executorSettleRows })
  const loop = (name: string, everyMs: number, runOnce: () => unknown) =>
    createLoop({ name, everyMs, clock, log, runOnce })
  const settleLoop = loop('settle', config.executorSettleMs, settle.runOnce)
  const retention = createRetention({
    ...common,
    retentionClock,
    keep: { executionsMs: config.retentionExecutions, logsMs: config.retentionLogs },
    rows: config.executorPurgeRows,
  })
  const drainLoop = loop('drain', config.executorDrainPollMs, drain.runOnce)
  const retentionLoop = loop('retention', config.executorPurgeMs, retention.runOnce)
  return {
    handlers,
    executionLog,
    relay,
    changes,
    drain,
    drainLoop,
    output,
    room,
    slots,
    dispatcher,
    claimer,
    timers,
    membership,
    poller,
    wake,
    settleLoop,
    retentionClock,
    retentionLoop,
    intake,
    cancelExecution,
  }
}
type Parts = ReturnType<typeof createParts>

function createApp(deps: ExecutorServiceDeps, parts: Parts): HttpApp {
  const { handlers, changes, dispatcher, settleLoop, cancelExecution } = parts
  const { stores, clock, rest, tokens, serviceTokens, config, openApp = createHttpApp } = deps
  const app = openApp({ service: 'executor-service', deps, tokens, serviceTokens })
  const timeoutMs = config.executorJobTimeoutMs
  const seesDetails = createSeesDetails({ rest, clock, timeoutMs, holdsMs: config.executorReachHoldsMs })
  const streams = createEventStreams(app, { clock, metrics: deps.metrics, ...streamBoundsOf(config) })
  const following = { pollMs: config.executorLogPollMs, lines: config.executorLogPageLines }
  mountExecutions(app, stores, { seesDetails, streams, clock, log: deps.log, ...following })
  mountDrain(app, { drain: parts.drain, clock, log: deps.log, noticedMs: config.executorDrainPollMs })
  mountJobTypes(app, () => ({ types: describeHandlers(handlers), unusable: handlers.unusable?.() ?? [] }))
  const fetchBytes = config.executorFetchBytes
  mountInternal(app, { stores, clock, fetchBytes, changes, dispatcher, cancelExecution, settleLoop })
  return app
}

function showSlots({ metrics }: ExecutorServiceDeps, { slots, room }: Parts): void {
  metrics.gauge('belfry_executor_slots', 'Slots by what they are used for', ['pool', 'state'], (gauge) => {
    for (const pool of ['io', 'cpu'] as const) {
      const { busy, limit } = slots.view(pool)
      gauge.set({ pool, state: 'busy' }, busy)
      gauge.set({ pool, state: 'free' }, Math.max(0, limit - busy))
      gauge.set({ pool, state: 'claimed' }, room.view(pool).claimed)
    }
  })
}

export function createExecutorService(deps: ExecutorServiceDeps): ExecutorService {
  const parts = createParts(deps)
  const { handlers, executionLog, relay, output, dispatcher, claimer, timers, membership, poller, slots } = parts
  showSlots(deps, parts)
  const service = 'executor-service'
  const shell = createServiceShell({
    service,
    deps,
    app: createApp(deps, parts),
    listen: {
      host: deps.config.executorHost,
      port: deps.config.executorPort,
      meta: () => ({ 'job-types': listedTypes(handlers.types.keys()) }),
    },
    store: { name: 'executor.db', read: () => deps.stores.executors.list() },
    // Stopped in reverse: new commands, the poll and the claims, then the attempts; what they still change is published at the end.
    parts: [
      { name: 'retention clock', start: parts.retentionClock.open },
      { name: 'handlers', start: () => handlers.start?.(), stop: () => handlers.close() },
      { name: 'warnings', stop: executionLog.stop },
      { name: 'relay of executions', start: relay.start, stop: relay.stop },
      { name: 'drain', start: parts.drain.runOnce, stop: parts.drain.stop },
      // The sole owner of the store drains nothing but by its own calls.
      ...(deps.config.mode === 'standalone' ? [] : [{ name: 'watch of the drain', ...parts.drainLoop }]),
      { name: 'membership', ...membership },
      { name: 'attempt output', stop: output.stop },
      { name: 'wakes', stop: parts.wake.stop },
      { name: 'attempts', stop: dispatcher.stop },
      { name: 'claims', stop: claimer.stop },
      { name: 'start timers', stop: timers.stop },
      { name: 'poll', ...poller },
      { name: 'settle', ...parts.settleLoop },
      { name: 'retention', ...parts.retentionLoop },
      createConsumerPart(deps, service, 'job-execute', parts.intake),
    ],
  })
  return { ...shell, running: () => slots.view('io').busy + slots.view('cpu').busy }
}
