import type { Clock, Logger } from '@belfry/service'
import type { Handler } from '@belfry/worker'
import type { ExecutorConfig } from '../config.ts'
import { createClaimLead } from '../dispatch/claim-lead.ts'
import { type Claimer, createClaimer } from '../dispatch/claimer.ts'
import { createSlots, type Slots } from '../dispatch/slots.ts'
import type { ExecutorMetrics } from '../metrics.ts'
import type { RowId, Stored, Stores } from '../store/ports.ts'
import type { AbortReason, Attempt } from './attempt.ts'
import { createAttemptRunner } from './attempt-runner.ts'
import { createCompleter } from './completer.ts'
import { createAttemptOutput } from './output.ts'
import { createStarts } from './starts.ts'

export interface EngineOptions {
  readonly stores: Stores
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: ExecutorMetrics
  readonly config: ExecutorConfig
  readonly instance: () => string
  readonly handlerOf: (jobType: string) => Handler | undefined
  /** From 0 up to 1. */
  readonly random: () => number
  /** Records were changed, and the changes are stored. */
  readonly onChanged: (stored: readonly Stored[]) => void
  /** The same where nothing follows but to publish them. */
  readonly publish: (stored: readonly Stored[]) => void
  /** There is room again for executions that are due and had to be left in the store. */
  readonly onRoom: () => void
}

/** What this executor runs, from the claim to the recorded end. */
export interface Engine {
  readonly claims: Claimer
  readonly slots: Slots
  /** The execution is to end: its run is told so, or given back when it has not started. */
  cancel(rowId: RowId): void
  /** Nothing is this executor's any more: every run is told to stop. */
  abandon(): void
  /** Gives back what has not started, lets the rest finish, and after the grace time tells it to stop. */
  stop(): Promise<void>
}

function limitsOf(config: ExecutorConfig) {
  return {
    log: { lines: config.executorLogLines, bytes: config.executorLogBytes, lineBytes: config.executorLogLineBytes },
    artifacts: config.executorArtifacts,
    artifactBytes: config.executorArtifactBytes,
  }
}

export function createEngine(options: EngineOptions): Engine {
  const { stores, clock, log, metrics, config, onChanged, publish, onRoom } = options
  const storeRetryMs = config.executorStoreRetryMs
  // What waits for its time holds no large params, so a quarter is enough for it.
  const armedBytes = config.executorHeldBytes / 4
  let onIdle: (() => void) | null = null

  const keepsakes = createAttemptOutput({ stores, clock, log, flushMs: config.executorLogFlushMs })
  const finishes = createCompleter({
    stores,
    clock,
    log,
    metrics,
    keepsakes,
    random: options.random,
    storeRetryMs,
    onChanged,
    publish,
    onDone: (run) => claims.drop(run),
  })
  const runner = createAttemptRunner({
    clock,
    metrics,
    limits: limitsOf(config),
    abortGraceMs: config.executorAbortGraceMs,
    onLine: keepsakes.onLine,
    onSettled(run, outcome) {
      slots.vacate(run)
      starts.forget(run)
      finishes.add(run, outcome)
      onLess()
    },
  })
  const slots = createSlots({
    clock,
    limits: { io: config.executorIoConcurrency, cpu: config.executorConcurrency },
    ahead: config.executorClaimAhead,
    heldSize: config.executorHeldBytes - armedBytes,
    ownerShare: config.executorOwnerShare,
    begin: (run) => starts.begin(run),
    onRoom,
  })
  const claims: Claimer = createClaimer({
    stores,
    clock,
    log,
    metrics,
    instance: options.instance,
    handlerOf: options.handlerOf,
    slots,
    lead: createClaimLead({ minMs: config.executorClaimLeadMinMs, maxMs: config.executorClaimLeadMaxMs }),
    armed: { count: config.executorArmed, size: armedBytes, ownerShare: config.executorOwnerShare },
    paramsBytes: config.executorPageBytes,
    storeRetryMs,
    onChanged,
  })
  const starts = createStarts({
    executions: stores.executions,
    clock,
    log,
    shownMs: config.executorRunningShownMs,
    storeRetryMs,
    call: runner.start,
    onRefused(run) {
      slots.vacate(run)
      claims.giveBack(run)
      onLess()
    },
    publish,
  })

  const started = () => [...claims.held.values()].filter(({ phase }) => phase === 'started' || phase === 'starting')

  function stopRun(run: Attempt, reason: AbortReason): void {
    if (run.phase === 'started') runner.abort(run, reason)
    else if (run.phase === 'waiting') claims.giveBack(run)
    else if (run.phase !== 'settled') run.abortedFor = reason
  }

  function onLess(): void {
    if (onIdle && started().length === 0) onIdle()
  }

  /** Resolves when no handler is at work any more, or after `waitMs`. */
  async function idle(waitMs: number): Promise<void> {
    if (started().length === 0) return
    await new Promise<void>((resolve) => {
      const timer = clock.callAfter(waitMs, resolve)
      onIdle = () => {
        timer.cancel()
        resolve()
      }
    })
    onIdle = null
  }

  return {
    claims,
    slots,
    cancel(rowId) {
      const run = claims.held.get(rowId)
      if (run) stopRun(run, 'cancel')
    },
    abandon() {
      for (const run of [...claims.held.values()]) stopRun(run, 'gone')
    },
    async stop() {
      await claims.stop()
      await idle(config.shutdownGraceMs)
      const left = started()
      if (left.length > 0) log.warn({ executions: left.length }, 'runs are told to stop')
      for (const run of left) stopRun(run, 'shutdown')
      await idle(config.executorAbortGraceMs)
      await starts.stop()
      // Runs whose start was refused meanwhile are given back.
      await claims.stop()
      await finishes.stop()
      await keepsakes.stop()
    },
  }
}
