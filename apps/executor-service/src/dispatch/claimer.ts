import { isRefusal } from '@belfry/contracts'
import { type Clock, createBatcher, debugEach, type Logger } from '@belfry/service'
import { isUnreachable } from '@belfry/storage'
import { admitClaims } from '../admission/admit-claims.ts'
import type { Attempt } from '../attempts/attempt.ts'
import type { ExecutionChanges } from '../executions/changes.ts'
import { changedOnes, compareAndSet } from '../executions/compare-and-set.ts'
import { type Execution, executionSize, unreadParams } from '../executions/execution.ts'
import { attemptFields } from '../executions/execution-log.ts'
import { claim, expire, isTooLate } from '../executions/transitions.ts'
import type { ExecutionUpdate, RowId, Stored, Stores } from '../store/ports.ts'
import type { ClaimLead } from './claim-lead.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { Room } from './room.ts'

export interface ClaimerOptions {
  readonly stores: Pick<Stores, 'executions' | 'admissions'>
  readonly changes: ExecutionChanges
  readonly clock: Clock
  readonly log: Logger
  /**
   * This executor's name, another one after it was taken for dead. While the name has no record (`isEnlisted` is false), what
   * is claimed under it would be taken for abandoned; while it may not start anything, it claims nothing either.
   */
  readonly identity: { readonly name: string; readonly isEnlisted: boolean; mayStart(): boolean }
  readonly room: Room
  readonly dispatcher: Dispatcher
  readonly lead: ClaimLead
  /** Params that are read at once, bytes. */
  readonly paramsBytes: number
  /** How long to wait before asking a store again that failed, milliseconds. */
  readonly storeRetryMs: number
  /** How long an execution waits for an overlap place until it is claimed again, milliseconds. */
  readonly placeRecheckMs: number
}

/** From ready to admitted (protocol.md step 9): claims in batches, the job's admission, and the params. */
export interface Claimer {
  /** False while the executor has no record or no lease, or stops: nothing is claimed. */
  mayClaim(): boolean
  /** Ready ones that are due, in the order in which they shall have the slots. What finds no room is left to the poll. */
  claim(stored: readonly Stored[]): void
  /** A ready one that is due, or will be shortly: claimed with all others of this iteration of the event loop, by priority. */
  claimSoon(stored: Stored): void
  /** Takes room for an execution that is not stored yet, and answers it as claimed; null when its time has not come. */
  claimUnstored(execution: Execution): Execution | 'no-room' | null
  /** Such an execution was not stored. */
  releaseUnstored(execution: Execution): void
  /** Such an execution is being stored: it may be there, and is not held yet. */
  isInserting(executionId: string): boolean
  /** Such executions are stored: this executor's from now on. */
  adopt(stored: readonly Stored[]): void
  /** Claims nothing more, and closes the dispatcher; resolves when no claim is under way. */
  stop(): Promise<void>
}

export function createClaimer(options: ClaimerOptions): Claimer {
  const { stores, changes, clock, log, identity, room, dispatcher, lead, storeRetryMs } = options
  const { held, hold, drop } = dispatcher
  const admitOptions = { ...stores, changes, placeRecheckMs: options.placeRecheckMs }
  const underWay = new Set<Promise<unknown>>()
  const inserting = new Set<string>()
  let isStopping = false
  let isClaimFailing = false
  let isAdmissionFailing = false
  const soon = createBatcher<Stored>((batch) => claimBatch(byPriority(batch), room.mustQueue))
  const due = createBatcher<Attempt>((batch) => {
    const left = batch.filter((one) => held.get(one.rowId) === one && one.phase === 'admitting')
    if (left.length > 0) track(admit(left))
  })

  /** Lets `stop` wait for it. `work` never rejects. */
  function track(work: Promise<unknown>): void {
    underWay.add(work)
    void work.finally(() => underWay.delete(work))
  }

  async function waitForStore(): Promise<void> {
    if (!isStopping) await new Promise<void>((resolve) => clock.callAfter(storeRetryMs, resolve))
  }

  const mayClaim = () => !isStopping && identity.mayStart()

  const claimed = (execution: Execution) => claim(execution, { owner: identity.name })

  function claimBatch(batch: readonly Stored[], mustQueue: (execution: Execution) => boolean): void {
    const now = clock.now()
    const attempts: Attempt[] = []
    const late: Stored[] = []
    for (const stored of batch) {
      const { execution, size } = stored
      if (!mayClaim() || held.has(stored.rowId)) continue
      if (isTooLate(execution, now)) late.push(stored)
      else if (mustQueue(execution) || !room.hasRoomFor(execution)) room.markSaturated(execution)
      else {
        room.take(execution, size)
        attempts.push(hold(stored))
      }
    }
    if (late.length > 0) track(expireAll(late))
    if (attempts.length > 0) track(claimAll(attempts))
  }

  async function expireAll(late: readonly Stored[]): Promise<void> {
    const now = clock.now()
    const decide = (execution: Execution) => (isTooLate(execution, now) ? expire(execution, now) : execution)
    try {
      changes.publish(changedOnes(await compareAndSet(stores.executions, 'expire', late, decide, now)), 'expire')
    } catch (err) {
      log.warn({ err }, 'executions that are too late could not be ended yet')
    }
  }

  async function claimAll(attempts: readonly Attempt[]): Promise<void> {
    const begunAt = clock.monotonic()
    const updates: ExecutionUpdate[] = []
    for (const attempt of attempts) {
      const from = attempt.execution
      const to = claimed(from)
      if (isRefusal(to)) continue
      updates.push({ rowId: attempt.rowId, from, to })
      attempt.execution = to
    }
    const won: Attempt[] = []
    try {
      const counted = await stores.executions.compareAndSetMany('claim', updates, clock.now())
      for (const [index, { rowId }] of updates.entries()) {
        const attempt = held.get(rowId)
        if (!attempt) continue
        if (counted[index]) won.push(attempt)
        else drop(attempt)
      }
      for (const attempt of attempts) if (attempt.execution.state !== 'running') drop(attempt)
      isClaimFailing = false
    } catch (err) {
      if (!isClaimFailing) log.warn({ err, executions: attempts.length }, 'a claim failed, giving it back')
      isClaimFailing = true
      // What is given back is due: it would be claimed again as fast as the store fails.
      if (isUnreachable(err)) await waitForStore()
      return dispatcher.giveBack(attempts)
    }
    if (won.length === 0) return
    debugEach(log, 'execution claimed', won, attemptFields)
    if (await admit(won)) lead.observe(clock.monotonic() - begunAt)
  }

  /**
   * Asks the admissions, and answers whether that went well. What cannot be asked together is asked one by one, so that
   * one bad record holds up no other; what cannot be asked alone is given back after a wait, since it is due, and would
   * otherwise be claimed and given back as fast as the store can.
   */
  async function admit(attempts: readonly Attempt[]): Promise<boolean> {
    try {
      await admitOnce(attempts)
      isAdmissionFailing = false
      return true
    } catch (err) {
      if (attempts.length > 1) await Promise.all(attempts.map((attempt) => admit([attempt])))
      else {
        if (!isAdmissionFailing)
          log.warn({ err, execution: attempts[0]?.execution.id }, 'an admission could not be asked')
        isAdmissionFailing = true
        await waitForStore()
        await dispatcher.giveBack(attempts)
      }
      return false
    }
  }

  /** What was claimed or inserted under an older name is given back (protocol.md step 11). */
  function start(attempt: Attempt): void {
    const isOurs = identity.isEnlisted && attempt.execution.owner === identity.name
    if (!isOurs) attempt.abortedFor ??= 'gone'
    dispatcher.start(attempt)
  }

  /** After a wait, since they are due: they would be claimed again as fast as the store fails. */
  async function giveBackUndecided(undecided: readonly Stored[], err: unknown): Promise<void> {
    log.warn(
      { err, executions: undecided.length },
      'executions that must not start could not be ended, giving them back',
    )
    await waitForStore()
    await dispatcher.giveBack(undecided.flatMap(({ rowId }) => held.get(rowId) ?? []))
  }

  /** The attempt has no overlap place, ahead of its time: its admission is asked once more when its time has come. */
  function askAgain(rowId: RowId): void {
    const attempt = held.get(rowId)
    if (attempt) attempt.timer = clock.callAt(attempt.execution.runAt, () => due.add(attempt))
  }

  /** Lets those start that may. */
  async function admitOnce(attempts: readonly Attempt[]): Promise<void> {
    const { starts, early, ended, asked, undecided, error } = await admitClaims(admitOptions, attempts, clock.now())
    for (const { rowId } of asked) dispatcher.cancel(rowId)
    for (const { rowId } of early) askAgain(rowId)
    if (undecided.length > 0) track(giveBackUndecided(undecided, error))
    for (const { rowId } of ended) {
      const attempt = held.get(rowId)
      if (attempt) drop(attempt)
    }
    const unread: Attempt[] = []
    for (const { rowId } of starts) {
      const attempt = held.get(rowId)
      if (attempt?.execution.params === unreadParams) unread.push(attempt)
      else if (attempt) start(attempt)
    }
    if (unread.length > 0) track(readParams(unread))
  }

  /** Large params were left in the store while the execution waited. Each part starts as soon as it is there. */
  async function readParams(attempts: readonly Attempt[]): Promise<void> {
    let left = attempts
    try {
      while (left.length > 0) {
        const found = await stores.executions.readParams(
          left.map(({ rowId }) => rowId),
          options.paramsBytes,
        )
        for (const [index, params] of found.entries()) {
          const attempt = left[index] as Attempt
          if (params) attempt.execution = { ...attempt.execution, params }
          if (held.get(attempt.rowId) === attempt) start(attempt)
        }
        left = left.slice(found.length)
      }
    } catch (err) {
      log.warn({ err, executions: left.length }, 'params could not be read; the claims are given back')
      await waitForStore()
      await dispatcher.giveBack(left)
    }
  }

  return {
    mayClaim,
    claim: (stored) => claimBatch(stored, () => false),
    claimSoon: soon.add,
    claimUnstored(execution) {
      const now = clock.now()
      const isDue = execution.state === 'ready' && execution.runAt - lead.ms() <= now
      if (!mayClaim() || !isDue || isTooLate(execution, now)) return null
      if (room.mustQueue(execution) || !room.hasRoomFor(execution)) return 'no-room'
      const running = claimed(execution)
      if (isRefusal(running)) return null
      // Of two commands for one execution in a batch the second one is ready, and finds the first.
      if (inserting.has(execution.id)) return null
      room.take(running, executionSize(running))
      inserting.add(execution.id)
      return running
    },
    releaseUnstored(execution) {
      inserting.delete(execution.id)
      room.release(execution, executionSize(execution))
    },
    isInserting: (executionId) => inserting.has(executionId),
    adopt(stored) {
      if (stored.length === 0) return
      for (const { execution } of stored) inserting.delete(execution.id)
      debugEach(log, 'execution claimed', stored, attemptFields)
      track(admit(stored.map(hold)))
    },
    async stop() {
      isStopping = true
      dispatcher.close()
      soon.flush()
      while (underWay.size > 0) await Promise.all(underWay)
    },
  }
}

function byPriority(batch: readonly Stored[]): readonly Stored[] {
  return batch.toSorted(({ execution: a }, { execution: b }) => a.priority - b.priority || a.runAt - b.runAt)
}
