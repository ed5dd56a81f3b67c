import type { Bus, CommandPublisher } from '@belfry/bus'
import type { RestClient } from '@belfry/discovery'
import { createLoop, type Loop, type RetentionClock, type ServiceDeps } from '@belfry/service'
import type { JobConfig } from '../config.ts'
import { copiesBefore } from '../domain/retention.ts'
import type { JobContext } from '../use-cases/context.ts'
import { createReconcileExecutions } from './reconcile-executions.ts'
import { createRepeatFences } from './repeat-fences.ts'
import { createResendCommands } from './resend-commands.ts'
import { createRetention } from './retention.ts'

export interface LoopsOptions {
  readonly deps: ServiceDeps & { readonly config: JobConfig; readonly bus: Bus; readonly rest: RestClient }
  readonly context: JobContext
  readonly commands: CommandPublisher
  readonly retentionClock: RetentionClock
}

/** The loops that repeat what has not been answered, compare, renew, and remove. */
export function createLoops({ deps, context, commands, retentionClock }: LoopsOptions): Loop[] {
  const { clock, log, config } = deps
  const { jobs, executions, requests, cursors } = context.stores
  const backoff = { firstMs: config.jobResendMs, mostMs: config.jobResendMaxMs }
  const resendCommands = createResendCommands({
    executions,
    commands,
    clock,
    page: { rows: config.jobResendRows, bytes: config.jobResendBytes },
    backoff,
  })
  const repeatFences = createRepeatFences(context, { rows: config.jobFenceRows, backoff })
  const reconcileExecutions = createReconcileExecutions({
    deps,
    executions,
    cursors,
    purgedBefore: () => copiesBefore(retentionClock.now(), config.retentionExecutions),
    mayLose: !deps.bus.capabilities.storesBeforePublishResolves,
  })
  const retention = { executionsMs: config.retentionExecutions, requestsMs: config.jobRequestKeepMs }
  const purge = createRetention({ jobs, executions, requests, retentionClock, retention, rows: config.jobPurgeRows })
  const loop = (name: string, everyMs: number, runOnce: () => unknown) =>
    createLoop({ name, everyMs, runOnce, clock, log })
  return [
    loop('job types', config.jobTypesMs, context.types.renew),
    loop('reconcile executions', config.jobReconcileMs, reconcileExecutions),
    loop('resend triggers', config.jobResendPollMs, resendCommands),
    loop('repeat fences', config.jobResendPollMs, repeatFences),
    loop('retention', config.jobPurgeMs, purge),
  ]
}
