import { type Clock, createLoop, type Logger } from '@belfry/service'
import type { ExecutorConfig } from '../config.ts'
import type { Dispatcher } from '../dispatch/dispatcher.ts'
import type { ExecutionChanges } from '../executions/changes.ts'
import type { ExecutorMetrics } from '../metrics.ts'
import type { Stores } from '../store/ports.ts'
import { createHeartbeat } from './heartbeat.ts'
import type { Identity } from './identity.ts'
import { createRescue, takeOver } from './rescue.ts'

export interface MembershipOptions {
  readonly stores: Stores
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: ExecutorMetrics
  readonly config: ExecutorConfig
  readonly identity: Identity
  readonly dispatcher: Dispatcher
  readonly changes: ExecutionChanges
}

/** This executor among the others: takes over from those before it, gives signs of life, and looks for those of others. */
export interface Membership {
  start(): Promise<void>
  stop(): Promise<void>
  /** Its index among the executors that are alive. */
  share(): { readonly index: number; readonly instances: number }
}

export function createMembership({ identity, dispatcher, config, ...common }: MembershipOptions): Membership {
  const { stores, clock, log } = common
  const isSoleOwner = config.mode === 'standalone'
  const page = { rows: config.executorRescueRows, bytes: config.executorPageBytes }
  const losses = { ...common, identity, page }
  const heartbeat = createLoop({
    name: 'heartbeat',
    everyMs: config.executorBeatMs,
    clock,
    log,
    runOnce: createHeartbeat({
      ...common,
      identity,
      dispatcher,
      isSoleOwner,
    }),
  })
  const rescue = createRescue({ ...losses, leaseMs: config.executorLeaseMs })
  // A quarter of a lease, since reads further apart than a third prove nothing.
  const everyMs = Math.floor(config.executorLeaseMs / 4)
  const rescueLoop = createLoop({ name: 'rescue', everyMs, clock, log, runOnce: rescue.runOnce })

  return {
    share: rescue.share,
    async start() {
      await stores.executors.enlist(identity.name, null)
      if (isSoleOwner) await takeOver(losses)
      else rescueLoop.start()
      heartbeat.start()
    },
    async stop() {
      await rescueLoop.stop()
      await heartbeat.stop()
      await stores.executors.remove(identity.name)
    },
  }
}
