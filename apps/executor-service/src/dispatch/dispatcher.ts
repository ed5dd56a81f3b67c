import { isRefusal, takesPlace } from '@belfry/contracts'
import type { Clock, Logger } from '@belfry/service'
import type { Handler } from '@belfry/worker'
import { type AbortReason, type Attempt, createAttempt } from '../attempts/attempt.ts'
import type { Engine } from '../attempts/engine.ts'
import type { ExecutionChanges } from '../executions/changes.ts'
import { changedOnes, compareAndSet } from '../executions/compare-and-set.ts'
import { type Execution, isOwnedBy, type Pool, startsUntil } from '../executions/execution.ts'
import { expire, handBack, isTooLate, takeBackUnstarted } from '../executions/transitions.ts'
import type { RowId, Stored, Stores } from '../store/ports.ts'
import type { Room } from './room.ts'
import type { Slots } from './slots.ts'

export interface DispatcherOptions {
  readonly stores: Pick<Stores, 'executions'>
  readonly changes: ExecutionChanges
  readonly clock: Clock
  readonly log: Logger
  /** The job types by name. */
  readonly handlers: ReadonlyMap<string, Handler>
  readonly room: Room
  readonly slots: Slots
  readonly engine: Engine
  /** The name under which this executor owns attempts, and whether they may start at this moment. */
  readonly identity: { readonly name: string; readonly isEnlisted: boolean; mayStart(): boolean }
  /** How long attempts may go on after the executor begins to stop, and after they are aborted, milliseconds. */
  readonly shutdownGraceMs: number
  readonly abortGraceMs: number
  /** How long to wait before asking a store again that failed, milliseconds. */
  readonly storeRetryMs: number
}

/** Lists the attempts that this executor holds, gives them slots when their time has come, and sees them to their ends. */
export interface Dispatcher {
  readonly held: ReadonlyMap<RowId, Attempt>
  /** The execution is claimed, or about to be, and has its room: holds its attempt until that is over, given back or dropped. */
  hold(stored: Stored): Attempt
  /** The attempt is admitted: runs it at its time, as soon as it has a slot. */
  start(attempt: Attempt): void
  /** Gives back claims that have not started; resolves when that is stored. */
  giveBack(attempts: readonly Attempt[]): Promise<void>
  /** The attempt needs no end of its own: its claim was lost, or its execution has ended. */
  drop(attempt: Attempt): void
  /** The execution is to end: its attempt is aborted, or given back when it has not started. */
  cancel(rowId: RowId): void
  /** What another name owns than that under which the executor is enlisted is not its own any more: aborts those attempts. */
  abandon(): void
  /** Other executors may have taken over: aborts the attempts at work that must not run beside another one. */
  abortLimited(): void
  /** Attempts may start again. */
  resume(): void
  /** Starts nothing more: what has not started is given back. */
  close(): void
  /** Closes, lets the handlers at work finish, and aborts them after the grace time. Resolves when nothing is held. */
  stop(): Promise<void>
}

const pools: readonly Pool[] = ['io', 'cpu']
/** Handlers that are called in one iteration of the event loop; between iterations due timers go first. */
const startsPerIteration = 50

export function createDispatcher(options: DispatcherOptions): Dispatcher {
  const { stores, changes, clock, log, handlers, room, slots, engine, identity, storeRetryMs } = options
  const held = new Map<RowId, Attempt>()
  const idle = createCondition()
  const empty = createCondition()
  let atWork = 0
  let startedNow = 0
  let isContinuing = false
  let isHeldUp = false
  let isClosed = false
  let isFailing = false

  function hold(stored: Stored): Attempt {
    const attempt = createAttempt(stored, handlers.get(stored.execution.jobType))
    held.set(attempt.rowId, attempt)
    return attempt
  }

  function drop(attempt: Attempt): void {
    if (held.get(attempt.rowId) !== attempt) return
    held.delete(attempt.rowId)
    room.release(attempt.execution, attempt.size)
    if (held.size === 0) empty.signal()
  }

  /** An attempt that has a slot, up to its recorded end. */
  async function run(attempt: Attempt): Promise<void> {
    atWork += 1
    startedNow += 1
    continueSoon()
    const outcome = await engine.run(attempt)
    slots.vacate(attempt)
    continueSoon()
    const ending = outcome === 'refused' ? giveBack([attempt]) : engine.finish(attempt, outcome)
    atWork -= 1
    if (atWork === 0) idle.signal()
    await ending
    drop(attempt)
  }

  /**
   * Asked right before each start, whatever has led to it: timers are the first to come after a process was stopped for a
   * while.
   */
  function mayStart(): boolean {
    isHeldUp = !identity.mayStart()
    return !isHeldUp
  }

  /** Its time has come. */
  function startNow(attempt: Attempt): void {
    if (isTooLate(attempt.execution, clock.now())) void expireClaim(attempt)
    else if (mayStart() && startedNow < startsPerIteration && slots.take(attempt)) void run(attempt)
    else {
      slots.enqueue(attempt)
      const until = startsUntil(attempt.execution)
      if (until !== null) attempt.timer = clock.callAt(until + 1, () => void expireClaim(attempt))
      continueSoon()
    }
  }

  /** The attempt has waited for its slot for too long: its execution ends. */
  async function expireClaim(attempt: Attempt): Promise<void> {
    if (attempt.phase !== 'waiting') return
    withdraw(attempt)
    const { epoch } = attempt.execution
    const now = clock.now()
    const decide = (execution: Execution) =>
      isOwnedBy(execution, epoch) && isTooLate(execution, now) ? expire(execution, now) : execution
    try {
      changes.publish(changedOnes(await compareAndSet(stores.executions, 'expire', [attempt], decide, now)), 'expire')
      drop(attempt)
    } catch (err) {
      log.warn({ err, execution: attempt.execution.id }, 'a claim that is too late could not be ended, giving it back')
      attempt.phase = 'waiting'
      await giveBack([attempt])
    }
  }

  /** It is over for this attempt, which has not started. */
  function withdraw(attempt: Attempt): void {
    attempt.phase = 'ended'
    attempt.timer?.cancel()
    slots.withdraw(attempt)
  }

  /** Starts attempts that wait for a slot, in the next iteration of the event loop. */
  function continueSoon(): void {
    if (isContinuing) return
    isContinuing = true
    setImmediate(startWaiting)
  }

  function startWaiting(): void {
    isContinuing = false
    startedNow = 0
    for (const pool of pools) {
      while (startedNow < startsPerIteration && mayStart()) {
        const attempt = slots.takeNext(pool)
        if (attempt === undefined) break
        attempt.timer?.cancel()
        if (isTooLate(attempt.execution, clock.now())) {
          slots.vacate(attempt)
          void expireClaim(attempt)
        } else void run(attempt)
      }
    }
  }

  async function giveBack(attempts: readonly Attempt[]): Promise<void> {
    const mine = attempts.filter((attempt) => held.get(attempt.rowId) === attempt && hasNotStarted(attempt))
    if (mine.length === 0) return
    for (const attempt of mine) withdraw(attempt)
    while (!(await tryToGiveBack(mine)) && !isClosed) {
      await new Promise<void>((resolve) => clock.callAfter(storeRetryMs, resolve))
    }
    for (const attempt of mine) drop(attempt)
  }

  /**
   * What was not claimed after all stays as it is. The record is read first: that of a claim that was not stored has the
   * sequence number and the epoch of the claim by which another executor was faster. A claim that counts as lost has not
   * started and will not: it is in doubt no more.
   */
  async function tryToGiveBack(attempts: readonly Attempt[]): Promise<boolean> {
    const now = clock.now()
    const claims = attempts.map(({ execution }) => execution)
    try {
      const found = await stores.executions.read(attempts.map(({ rowId }) => rowId))
      const newest = attempts.map((attempt, index) => found[index] ?? attempt)
      const decide = (execution: Execution, index: number) => handBack(execution, claims[index] as Execution, now)
      const given = await compareAndSet(stores.executions, 'hand-back', newest, decide, now)
      await takeBackLost(
        newest.filter((_, index) => isRefusal(given[index])),
        claims.filter((_, index) => isRefusal(given[index])),
      )
      for (const attempt of attempts) drop(attempt)
      changes.publish(changedOnes(given), 'hand-back')
      isFailing = false
    } catch (err) {
      if (!isFailing) log.warn({ err, executions: attempts.length }, 'claims could not be given back yet')
      isFailing = true
    }
    return !isFailing
  }

  async function takeBackLost(stored: readonly Stored[], claims: readonly Execution[]): Promise<void> {
    if (stored.length === 0) return
    const decide = (execution: Execution, index: number) => takeBackUnstarted(execution, claims[index] as Execution)
    const taken = await compareAndSet(stores.executions, 'take-back', stored, decide, clock.now())
    changes.publish(changedOnes(taken), 'take-back')
  }

  function stopAttempt(attempt: Attempt, reason: AbortReason): void {
    if (attempt.phase === 'started') engine.abort(attempt, reason)
    else if (attempt.phase === 'waiting') void giveBack([attempt])
    else if (attempt.phase !== 'ended') attempt.abortedFor = reason
  }

  function close(): void {
    isClosed = true
    void giveBack([...held.values()].filter(({ phase }) => phase === 'waiting'))
  }

  return {
    held,
    hold,
    giveBack,
    drop,
    close,
    start(attempt) {
      attempt.phase = 'waiting'
      const { runAt } = attempt.execution
      if (isClosed || attempt.abortedFor !== null) void giveBack([attempt])
      else if (runAt <= clock.now()) startNow(attempt)
      else attempt.timer = clock.callAt(runAt, () => startNow(attempt))
    },
    cancel(rowId) {
      const attempt = held.get(rowId)
      if (attempt) stopAttempt(attempt, 'cancel')
    },
    abandon() {
      for (const attempt of [...held.values()]) {
        const isOurs = identity.isEnlisted && attempt.execution.owner === identity.name
        if (!isOurs) stopAttempt(attempt, 'gone')
      }
    },
    abortLimited() {
      for (const attempt of [...held.values()]) {
        if (attempt.phase === 'started' && isLimited(attempt)) stopAttempt(attempt, 'no-lease')
      }
    },
    resume() {
      if (isHeldUp) continueSoon()
    },
    async stop() {
      close()
      if (atWork > 0) await idle.wait(clock, options.shutdownGraceMs)
      if (atWork > 0) log.warn({ executions: atWork }, 'attempts are aborted')
      for (const attempt of [...held.values()]) stopAttempt(attempt, 'shutdown')
      if (atWork > 0) await idle.wait(clock, options.abortGraceMs)
      engine.giveUp()
      if (held.size > 0) await empty.wait()
    },
  }
}

/** Its job limits how many run at once, or must run at most once. */
const isLimited = ({ execution: { policy } }: Attempt) => takesPlace(policy.overlap) || policy.onLostLease === 'fail'

const hasNotStarted = ({ phase }: Attempt) => phase === 'admitting' || phase === 'waiting'

/** Something that one caller waits for at a time. */
function createCondition() {
  let signal: (() => void) | null = null
  return {
    signal: () => signal?.(),
    /** Resolves at the next signal, or after `mostMs`. */
    async wait(clock?: Clock, mostMs = 0): Promise<void> {
      const { promise, resolve } = Promise.withResolvers<void>()
      signal = resolve
      const timer = clock?.callAfter(mostMs, resolve)
      await promise
      timer?.cancel()
      signal = null
    },
  }
}
