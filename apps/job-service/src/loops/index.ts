import type { CommandPublisher } from '@belfry/bus'
import { createPeerTurns, type PeerShare } from '@belfry/discovery'
import { createLoop, type Loop, type RetentionClock } from '@belfry/service'
import type { ServiceShellDeps } from '@belfry/shell'
import type { JobConfig } from '../config.ts'
import { copiesBefore } from '../domain/retention.ts'
import type { Stores } from '../store/ports.ts'
import type { JobContext } from '../use-cases/context.ts'
import { createEndPauses } from './end-pauses.ts'
import { createReconcileExecutions } from './reconcile-executions.ts'
import { createRepeatFences } from './repeat-fences.ts'
import { createReseal } from './reseal.ts'
import { createResendCommands } from './resend-commands.ts'
import { createRetention } from './retention.ts'

export interface LoopsOptions {
  readonly deps: ServiceShellDeps<Stores, JobConfig>
  readonly context: JobContext
  readonly commands: CommandPublisher
  readonly retentionClock: RetentionClock
  /** This instance among those of job-service. */
  readonly peers: () => PeerShare
}

/** The loops that repeat what has not been answered, compare, renew, and remove. One instance compares and removes for all. */
export function createLoops({ deps, context, commands, retentionClock, peers }: LoopsOptions): Loop[] {
  const { clock, log, metrics, stores, config } = deps
  const backoff = { firstMs: config.jobResendMs, mostMs: config.jobResendMaxMs }
  const page = { rows: config.jobResendRows, bytes: config.jobResendBytes }
  const share = () => ({ ...peers(), overdueAt: clock.now() - config.jobOverdueMs })
  const resendCommands = createResendCommands({ executions: stores.executions, commands, clock, share, page, backoff })
  const repeatFences = createRepeatFences(context, { share, rows: config.jobFenceRows, backoff })
  const retention = {
    executionsMs: config.retentionExecutions,
    copyMarginMs: config.retentionCopyMarginMs,
    requestsMs: config.jobRequestKeepMs,
  }
  const reconciler = createReconcileExecutions({
    deps,
    stores,
    purgedBefore: () => copiesBefore(retentionClock.now(), retention),
    mayLose: !deps.bus.capabilities.storesBeforePublishResolves,
  })
  const takesTurn = createPeerTurns(peers)
  const purgeBounds = { rows: config.jobPurgeRows, pages: config.jobPurgePages }
  const purge = createRetention({ stores, retentionClock, retention, ...purgeBounds, takesTurn })
  const takesRound = createPeerTurns(peers)
  const left = metrics.gauge(
    'belfry_secrets_other_key',
    'Secrets and webhook keys that another key than the newest seals',
  )
  const reseal = createReseal({
    ...{ stores, sealer: context.sealer, log, rows: config.jobResealRows, takesTurn: createPeerTurns(peers) },
    onLeft: (count) => left.set({}, count),
  })
  const loop = (name: string, everyMs: number, runOnce: () => unknown) =>
    createLoop({ name, everyMs, runOnce, clock, log })
  return [
    loop('job types', config.jobTypesMs, context.types.renew),
    loop('reconcile executions', config.jobReconcileMs, () => (takesRound() ? reconciler.runOnce() : undefined)),
    loop('resend triggers', config.jobResendPollMs, resendCommands),
    loop('repeat fences', config.jobResendPollMs, repeatFences),
    loop('end pauses', config.jobPauseEndMs, createEndPauses(context, { share, rows: config.jobPauseEndRows })),
    loop('retention', config.jobPurgeMs, purge),
    loop('reseal secrets', config.jobResealMs, reseal),
  ]
}
