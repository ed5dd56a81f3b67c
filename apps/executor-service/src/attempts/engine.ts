import { isRefusal, type Refusal } from '@belfry/contracts'
import { type Clock, createBatcher, type Logger } from '@belfry/service'
import type { ExecutionChanges } from '../executions/changes.ts'
import { type Change, changedOnes, compareAndSet } from '../executions/compare-and-set.ts'
import { type Execution, recordsStartFirst } from '../executions/execution.ts'
import type { AttemptOutcome } from '../executions/outcome.ts'
import { type FinishInput, finish, interrupt, takeBack } from '../executions/transitions.ts'
import type { ExecutorMetrics } from '../metrics.ts'
import type { Stored, Stores } from '../store/ports.ts'
import type { AbortReason, Attempt } from './attempt.ts'
import type { AttemptRunner } from './attempt-runner.ts'
import { type AttemptOutput, artifactsOf } from './output.ts'
import type { Starts } from './starts.ts'

export interface EngineOptions {
  readonly stores: Pick<Stores, 'executions'>
  readonly changes: ExecutionChanges
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: ExecutorMetrics
  readonly starts: Starts
  readonly runner: AttemptRunner
  readonly output: AttemptOutput
  /** Whether what this executor owns may start at this moment. */
  readonly identity: { mayStart(): boolean }
  /** From 0 up to 1. */
  readonly random: () => number
  /** How long to wait before asking a store again that failed, milliseconds. */
  readonly storeRetryMs: number
}

/**
 * Takes attempts from their slot to their recorded end (docs/protocol.md steps 10, 12 and 13). The steps of an attempt, in order:
 * record its start, where that comes first; call its handler; then, with all attempts that end in the same iteration of the
 * event loop, store its output, record its end, publish the execution.
 */
export interface Engine {
  /** Up to the end of the handler; `refused` when the start was refused, and the handler was not called. */
  run(attempt: Attempt): Promise<AttemptOutcome | 'refused'>
  /** From there on. Resolves when the end is stored, or the store failed until the executor stopped; never rejects. */
  finish(attempt: Attempt, outcome: AttemptOutcome): Promise<void>
  /** Asks the handler of a started attempt to stop. */
  abort(attempt: Attempt, reason: AbortReason): void
  /** From now on a store that fails is not asked again: attempts whose end is not stored will be taken for lost. */
  giveUp(): void
}

/** An attempt whose handler is done, until its end is stored. */
interface Ending {
  readonly attempt: Attempt
  readonly outcome: AttemptOutcome
  readonly at: number
  readonly resolve: () => void
}

export function createEngine(options: EngineOptions): Engine {
  const { stores, changes, clock, log, metrics, starts, runner, output, identity } = options
  let isGivingUp = false
  let isFailing = false
  const endings = createBatcher<Ending>((batch) => {
    const plain = batch.filter((one) => !mustWait(one))
    if (plain.length > 0) void conclude(plain)
    if (plain.length < batch.length) void conclude(batch.filter(mustWait))
  })

  const wait = (ms: number) => new Promise<void>((resolve) => clock.callAfter(ms, resolve))

  async function run(attempt: Attempt): Promise<AttemptOutcome | 'refused'> {
    if (!recordsStartFirst(attempt.execution)) attempt.startedAt = clock.now()
    else if (!(await recordStart(attempt))) return 'refused'
    // The lease must hold when the handler is called, which comes at once. While it is waited for, the attempt is not one that
    // can be given back: it would be run all the same.
    while (!identity.mayStart() && attempt.abortedFor === null) {
      attempt.phase = 'starting'
      await wait(leaseWaitMs)
    }
    const outcome = runner.run(attempt)
    if (isAtWork(attempt)) starts.recordLater(attempt)
    try {
      return await outcome
    } finally {
      starts.forget(attempt)
    }
  }

  async function recordStart(attempt: Attempt): Promise<boolean> {
    attempt.phase = 'starting'
    attempt.startedAt = clock.now()
    const isRecorded = await starts.recordFirst(attempt)
    if (!isRecorded) attempt.phase = 'waiting'
    return isRecorded
  }

  /** Logs and artifacts are stored before the end; and a start that is being recorded would change the record under it. */
  function mustWait({ attempt }: Ending): boolean {
    return output.isPending(attempt) || attempt.startWrite !== null
  }

  /** Until it is stored. What the store refuses is tried one by one, so that one bad row holds up no other. */
  async function conclude(batch: readonly Ending[]): Promise<void> {
    if (!(await tryToRecord(batch)) && !isGivingUp) await Promise.all(batch.map(concludeAlone))
    for (const { resolve } of batch) resolve()
  }

  async function concludeAlone(ending: Ending): Promise<void> {
    do await wait(options.storeRetryMs)
    while (!isGivingUp && !(await tryToRecord([ending])))
    ending.resolve()
  }

  async function tryToRecord(batch: readonly Ending[]): Promise<boolean> {
    try {
      await record(batch)
      if (isFailing) log.info('results are stored again')
      isFailing = false
    } catch (err) {
      if (!isFailing) log.error({ err, executions: batch.length }, 'results could not be stored, trying again')
      isFailing = true
    }
    return !isFailing
  }

  /** The last steps of attempts that end together. Rejects when the store does not take one of them. */
  async function record(batch: readonly Ending[]): Promise<void> {
    if (batch.some(mustWait)) await storeOutput(batch)
    const ended = await recordEnds(batch)
    const before = await readRefused(batch.filter((_, index) => isRefusal(ended[index])))
    for (const { attempt, at } of batch) metrics.ran(attempt.execution, at - attempt.startedAt)
    changes.publish([...changedOnes(ended), ...before], 'finish')
  }

  async function storeOutput(batch: readonly Ending[]): Promise<void> {
    const attempts = batch.map((one) => one.attempt)
    await Promise.all(attempts.map((one) => one.startWrite))
    if (attempts.some(output.isPending)) await output.store(attempts)
  }

  function recordEnds(batch: readonly Ending[]): Promise<Change[]> {
    return compareAndSet(
      stores.executions,
      'finish',
      batch.map((one) => one.attempt),
      (execution, index) => decide(execution, batch[index] as Ending),
      clock.now(),
    )
  }

  function decide(execution: Execution, { attempt, outcome, at }: Ending): Execution | Refusal {
    const artifacts = attempt.files === null ? [] : artifactsOf(attempt)
    return ended(execution, attempt, { at, outcome, artifacts, random: options.random() })
  }

  /**
   * Ends that were refused. Some are stored, by a try whose answer was lost or whose later steps failed: answers their records. The
   * other attempts own nothing any more: they are counted, and their epochs are in doubt no longer.
   */
  async function readRefused(refused: readonly Ending[]): Promise<Stored[]> {
    if (refused.length === 0) return []
    const found = await stores.executions.read(refused.map(({ attempt }) => attempt.rowId))
    const own: Stored[] = []
    const stale: { readonly newest: Stored; readonly epoch: number }[] = []
    for (const [index, ending] of refused.entries()) {
      const stored = found[index]
      const { attempt } = ending
      if (stored && isStoredEnd(stored.execution, ending)) own.push(stored)
      else stale.push({ newest: stored ?? attempt, epoch: attempt.execution.epoch })
    }
    if (stale.length > 0) await takeBackStale(stale)
    return own
  }

  async function takeBackStale(stale: readonly { readonly newest: Stored; readonly epoch: number }[]): Promise<void> {
    const decideOne = (execution: Execution, index: number) => takeBack(execution, stale[index]?.epoch ?? 0)
    const newest = stale.map((one) => one.newest)
    const taken = await compareAndSet(stores.executions, 'take-back', newest, decideOne, clock.now())
    metrics.staleCompletions(stale.length)
    changes.publish(changedOnes(taken), 'take-back')
  }

  return {
    run,
    finish: (attempt, outcome) => new Promise((resolve) => endings.add({ attempt, outcome, at: clock.now(), resolve })),
    abort: runner.abort,
    giveUp() {
      isGivingUp = true
      starts.giveUp()
      endings.flush()
    },
  }
}

/** Whether the newest state of a record is the one that this end has made. */
function isStoredEnd(execution: Execution | undefined, { attempt, at }: Ending): boolean {
  const { epoch, owner } = attempt.execution
  const last = execution?.attempts.at(-1)
  return last?.epoch === epoch && last.executor === owner && last.endedAt === at && last.outcome !== 'lost'
}

/** Aborts for which the executor is the reason, and not the job. */
const ofExecutor: ReadonlySet<AbortReason> = new Set(['shutdown', 'gone', 'no-lease', 'process-ended'])

/** What an attempt makes of its execution as it ends: as its handler says, unless the executor has stopped it before that. */
export function ended(
  execution: Execution,
  { execution: { epoch }, startedAt, abortedFor, ignoredAbort }: EndedAttempt,
  end: Pick<FinishInput, 'at' | 'outcome' | 'artifacts' | 'random'>,
): Execution | Refusal {
  // The executor stopped it, so it is no failure of the job. Nothing is in doubt when its handler is done.
  if (abortedFor !== null && ofExecutor.has(abortedFor) && end.outcome.kind === 'failed')
    return interrupt(execution, { epoch, at: end.at, startedAt, inDoubt: ignoredAbort })
  return finish(execution, { ...end, epoch, startedAt })
}

type EndedAttempt = Pick<Attempt, 'startedAt' | 'abortedFor' | 'ignoredAbort'> & {
  readonly execution: Pick<Execution, 'epoch'>
}
/** How long an attempt whose start is recorded waits before it looks again for the executor's lease, milliseconds. */
const leaseWaitMs = 50

/** False when the attempt ended at once: its params do not fit, or it was aborted before its handler was called. */
const isAtWork = ({ phase }: Attempt) => phase === 'started'
