import { isRefusal, type Refusal } from '@belfry/contracts'
import { type Clock, createBatcher, type Logger } from '@belfry/service'
import { changedOnes, compareAndSet } from '../executions/compare-and-set.ts'
import type { Execution } from '../executions/execution.ts'
import type { AttemptOutcome } from '../executions/outcome.ts'
import { finish, interrupt, takeBack } from '../executions/transitions.ts'
import type { ExecutorMetrics } from '../metrics.ts'
import type { Stored, Stores } from '../store/ports.ts'
import { type Attempt, storedOf } from './attempt.ts'
import { type AttemptOutput, artifactsOf } from './output.ts'

export interface CompleterOptions {
  readonly stores: Stores
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: ExecutorMetrics
  readonly keepsakes: AttemptOutput
  /** From 0 up to 1. */
  readonly random: () => number
  /** How long to wait before asking a store again that failed, milliseconds. */
  readonly storeRetryMs: number
  readonly onChanged: (stored: readonly Stored[]) => void
  /** Records have a new state that is nothing but to be published. */
  readonly publish: (stored: readonly Stored[]) => void
  /** The run's end is stored, or was not this executor's to tell. */
  readonly onDone: (run: Attempt) => void
}

/** Records how attempts ended (protocol.md step 12): logs and artifacts first, then the end, in batches of a turn. */
export interface Completer {
  add(run: Attempt, outcome: AttemptOutcome): void
  /** Records what there is; gives up on what the store does not take now: those runs will be taken for lost. */
  stop(): Promise<void>
}

interface Ending {
  readonly run: Attempt
  readonly outcome: AttemptOutcome
  readonly at: number
}

export function createCompleter(options: CompleterOptions): Completer {
  const { stores, clock, log, metrics, keepsakes, onChanged, onDone } = options
  const underWay = new Set<Promise<void>>()
  let isStopping = false
  let isFailing = false
  const gather = createBatcher<Ending>((endings) => {
    const plain = endings.filter((one) => !mustWait(one))
    if (plain.length > 0) track(record(plain))
    if (plain.length < endings.length) track(record(endings.filter(mustWait)))
  })

  /** Logs and artifacts are stored before the end; and a start that is being recorded would change the record under it. */
  function mustWait({ run }: Ending): boolean {
    return keepsakes.isPending(run) || run.startWrite !== null
  }

  function track(work: Promise<void>): void {
    underWay.add(work)
    void work.finally(() => underWay.delete(work))
  }

  function decide(execution: Execution, { run, outcome, at }: Ending): Execution | Refusal {
    const { startedAt } = run
    const { epoch } = run.execution
    const isOursToStop = run.abortedFor === 'shutdown' || run.abortedFor === 'gone'
    // The executor stopped it, so it is no failure of the job. Nothing is in doubt when its handler is done.
    if (isOursToStop && outcome.kind === 'failed')
      return interrupt(execution, { epoch, at, startedAt, inDoubt: run.ignoredAbort })
    return finish(execution, { epoch, at, startedAt, outcome, artifacts: artifactsOf(run), random: options.random() })
  }

  /** Attempts that own nothing any more: counted, and their epochs are in doubt no longer. */
  async function takeBackStale(endings: readonly Ending[]): Promise<void> {
    metrics.staleCompletions(endings.length)
    const stored = endings.map(({ run }) => storedOf(run))
    const decideOne = (execution: Execution, place: number) =>
      takeBack(execution, endings[place]?.run.execution.epoch ?? 0)
    const found = await stores.executions.read(stored.map((one) => one.rowId))
    const newest = stored.map((one, place) => found[place] ?? one)
    options.publish(changedOnes(await compareAndSet(stores.executions, 'take-back', newest, decideOne, clock.now())))
  }

  async function recordOnce(endings: readonly Ending[]): Promise<void> {
    const runs = endings.map((one) => one.run)
    const startWrites = runs.flatMap((run) => run.startWrite ?? [])
    if (startWrites.length > 0) await Promise.all(startWrites)
    if (runs.some(keepsakes.isPending)) await keepsakes.store(runs)
    const changes = await compareAndSet(
      stores.executions,
      'finish',
      runs.map(storedOf),
      (execution, place) => decide(execution, endings[place] as Ending),
      clock.now(),
    )
    const stale = endings.filter((_, place) => isRefusal(changes[place]))
    if (stale.length > 0) await takeBackStale(stale)
    for (const { run, at } of endings) metrics.ran(run.execution, at - run.startedAt)
    // Done first: a retry that is due at once must not find its last attempt still held.
    for (const run of runs) onDone(run)
    const changed = changedOnes(changes)
    for (const { execution } of changed) if (isRetried(execution)) metrics.retried(execution)
    onChanged(changed)
  }

  async function tryToRecord(endings: readonly Ending[]): Promise<boolean> {
    try {
      await recordOnce(endings)
      if (isFailing) log.info('results are stored again')
      isFailing = false
    } catch (err) {
      if (!isFailing) log.error({ err, executions: endings.length }, 'results could not be stored, trying again')
      isFailing = true
    }
    return !isFailing
  }

  async function recordAlone(ending: Ending): Promise<void> {
    do await new Promise<void>((resolve) => clock.callAfter(options.storeRetryMs, resolve))
    while (!isStopping && !(await tryToRecord([ending])))
  }

  /** Until it is stored. What the store refuses is tried one by one, so that one bad row holds up no other. */
  async function record(endings: readonly Ending[]): Promise<void> {
    if ((await tryToRecord(endings)) || isStopping) return
    await Promise.all(endings.map(recordAlone))
  }

  return {
    add(run, outcome) {
      gather.add({ run, outcome, at: clock.now() })
    },
    async stop() {
      isStopping = true
      gather.flush()
      while (underWay.size > 0) await Promise.all(underWay)
    },
  }
}

/** After a failure, with a try left: an attempt that was interrupted is told apart by its outcome. */
function isRetried({ state, attempts }: Execution): boolean {
  return state === 'ready' && attempts.at(-1)?.outcome !== 'interrupted'
}
