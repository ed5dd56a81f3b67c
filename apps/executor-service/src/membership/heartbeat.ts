import { type Clock, type Logger, momentOf, type Timer } from '@belfry/service'
import type { Claimer } from '../dispatch/claimer.ts'
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
  readonly dispatcher: Dispatcher
  /** An executor that was taken for dead enlists under another name, and goes on under it. */
  readonly identity: Identity
  /** Where this executor listens; null when it is not known. */
  readonly address: string | null
}

/** The signs of life of this executor, and what follows when none gets through (docs/protocol.md step 11). */
export interface Heartbeat {
  /** The first record of this executor. */
  enlist(): Promise<void>
  /** One sign of life. */
  beat(): Promise<void>
  stop(): void
}

/**
 * While no sign of life gets through for a lease nothing starts, and attempts that must not run beside another one are aborted; the
 * others go on, since an end under an old epoch changes nothing. When one gets through again the record says whether this
 * executor was taken for dead: if not, it goes on with all that it holds. A sign of life whose answer was lost is none.
 */
export function createHeartbeat({ stores, clock, log, dispatcher, identity, address }: HeartbeatOptions): Heartbeat {
  let isLapsed = false
  let isStopped = false
  let timer: Timer | null = null

  const makeRecord = (name: string) => stores.executors.enlist(name, address)

  /** Acts on a lease that has run out, as soon as the process is at work. */
  function watchLease(): void {
    timer?.cancel()
    if (isStopped) return
    const leftMs = identity.leftMs()
    if (leftMs > 0) {
      if (Number.isFinite(leftMs)) timer = clock.callAfter(leftMs, watchLease)
    } else if (!isLapsed) {
      isLapsed = true
      log.warn({ executor: identity.name }, 'no sign of life was stored for a lease: nothing starts until one is')
      dispatcher.abortLimited()
    }
  }

  function goOn(): void {
    if (!identity.mayStart()) return
    if (isLapsed) log.info({ executor: identity.name }, 'signs of life are stored again')
    isLapsed = false
    dispatcher.resume()
    watchLease()
  }

  async function renew(): Promise<void> {
    identity.resign()
    dispatcher.abandon()
    await identity.enlist(makeRecord)
    log.info({ executor: identity.name }, 'this executor goes on under another name')
    // What was claimed under the old name meanwhile must not start.
    dispatcher.abandon()
    goOn()
  }

  return {
    async enlist() {
      await identity.enlist(makeRecord)
      goOn()
    },
    async beat() {
      watchLease()
      if (!identity.isEnlisted) return renew()
      const sentAt = momentOf(clock)
      if (await stores.executors.beat(identity.name)) {
        identity.gotThrough(sentAt)
        return goOn()
      }
      log.error({ executor: identity.name }, 'this executor was taken for dead; its attempts are aborted')
      return renew()
    },
    stop() {
      isStopped = true
      timer?.cancel()
    },
  }
}

export interface HeldLookOptions {
  readonly stores: Stores
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: ExecutorMetrics
  readonly dispatcher: Pick<Dispatcher, 'held' | 'cancel'>
  readonly claimer: Pick<Claimer, 'isInserting'>
  readonly identity: Pick<Identity, 'name' | 'isEnlisted'>
  /** No other process can open the store, so nothing changes in it while this one holds nothing. */
  readonly isSoleOwner: boolean
  readonly changes: ExecutionChanges
}

/** A sole owner that holds nothing looks only every so many times: idling shall cost nothing. */
const idleLooks = 10

/**
 * One look at the stored running executions of this executor. Attempts that are cancelled are aborted; what it does not hold in
 * two looks one after the other (the answer to a claim was lost) is given back.
 */
export function createHeldLook(options: HeldLookOptions): () => Promise<void> {
  const { stores, clock, log, metrics, dispatcher, claimer, identity, isSoleOwner, changes } = options
  let missedBefore = new Map<RowId, number>()
  let looks = 0

  const isHeld = ({ rowId, epoch }: HeldExecution) => dispatcher.held.get(rowId)?.execution.epoch === epoch

  async function giveBack(missed: readonly HeldExecution[]): Promise<void> {
    const twice = missed.filter((one) => missedBefore.get(one.rowId) === one.epoch)
    missedBefore = new Map(missed.map((one) => [one.rowId, one.epoch]))
    if (twice.length === 0) return
    const found = await stores.executions.read(twice.map((one) => one.rowId))
    const lost = found.flatMap((stored, index) => {
      const seen = twice[index]
      if (stored === undefined || seen === undefined || stored.execution.epoch !== seen.epoch) return []
      // One whose insert is under way is not held yet, and would start after it was given back.
      return isHeld(seen) || claimer.isInserting(stored.execution.id) ? [] : stored
    })
    if (lost.length === 0) return
    log.warn({ executions: lost.length }, 'claims without an attempt are given back')
    metrics.leasesExpired(lost.length)
    changes.publish(await loseAll(stores.executions, lost, clock.now(), true), 'lose')
  }

  return async () => {
    const me = identity.name
    const isIdle = isSoleOwner && dispatcher.held.size === 0 && missedBefore.size === 0
    if (!identity.isEnlisted || (isIdle && looks++ % idleLooks !== 0)) return
    const stored = await stores.executions.listHeld(me)
    if (!identity.isEnlisted || identity.name !== me) {
      missedBefore.clear()
      return
    }
    for (const one of stored) if (one.cancelRequested && isHeld(one)) dispatcher.cancel(one.rowId)
    await giveBack(stored.filter((one) => !isHeld(one)))
  }
}
