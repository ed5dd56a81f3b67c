import type { Clock, Logger } from '@belfry/service'
import type { Engine } from '../attempts/engine.ts'
import type { ExecutorMetrics } from '../metrics.ts'
import type { HeldExecution, RowId, Stored, Stores } from '../store/ports.ts'
import { loseAll } from './loss.ts'

export interface HeartbeatOptions {
  readonly stores: Stores
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: ExecutorMetrics
  readonly runs: Engine
  readonly instance: () => string
  /** No other process can open the store, so no other executor waits for a sign of life. */
  readonly isSoleOwner: boolean
  /** This executor was taken for dead: it enlists under another name, and goes on under it. */
  readonly onGone: () => Promise<void>
  readonly onChanged: (stored: readonly Stored[]) => void
}

/** A sole owner that holds nothing looks only every so many beats: idling shall cost nothing. */
const idleBeats = 10

/**
 * One beat (protocol.md step 11): a sign of life, and a look at what this executor runs by what is stored. Attempts that
 * are cancelled are aborted; what it does not hold in two beats one after the other (the answer to a claim was lost) is
 * given back.
 */
export function createHeartbeat(options: HeartbeatOptions): () => Promise<void> {
  const { stores, clock, log, metrics, runs, instance, isSoleOwner, onGone, onChanged } = options
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
    onChanged(
      await loseAll(
        stores.executions,
        lost.filter((one) => one !== undefined),
        clock.now(),
        true,
      ),
    )
  }

  return async () => {
    const me = instance()
    const isIdle = isSoleOwner && runs.claims.held.size === 0 && missedBefore.size === 0
    if (isIdle && beats++ % idleBeats !== 0) return
    const beat = isSoleOwner ? true : stores.executors.beat(me)
    const [isAlive, stored] = await Promise.all([beat, stores.executions.listHeld(me)])
    if (!isAlive) {
      log.error({ instance: me }, 'this executor was taken for dead; its attempts are aborted')
      runs.abandon()
      missedBefore.clear()
      await onGone()
      // What was claimed under the old name meanwhile must not start.
      runs.abandon()
      return
    }
    const missed: HeldExecution[] = []
    for (const one of stored) {
      const run = runs.claims.held.get(one.rowId)
      if (run === undefined || run.execution.epoch !== one.epoch) missed.push(one)
      else if (one.cancelRequested) runs.cancel(one.rowId)
    }
    await giveBack(missed)
  }
}
