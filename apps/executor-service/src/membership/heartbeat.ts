import type { Clock, Logger } from '@belfry/service'
import type { Dispatcher } from '../dispatch/dispatcher.ts'
import type { ExecutionChanges } from '../executions/changes.ts'
import type { ExecutorMetrics } from '../metrics.ts'
import type { HeldExecution, RowId, Stores } from '../store/ports.ts'
import type { Identity } from './identity.ts'
import { loseAll } from './loss.ts'

export interface HeartbeatOptions {
  readonly stores: Stores
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: ExecutorMetrics
  readonly dispatcher: Dispatcher
  /** An executor that was taken for dead enlists under another name, and goes on under it. */
  readonly identity: Identity
  /** No other process can open the store, so no other executor waits for a sign of life. */
  readonly isSoleOwner: boolean
  readonly changes: ExecutionChanges
}

/** A sole owner that holds nothing looks only every so many beats: idling shall cost nothing. */
const idleBeats = 10

/**
 * One beat (protocol.md step 11): a sign of life, and a look at the stored running executions of this executor. Attempts that
 * are cancelled are aborted; what it does not hold in two beats one after the other (the answer to a claim was lost) is
 * given back.
 */
export function createHeartbeat(options: HeartbeatOptions): () => Promise<void> {
  const { stores, clock, log, metrics, dispatcher, identity, isSoleOwner, changes } = options
  let missedBefore = new Map<RowId, number>()
  let beats = 0

  async function giveBack(missed: readonly HeldExecution[]): Promise<void> {
    const twice = missed.filter((one) => missedBefore.get(one.rowId) === one.epoch)
    missedBefore = new Map(missed.map((one) => [one.rowId, one.epoch]))
    if (twice.length === 0) return
    const found = await stores.executions.read(twice.map((one) => one.rowId))
    const lost = found.filter((one, index) => one?.execution.epoch === twice[index]?.epoch)
    log.warn({ executions: lost.length }, 'claims without an attempt are given back')
    metrics.leasesExpired(lost.length)
    changes.publish(
      await loseAll(
        stores.executions,
        lost.filter((one) => one !== undefined),
        clock.now(),
        true,
      ),
      'lose',
    )
  }

  return async () => {
    const me = identity.name
    const isIdle = isSoleOwner && dispatcher.held.size === 0 && missedBefore.size === 0
    if (isIdle && beats++ % idleBeats !== 0) return
    const beat = isSoleOwner ? true : stores.executors.beat(me)
    const [isAlive, stored] = await Promise.all([beat, stores.executions.listHeld(me)])
    if (!isAlive) {
      log.error({ instance: me }, 'this executor was taken for dead; its attempts are aborted')
      dispatcher.abandon()
      missedBefore.clear()
      await identity.renew((name) => stores.executors.enlist(name, null))
      // What was claimed under the old name meanwhile must not start.
      dispatcher.abandon()
      return
    }
    const missed: HeldExecution[] = []
    for (const one of stored) {
      const attempt = dispatcher.held.get(one.rowId)
      if (attempt === undefined || attempt.execution.epoch !== one.epoch) missed.push(one)
      else if (one.cancelRequested) dispatcher.cancel(one.rowId)
    }
    await giveBack(missed)
  }
}
