import { isRefusal } from '@belfry/contracts'
import { type Clock, createBatcher, type Logger, type Timer } from '@belfry/service'
import { type Change, compareAndSet } from '../executions/compare-and-set.ts'
import { type Execution, recordedStart, recordsStartFirst, unreadParams } from '../executions/execution.ts'
import { start } from '../executions/transitions.ts'
import type { ExecutionStore, Stored } from '../store/ports.ts'
import { type Attempt, storedOf } from './attempt.ts'

export interface StartsOptions {
  readonly executions: ExecutionStore
  readonly clock: Clock
  readonly log: Logger
  /** How long a run lasts before it is shown as running, milliseconds. */
  readonly shownMs: number
  /** How long to wait before asking a store again that failed, milliseconds. */
  readonly storeRetryMs: number
  /** Calls the handler. */
  readonly call: (run: Attempt) => void
  /** The run is not this executor's any more, or was cancelled: its handler is not called. */
  readonly onRefused: (run: Attempt) => void
  readonly publish: (stored: readonly Stored[]) => void
}

/**
 * Records starts (protocol.md step 13). The start of a run that was lost before, or must run at most once, is stored before
 * its handler is called. Of the others it is stored once they have lasted for `shownMs`, and before they are shown as
 * running; a shorter run pays nothing for it.
 */
export interface Starts {
  /** The run has a slot: calls its handler, once its start is recorded where that comes first. */
  begin(run: Attempt): void
  /** The attempt is over. */
  forget(run: Attempt): void
  /** Records nothing more; resolves when no write is under way. */
  stop(): Promise<void>
}

/** A record that was read again after a lost race comes without its large params, which the run has. */
function keep(run: Attempt, execution: Execution): void {
  const isUnread = execution.params === unreadParams
  run.execution = isUnread ? { ...execution, params: run.execution.params } : execution
}

export function createStarts(options: StartsOptions): Starts {
  const { executions, clock, log, shownMs, storeRetryMs, call, onRefused, publish } = options
  const underWay = new Set<Promise<void>>()
  /** Runs whose handler is at work and that are not shown yet, with the monotonic time at which they are due. */
  const unshown = new Map<Attempt, number>()
  let timer: Timer | null = null
  let isStopping = false
  let isFailing = false
  const gather = createBatcher<Attempt>((runs) => write(runs, recordFirst(runs)))

  /** `work` never rejects. */
  function write(runs: readonly Attempt[], work: Promise<void>): void {
    const writing = work.finally(() => {
      underWay.delete(writing)
      for (const run of runs) run.startWrite = null
    })
    underWay.add(writing)
    for (const run of runs) run.startWrite = writing
  }

  /** Undefined when the store did not take it; then it may be tried again. */
  async function record(runs: readonly Attempt[], hasHappened: boolean): Promise<readonly Change[] | undefined> {
    const input = ({ execution, startedAt }: Attempt) => ({ epoch: execution.epoch, startedAt, hasHappened })
    try {
      const changes = await compareAndSet(
        executions,
        'start',
        runs.map(storedOf),
        (execution, place) => start(execution, input(runs[place] as Attempt)),
        clock.now(),
      )
      isFailing = false
      for (const [place, one] of changes.entries()) {
        if (!isRefusal(one)) keep(runs[place] as Attempt, one.stored.execution)
      }
      return changes
    } catch (err) {
      if (!isFailing) log.warn({ err, executions: runs.length }, 'starts could not be recorded yet')
      isFailing = true
      return undefined
    }
  }

  async function recordFirst(runs: readonly Attempt[]): Promise<void> {
    let changes = await record(runs, false)
    while (changes === undefined && !isStopping) {
      await new Promise<void>((resolve) => clock.callAfter(storeRetryMs, resolve))
      changes = await record(runs, false)
    }
    for (const [place, one] of changes?.entries() ?? []) {
      const run = runs[place] as Attempt
      if (!isRefusal(one) && recordedStart(one.stored.execution) !== null) callNow(run)
      else {
        run.phase = 'waiting'
        onRefused(run)
      }
    }
  }

  function callNow(run: Attempt): void {
    call(run)
    if (run.phase === 'started') showAfter([run], shownMs)
  }

  function showAfter(runs: readonly Attempt[], waitMs: number): void {
    const dueAt = clock.monotonic() + waitMs
    for (const run of runs) unshown.set(run, dueAt)
    timer ??= clock.callAfter(waitMs, show)
  }

  /** Shows what has lasted long enough, and comes again for the next. */
  function show(): void {
    timer = null
    const now = clock.monotonic()
    const due: Attempt[] = []
    for (const [run, dueAt] of unshown) {
      if (dueAt > now) {
        timer = clock.callAfter(dueAt - now, show)
        break
      }
      due.push(run)
    }
    for (const run of due) unshown.delete(run)
    if (due.length > 0) write(due, recordAndPublish(due))
  }

  async function recordAndPublish(runs: readonly Attempt[]): Promise<void> {
    const changes = await record(runs, true)
    if (changes !== undefined) publish(changes.flatMap((one) => (isRefusal(one) ? [] : one.stored)))
    else if (!isStopping)
      showAfter(
        runs.filter(({ phase }) => phase === 'started'),
        storeRetryMs,
      )
  }

  return {
    begin(run) {
      if (!recordsStartFirst(run.execution)) return callNow(run)
      run.phase = 'starting'
      run.startedAt = clock.now()
      gather.add(run)
    },
    forget(run) {
      unshown.delete(run)
    },
    async stop() {
      isStopping = true
      timer?.cancel()
      gather.flush()
      while (underWay.size > 0) await Promise.all(underWay)
    },
  }
}
