import { isRefusal } from '@belfry/contracts'
import { type Clock, createBatcher, type Logger } from '@belfry/service'
import { isOutcomeUnknown } from '@belfry/storage'
import type { Handler } from '@belfry/worker'
import { admitClaims } from '../admission/admit-claims.ts'
import { type Attempt, createAttempt, storedOf } from '../attempts/attempt.ts'
import { changedOnes, compareAndSet } from '../executions/compare-and-set.ts'
import { type Execution, unreadParams, withoutLargeParams } from '../executions/execution.ts'
import { claim, expire, handBack, isTooLate } from '../executions/transitions.ts'
import type { ExecutorMetrics } from '../metrics.ts'
import type { ExecutionUpdate, RowId, Stored, Stores } from '../store/ports.ts'
import type { ClaimLead } from './claim-lead.ts'
import type { Slots } from './slots.ts'
import { createStartTimers, type StartTimersBounds, type StartTimersRoom } from './start-timers.ts'

export interface ClaimerOptions {
  readonly stores: Stores
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Pick<ExecutorMetrics, 'claimed'>
  /** This executor's name; another one after it was taken for dead. */
  readonly instance: () => string
  readonly handlerOf: (jobType: string) => Handler | undefined
  readonly slots: Slots
  readonly lead: ClaimLead
  /** What may wait in memory for its time. */
  readonly armed: StartTimersBounds
  /** Params that are read at once, bytes. */
  readonly paramsBytes: number
  /** How long to wait before asking a store again that failed, milliseconds. */
  readonly storeRetryMs: number
  /** Records were changed, and the changes are stored. */
  readonly onChanged: (stored: readonly Stored[]) => void
}

/**
 * From ready to the moment of the start (protocol.md step 9): timers, claims in batches, the job's admission, and the wait
 * for the exact time. Everything that this executor holds is listed here.
 */
export interface Claimer {
  readonly held: ReadonlyMap<RowId, Attempt>
  isKnown(rowId: RowId): boolean
  /** How many more may wait for their time, and owners who may have no more of them. */
  armedRoom(): StartTimersRoom
  /** Ready ones: each is claimed shortly before its time, or now. What finds no room is left to the poll. */
  arm(stored: readonly Stored[]): void
  /** It is not ready any more, or not soon. */
  disarm(rowId: RowId): void
  /** Ready ones that are due, in the order in which they shall have the slots: what the poll found. */
  claimDue(stored: readonly Stored[]): void
  /** The record as it is when it is claimed right now; null when its time has not come. */
  claimAtOnce(execution: Execution): Execution | 'no-room' | null
  /** Records that were stored as running: this executor's from now on. */
  adopt(stored: readonly Stored[]): void
  /** A run that has not started is given back. */
  giveBack(run: Attempt): void
  /** The run's end is stored. */
  drop(run: Attempt): void
  /** Claims nothing more and gives back what has not started; resolves when that is stored. */
  stop(): Promise<void>
}

export function createClaimer(options: ClaimerOptions): Claimer {
  const { stores, clock, log, metrics, slots, lead, storeRetryMs, onChanged } = options
  const held = new Map<RowId, Attempt>()
  const underWay = new Set<Promise<unknown>>()
  let isStopping = false
  let isFailing = false
  let isRefusing = false
  const due = createBatcher<Stored>((batch) => claimBatch(byPriority(batch), slots.mustQueue))
  const armed = createStartTimers(clock, options.armed, due.add)

  /** Lets `stop` wait for it. `work` never rejects. */
  function track(work: Promise<unknown>): void {
    underWay.add(work)
    void work.finally(() => underWay.delete(work))
  }

  function hold(stored: Stored): Attempt {
    const run = createAttempt(stored, options.handlerOf(stored.execution.jobType))
    held.set(run.rowId, run)
    slots.hold(run)
    return run
  }

  function drop(run: Attempt): void {
    if (held.get(run.rowId) !== run) return
    held.delete(run.rowId)
    slots.release(run)
  }

  function claimed(execution: Execution) {
    return claim(execution, { owner: options.instance() })
  }

  function claimBatch(batch: readonly Stored[], mustQueue: (execution: Execution) => boolean): void {
    const now = clock.now()
    const runs: Attempt[] = []
    const late: Stored[] = []
    for (const stored of batch) {
      const { execution } = stored
      if (isStopping || held.has(stored.rowId)) continue
      if (isTooLate(execution, now)) late.push(stored)
      else if (mustQueue(execution) || !slots.hasRoom(execution)) slots.markSaturated(execution)
      else runs.push(hold(stored))
    }
    if (late.length > 0) track(expireAll(late))
    if (runs.length > 0) track(claimRuns(runs))
  }

  async function expireAll(late: readonly Stored[]): Promise<void> {
    try {
      const now = clock.now()
      onChanged(changedOnes(await compareAndSet(stores.executions, 'expire', late, (one) => expireLate(one, now), now)))
    } catch (err) {
      log.warn({ err }, 'executions that are too late could not be ended yet')
    }
  }

  async function claimRuns(runs: readonly Attempt[]): Promise<void> {
    const begunAt = clock.monotonic()
    const swaps: ExecutionUpdate[] = []
    for (const run of runs) {
      const from = run.execution
      const to = claimed(from)
      if (isRefusal(to)) continue
      swaps.push({ rowId: run.rowId, from, to })
      run.execution = to
    }
    const won: Attempt[] = []
    try {
      const counted = await stores.executions.compareAndSetMany('claim', swaps, clock.now())
      for (const [index, { rowId }] of swaps.entries()) {
        const run = held.get(rowId)
        if (!run) continue
        if (counted[index]) won.push(run)
        else drop(run)
      }
      for (const run of runs) if (run.execution.state !== 'running') drop(run)
    } catch (err) {
      if (!isFailing) log.warn({ err, executions: runs.length }, 'a claim failed, giving it back')
      // What may be stored is given back and is due: it would be claimed again as fast as the store answers.
      if (isOutcomeUnknown(err) && !isStopping) await new Promise<void>((go) => clock.callAfter(storeRetryMs, go))
      return giveBackAll(runs)
    }
    if (won.length === 0) return
    metrics.claimed(won)
    if (await admit(won)) lead.observe(clock.monotonic() - begunAt)
  }

  /**
   * Asks the admissions, and answers whether that went well. What cannot be asked together is asked one by one, so that
   * one bad record holds up no other; what cannot be asked alone is given back after a wait, since it is due, and would
   * otherwise be claimed and given back as fast as the store can.
   */
  async function admit(runs: readonly Attempt[]): Promise<boolean> {
    try {
      await settle(runs)
      isRefusing = false
      return true
    } catch (err) {
      if (runs.length > 1) await Promise.all(runs.map((run) => admit([run])))
      else {
        if (!isRefusing) log.warn({ err, execution: runs[0]?.execution.id }, 'an admission could not be asked')
        isRefusing = true
        if (!isStopping) await new Promise<void>((resolve) => clock.callAfter(storeRetryMs, resolve))
        await giveBackAll(runs)
      }
      return false
    }
  }

  /** Lets those start that may. */
  async function settle(runs: readonly Attempt[]): Promise<void> {
    const settled = await admitClaims(stores.executions, stores.admissions, runs.map(storedOf), clock.now())
    for (const { rowId } of settled.ended) {
      const run = held.get(rowId)
      if (run) drop(run)
    }
    if (settled.ended.length > 0) onChanged(settled.ended)
    const unread: Attempt[] = []
    for (const { rowId } of settled.starts) {
      const run = held.get(rowId)
      if (run?.execution.params === unreadParams) unread.push(run)
      else if (run) awaitStart(run)
    }
    if (unread.length > 0) track(readParams(unread))
  }

  /** Large params were left in the store while the execution waited. Each part starts as soon as it is there. */
  async function readParams(runs: readonly Attempt[]): Promise<void> {
    let left = runs
    try {
      while (left.length > 0) {
        const found = await stores.executions.readParams(
          left.map(({ rowId }) => rowId),
          options.paramsBytes,
        )
        for (const [index, params] of found.entries()) {
          const run = left[index] as Attempt
          if (params) run.execution = { ...run.execution, params }
          if (held.get(run.rowId) === run) awaitStart(run)
        }
        left = left.slice(found.length)
      }
    } catch (err) {
      log.warn({ err, executions: left.length }, 'params could not be read; the claims are given back')
      if (!isStopping) await new Promise<void>((resolve) => clock.callAfter(storeRetryMs, resolve))
      await giveBackAll(left)
    }
  }

  function awaitStart(run: Attempt): void {
    run.phase = 'waiting'
    if (isStopping || run.abortedFor !== null) giveBack(run)
    else if (run.execution.runAt <= clock.now()) slots.start(run)
    else run.timer = clock.callAt(run.execution.runAt, () => slots.start(run))
  }

  function giveBack(run: Attempt): void {
    track(giveBackAll([run]))
  }

  /** Gives back claims that have not started, until the store has it; what was not claimed after all is let go. */
  async function giveBackAll(runs: readonly Attempt[]): Promise<void> {
    const mine = runs.filter((run) => held.get(run.rowId) === run && hasNotStarted(run))
    for (const run of mine) {
      run.phase = 'settled'
      run.timer?.cancel()
    }
    for (;;) {
      try {
        const now = clock.now()
        const changes = await compareAndSet(
          stores.executions,
          'hand-back',
          mine.map(storedOf),
          (execution, place) => handBack(execution, mine[place]?.execution.epoch ?? 0, now),
          now,
        )
        for (const run of mine) drop(run)
        isFailing = false
        return onChanged(changedOnes(changes))
      } catch (err) {
        if (!isFailing) log.warn({ err, executions: mine.length }, 'claims could not be given back yet')
        isFailing = true
        if (isStopping) return
        await new Promise<void>((resolve) => clock.callAfter(storeRetryMs, resolve))
      }
    }
  }

  return {
    held,
    drop,
    giveBack,
    isKnown: (rowId) => held.has(rowId) || armed.has(rowId),
    armedRoom: armed.room,
    arm(stored) {
      if (isStopping) return
      for (const one of stored) {
        if (!held.has(one.rowId)) armed.add({ ...one, execution: withoutLargeParams(one.execution) }, lead.ms())
      }
    },
    disarm: (rowId) => armed.remove(rowId),
    claimDue: (stored) => claimBatch(stored, () => false),
    claimAtOnce(execution) {
      const now = clock.now()
      const isDue = execution.state === 'ready' && execution.runAt - lead.ms() <= now
      if (isStopping || !isDue || isTooLate(execution, now)) return null
      if (slots.mustQueue(execution) || !slots.hasRoom(execution)) return 'no-room'
      const taken = claimed(execution)
      return isRefusal(taken) ? null : taken
    },
    adopt(stored) {
      if (stored.length === 0) return
      metrics.claimed(stored)
      track(admit(stored.map(hold)))
    },
    async stop() {
      isStopping = true
      armed.clear()
      due.flush()
      for (const run of held.values()) if (run.phase === 'waiting') giveBack(run)
      while (underWay.size > 0) await Promise.all(underWay)
    },
  }
}

const hasNotStarted = ({ phase }: Attempt) => phase === 'admitting' || phase === 'waiting'

function expireLate(execution: Execution, now: number) {
  return isTooLate(execution, now) ? expire(execution, now) : execution
}

function byPriority(batch: readonly Stored[]): readonly Stored[] {
  return batch.toSorted(({ execution: a }, { execution: b }) => a.priority - b.priority || a.runAt - b.runAt)
}
