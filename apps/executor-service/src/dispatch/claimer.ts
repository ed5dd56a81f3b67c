import { isRefusal, type Refusal } from '@belfry/contracts'
import { type Clock, createBatcher, debugEach, type Logger } from '@belfry/service'
import { isUnreachable } from '@belfry/storage'
import type { Handler } from '@belfry/worker'
import { admitClaims } from '../admission/admit-claims.ts'
import type { Attempt } from '../attempts/attempt.ts'
import type { ExecutionChanges } from '../executions/changes.ts'
import { type Execution, executionSize, unreadParams } from '../executions/execution.ts'
import { attemptFields } from '../executions/execution-log.ts'
import { claim, isTooLate } from '../executions/transitions.ts'
import type { ExecutionUpdate, Step, Stored, Stores } from '../store/ports.ts'
import type { ClaimLead } from './claim-lead.ts'
import type { Dispatcher } from './dispatcher.ts'
import { createPlaceless } from './placeless.ts'
import type { Room } from './room.ts'
import type { Unclaimable } from './unclaimable.ts'

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
  readonly unclaimable: Unclaimable
  /** The job types by name. */
  readonly handlers: ReadonlyMap<string, Handler>
  readonly lead: ClaimLead
  /** Params that are read at once, bytes. */
  readonly paramsBytes: number
  /** How long to wait before asking a store again that failed, milliseconds. */
  readonly storeRetryMs: number
  /** How long an execution waits for an overlap place until it is claimed again, milliseconds. */
  readonly placeRecheckMs: number
  /** How long after its time an execution may still find an overlap place before it is skipped, milliseconds. */
  readonly placeGraceMs: number
}

/** From ready to admitted (docs/protocol.md step 9): claims in batches, the job's admission, and the params. */
export interface Claimer {
  /** False while the executor has no record or no lease, or stops: nothing is claimed. */
  mayClaim(): boolean
  /** Whether this executor has the execution's job type: of others it claims nothing. */
  hasType(execution: Execution): boolean
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
  /** These have changed: one that has ended may leave its overlap place to a claim of its job. */
  changed(stored: readonly Stored[], step: Step): void
  /** Claims nothing more, and closes the dispatcher; resolves when no claim is under way. */
  stop(): Promise<void>
}

/** An attempt whose claim is to be stored, and the ready record that it claims. */
interface Claim {
  readonly from: Execution
  readonly attempt: Attempt
}

export function createClaimer(options: ClaimerOptions): Claimer {
  const { stores, changes, clock, log, identity, room, dispatcher, lead, unclaimable, handlers, storeRetryMs } = options
  const { held, hold, drop } = dispatcher
  const { placeRecheckMs, placeGraceMs } = options
  const admitOptions = { ...stores, changes, placeRecheckMs, placeGraceMs }
  const placeless = createPlaceless({ clock, held, placeGraceMs, onAskAgain: (attempts) => track(admit(attempts)) })
  const underWay = new Set<Promise<unknown>>()
  const inserting = new Set<string>()
  let isStopping = false
  let isClaimFailing = false
  let isAdmissionFailing = false
  const soon = createBatcher<Stored>((batch) => claimBatch(byPriority(batch), room.mustQueue))

  /** Lets `stop` wait for it. `work` never rejects. */
  function track(work: Promise<unknown>): void {
    underWay.add(work)
    void work.finally(() => underWay.delete(work))
  }

  async function waitForStore(): Promise<void> {
    if (!isStopping) await new Promise<void>((resolve) => clock.callAfter(storeRetryMs, resolve))
  }

  const mayClaim = () => !isStopping && identity.mayStart()

  const hasType = ({ jobType }: Execution) => handlers.has(jobType)

  /** Into the pool of its handler. */
  function claimed(execution: Execution): Execution | Refusal {
    return claim(execution, { owner: identity.name, pool: handlers.get(execution.jobType)?.slots })
  }

  function claimBatch(batch: readonly Stored[], mustQueue: (execution: Execution) => boolean): void {
    const now = clock.now()
    const claims: Claim[] = []
    const late: Stored[] = []
    const foreign: Stored[] = []
    for (const stored of batch) {
      const { execution: from, size } = stored
      if (!mayClaim() || held.has(stored.rowId)) continue
      const to = claimed(from)
      if (isRefusal(to)) continue
      if (isTooLate(from, now)) late.push(stored)
      else if (!hasType(from)) foreign.push(stored)
      else if (mustQueue(to) || !room.hasRoomFor(to)) room.markSaturated(to)
      else {
        room.take(to, size)
        claims.push({ from, attempt: hold({ ...stored, execution: to }) })
      }
    }
    if (late.length > 0) track(unclaimable.expire(late))
    if (foreign.length > 0) track(unclaimable.handOver(foreign))
    if (claims.length > 0) track(claimAll(claims))
  }

  async function claimAll(claims: readonly Claim[]): Promise<void> {
    const begunAt = clock.monotonic()
    const attempts = claims.map((one) => one.attempt)
    const updates = claims.map(({ from, attempt }): ExecutionUpdate => {
      return { rowId: attempt.rowId, from, to: attempt.execution }
    })
    const won: Attempt[] = []
    try {
      const counted = await stores.executions.compareAndSetMany('claim', updates, clock.now())
      for (const [index, { rowId }] of updates.entries()) {
        const attempt = held.get(rowId)
        if (!attempt) continue
        if (counted[index]) won.push(attempt)
        else drop(attempt)
      }
      isClaimFailing = false
    } catch (err) {
      const hasFailedBefore = isClaimFailing
      if (!hasFailedBefore) log.warn({ err, executions: attempts.length }, 'a claim failed, giving it back')
      isClaimFailing = true
      // What is given back is due: it would be claimed again as fast as the store fails.
      if (isUnreachable(err) || hasFailedBefore) await waitForStore()
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

  /** What was claimed or inserted under an older name is given back (docs/protocol.md step 11). */
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

  /** Lets those start that may. */
  async function admitOnce(attempts: readonly Attempt[]): Promise<void> {
    const { starts, early, ended, asked, undecided, error } = await admitClaims(admitOptions, attempts, clock.now())
    for (const { rowId } of asked) dispatcher.cancel(rowId)
    for (const { rowId } of early) placeless.add(rowId)
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
    hasType,
    claim: (stored) => claimBatch(stored, () => false),
    claimSoon: soon.add,
    claimUnstored(execution) {
      const now = clock.now()
      const isDue = execution.state === 'ready' && execution.runAt - lead.ms() <= now
      if (!mayClaim() || !isDue || !hasType(execution) || isTooLate(execution, now)) return null
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
    changed: placeless.changed,
    async stop() {
      isStopping = true
      dispatcher.close()
      soon.flush()
      while (underWay.size > 0) await Promise.all(underWay)
    },
  }
}

/** In the order in which they shall have the slots: by priority, then by time. */
export function byPriority(batch: readonly Stored[]): readonly Stored[] {
  return batch.toSorted(({ execution: a }, { execution: b }) => a.priority - b.priority || a.runAt - b.runAt)
}
