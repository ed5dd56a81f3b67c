import { isRefusal } from '@belfry/contracts'
import { type Clock, createBatcher, type Logger, type Timer } from '@belfry/service'
import type { ExecutionChanges } from '../executions/changes.ts'
import { type Change, compareAndSet } from '../executions/compare-and-set.ts'
import { type Execution, recordedStart, unreadParams } from '../executions/execution.ts'
import { start } from '../executions/transitions.ts'
import type { ExecutionStore } from '../store/ports.ts'
import type { Attempt } from './attempt.ts'

export interface StartsOptions {
  readonly executions: ExecutionStore
  readonly changes: ExecutionChanges
  readonly clock: Clock
  readonly log: Logger
  /** How long an attempt lasts before it is shown as running, milliseconds. */
  readonly shownMs: number
  /** How long to wait before asking a store again that failed, milliseconds. */
  readonly storeRetryMs: number
}

/**
 * Records starts (docs/protocol.md step 13). The start of an attempt whose execution was lost before, or must run at most once, is
 * stored before its handler is called. Of the others it is stored once they have lasted for `shownMs`, and before they are
 * shown as running; a shorter attempt pays nothing for it.
 */
export interface Starts {
  /**
   * Stores the start of an attempt whose handler is called next. False when the handler must not be called: the attempt does
   * not own its execution any more, or a cancel is stored, or the store failed until the executor stopped.
   */
  recordFirst(attempt: Attempt): Promise<boolean>
  /** The handler is at work: stores its start, and shows the attempt as running, once it has lasted for long enough. */
  recordLater(attempt: Attempt): void
  /** The handler is done. */
  forget(attempt: Attempt): void
  /** From now on a store that fails is not asked again. */
  giveUp(): void
}

interface FirstStart {
  readonly attempt: Attempt
  readonly resolve: (mayStart: boolean) => void
}

export function createStarts(options: StartsOptions): Starts {
  const { executions, changes, clock, log, shownMs, storeRetryMs } = options
  /** Attempts whose handler is at work and that are not shown yet, with the monotonic time at which they are due. */
  const unshown = new Map<Attempt, number>()
  let timer: Timer | null = null
  let isGivingUp = false
  let isFailing = false
  const firstStarts = createBatcher<FirstStart>((batch) => void recordFirst(batch))

  /** Undefined when the store did not take it; then it may be tried again. */
  async function record(attempts: readonly Attempt[], hasHappened: boolean): Promise<readonly Change[] | undefined> {
    const input = ({ execution, startedAt }: Attempt) => ({ epoch: execution.epoch, startedAt, hasHappened })
    try {
      const recorded = await compareAndSet(
        executions,
        'start',
        attempts,
        (execution, index) => start(execution, input(attempts[index] as Attempt)),
        clock.now(),
      )
      isFailing = false
      for (const [index, one] of recorded.entries()) {
        if (!isRefusal(one)) keep(attempts[index] as Attempt, one.stored.execution)
      }
      return recorded
    } catch (err) {
      if (!isFailing) log.warn({ err, executions: attempts.length }, 'starts could not be recorded yet')
      isFailing = true
      return undefined
    }
  }

  async function recordFirst(batch: readonly FirstStart[]): Promise<void> {
    const attempts = batch.map((one) => one.attempt)
    let recorded = await record(attempts, false)
    while (recorded === undefined && !isGivingUp) {
      await new Promise<void>((resolve) => clock.callAfter(storeRetryMs, resolve))
      recorded = await record(attempts, false)
    }
    for (const [index, { resolve }] of batch.entries()) {
      const one = recorded?.[index]
      resolve(one !== undefined && !isRefusal(one) && recordedStart(one.stored.execution) !== null)
    }
  }

  function showAfter(attempts: readonly Attempt[], waitMs: number): void {
    const dueAt = clock.monotonic() + waitMs
    for (const attempt of attempts) unshown.set(attempt, dueAt)
    timer ??= clock.callAfter(waitMs, showDue)
  }

  /** Shows the attempts that have lasted long enough, and sets the timer for the next one. */
  function showDue(): void {
    timer = null
    const now = clock.monotonic()
    const due: Attempt[] = []
    for (const [attempt, dueAt] of unshown) {
      if (dueAt > now) {
        timer = clock.callAfter(dueAt - now, showDue)
        break
      }
      due.push(attempt)
    }
    for (const attempt of due) unshown.delete(attempt)
    if (due.length > 0) show(due)
  }

  /** The end of an attempt waits for this write, which would change the record under it. */
  function show(attempts: readonly Attempt[]): void {
    const write = recordAndPublish(attempts).finally(() => {
      for (const attempt of attempts) attempt.startWrite = null
    })
    for (const attempt of attempts) attempt.startWrite = write
  }

  async function recordAndPublish(attempts: readonly Attempt[]): Promise<void> {
    const recorded = await record(attempts, true)
    if (recorded !== undefined) {
      const stored = recorded.flatMap((one) => (isRefusal(one) ? [] : one.stored))
      changes.publish(stored, 'start')
    } else if (!isGivingUp) {
      showAfter(
        attempts.filter(({ phase }) => phase === 'started'),
        storeRetryMs,
      )
    }
  }

  return {
    recordFirst: (attempt) => new Promise((resolve) => firstStarts.add({ attempt, resolve })),
    recordLater: (attempt) => showAfter([attempt], shownMs),
    forget: (attempt) => void unshown.delete(attempt),
    giveUp() {
      isGivingUp = true
      timer?.cancel()
      firstStarts.flush()
    },
  }
}

/** A record that was read again after a lost race comes without its large params, which the attempt has. */
function keep(attempt: Attempt, execution: Execution): void {
  const isUnread = execution.params === unreadParams
  attempt.execution = isUnread ? { ...execution, params: attempt.execution.params } : execution
}
