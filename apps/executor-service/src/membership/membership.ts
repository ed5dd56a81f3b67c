import { type Clock, createLoop, type Logger } from '@belfry/service'
import { type ExecutorConfig, livenessOf } from '../config.ts'
import type { Claimer } from '../dispatch/claimer.ts'
import type { Dispatcher } from '../dispatch/dispatcher.ts'
import type { ExecutionChanges } from '../executions/changes.ts'
import type { ExecutorMetrics } from '../metrics.ts'
import type { Stores } from '../store/ports.ts'
import { createHeartbeat, createHeldLook } from './heartbeat.ts'
import type { Identity } from './identity.ts'
import { createRescue, takeOver } from './rescue.ts'

export interface MembershipOptions {
  readonly stores: Stores
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: ExecutorMetrics
  readonly config: ExecutorConfig
  readonly identity: Identity
  /** Where this executor is reached; null when that is not known before it listens. */
  readonly address: string | null
  readonly dispatcher: Dispatcher
  readonly claimer: Pick<Claimer, 'isInserting'>
  readonly changes: ExecutionChanges
}

/** This executor among the others: takes over from those before it, gives signs of life, and looks for those of others. */
export interface Membership {
  start(): Promise<void>
  stop(): Promise<void>
  /** Its index among the executors that are alive. */
  share(): { readonly index: number; readonly instances: number }
}

export function createMembership({
  identity,
  address,
  dispatcher,
  claimer,
  config,
  ...common
}: MembershipOptions): Membership {
  const { stores, clock, log } = common
  const isSoleOwner = config.mode === 'standalone'
  const page = { rows: config.executorRescueRows, bytes: config.executorPageBytes }
  const losses = { ...common, identity, page }
  const { beatMs, leaseMs } = livenessOf(config)
  const loop = (name: string, everyMs: number, runOnce: () => unknown) =>
    createLoop({ name, everyMs, clock, log, runOnce })
  const heartbeat = createHeartbeat({ ...common, identity, dispatcher, address })
  const beatLoop = loop('heartbeat', beatMs, heartbeat.beat)
  // A loop of its own, because a slow read must not hold up a sign of life.
  const look = createHeldLook({ ...common, identity, dispatcher, claimer, isSoleOwner })
  const lookLoop = loop('held executions', beatMs, look)
  const rescue = createRescue({ ...losses, leaseMs })
  // A dead executor is found after a lease and two of these; of a gap above a third of a lease only a third counts.
  const rescueLoop = loop('rescue', Math.floor(leaseMs / 20), rescue.runOnce)

  return {
    share: rescue.share,
    async start() {
      await heartbeat.enlist()
      if (isSoleOwner) await takeOver(losses)
      else {
        beatLoop.start()
        rescueLoop.start()
      }
      lookLoop.start()
    },
    async stop() {
      await Promise.all([rescueLoop.stop(), lookLoop.stop(), beatLoop.stop()])
      heartbeat.stop()
      // The last act: what could not be handed back is given back by the others, since its owner has no record.
      await stores.executors.remove(identity.name)
    },
  }
}
