import type { Bus } from '@belfry/bus'
import type { RestClient } from '@belfry/discovery'
import { createLoop, type Loop, type RetentionClock, type ServiceDeps } from '@belfry/service'
import type { JobConfig } from '../config.ts'
import type { Executors } from '../domain/ports.ts'
import { copiesBefore } from '../domain/retention.ts'
import type { Stores } from '../store/sqlite/index.ts'
import { createFenceRepeat } from './fence.ts'
import { createExecutionReconcile } from './reconcile.ts'
import { createResend } from './resend.ts'
import { createRetention } from './retention.ts'
import type { Sender } from './sender.ts'
import type { RenewedTypes } from './types.ts'

export interface LoopsContext {
  readonly deps: ServiceDeps & { readonly config: JobConfig; readonly bus: Bus; readonly rest: RestClient }
  readonly stores: Stores
  readonly retentionClock: RetentionClock
  readonly executors: Executors
  readonly types: RenewedTypes
  readonly sender: Sender
}

/** The loops that make good what was lost or could not be told, and those that renew and clear away. */
export function createLoops({ deps, stores, retentionClock, executors, types, sender }: LoopsContext): Loop[] {
  const { clock, log, config } = deps
  const { jobs, executions, requests, cursors } = stores
  const waits = { firstMs: config.jobResendMs, mostMs: config.jobResendMaxMs }
  const resend = createResend({
    executions,
    sender,
    clock,
    page: { rows: config.jobResendRows, bytes: config.jobResendBytes },
    ...waits,
  })
  const fence = createFenceRepeat({ jobs, executors, clock, log, rows: config.jobFenceRows, ...waits })
  const mayLose = !deps.bus.capabilities.storesBeforePublishResolves
  const clearedBefore = () => copiesBefore(retentionClock.now(), config.retentionExecutions)
  const reconcile = createExecutionReconcile({ deps, executions, cursors, clearedBefore, mayLose })
  const keep = { executionsMs: config.retentionExecutions, requestsMs: config.jobRequestKeepMs }
  const retention = createRetention({ jobs, executions, requests, retentionClock, keep, rows: config.jobPurgeRows })
  const loop = (name: string, everyMs: number, runOnce: () => unknown) =>
    createLoop({ name, everyMs, runOnce, clock, log })
  return [
    loop('job types', config.jobTypesMs, types.renew),
    loop('reconcile executions', config.jobReconcileMs, reconcile),
    loop('resend triggers', config.jobResendPollMs, resend),
    loop('repeat fences', config.jobResendPollMs, fence),
    loop('retention', config.jobPurgeMs, retention),
  ]
}
