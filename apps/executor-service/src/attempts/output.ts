import type { Clock, Logger, Timer } from '@belfry/service'
import type { StoredArtifact } from '../executions/execution.ts'
import type { ArtifactFile, LogChunk, Stores } from '../store/ports.ts'
import type { Attempt } from './attempt.ts'

/** What runs leave behind besides their result: log lines and artifacts. */
export interface AttemptOutput {
  /** The run has logged something: it can be read soon, also while the run goes on. */
  onLine(run: Attempt): void
  /** Whether something of the run is not stored yet. */
  isPending(run: Attempt): boolean
  /** Stores all that these runs have left. Rejects when the store does not take it; then it may be tried again. */
  store(runs: readonly Attempt[]): Promise<void>
  stop(): Promise<void>
}

interface Taken {
  readonly run: Attempt
  readonly chunk: LogChunk
}

export function createAttemptOutput(options: {
  readonly stores: Stores
  readonly clock: Clock
  readonly log: Logger
  /** How long a line waits for others, milliseconds. */
  readonly flushMs: number
}): AttemptOutput {
  const { stores, clock, log, flushMs } = options
  const unflushed = new Set<Attempt>()
  let timer: Timer | null = null
  let flushing: Promise<void> = Promise.resolve()

  function take(runs: Iterable<Attempt>): Taken[] {
    const taken: Taken[] = []
    for (const run of runs) {
      unflushed.delete(run)
      const lines = run.log?.take() ?? []
      if (lines.length > 0) taken.push({ run, chunk: { rowId: run.rowId, epoch: run.execution.epoch, lines } })
    }
    return taken
  }

  async function append(taken: readonly Taken[]): Promise<void> {
    if (taken.length === 0) return
    try {
      await stores.logs.append(taken.map((one) => one.chunk))
    } catch (error) {
      for (const { run, chunk } of taken) {
        run.log?.putBack(chunk.lines)
        unflushed.add(run)
      }
      throw error
    }
  }

  async function flush(): Promise<void> {
    try {
      await append(take([...unflushed]))
    } catch (err) {
      log.warn({ err }, 'log lines could not be stored yet')
      arm()
    }
  }

  function arm(): void {
    timer ??= clock.callAfter(flushMs, () => {
      timer = null
      flushing = flush()
    })
  }

  const filesOf = (run: Attempt): ArtifactFile[] =>
    Array.from(run.files ?? [], ([name, { body }]) => ({ rowId: run.rowId, epoch: run.execution.epoch, name, body }))

  return {
    onLine(run) {
      unflushed.add(run)
      arm()
    },
    isPending: (run) => run.log !== null || run.files !== null,
    async store(runs) {
      // Lines that were taken before must be there too, or have been put back.
      await flushing
      const files = runs.flatMap(filesOf)
      await Promise.all([append(take(runs)), files.length > 0 ? stores.artifacts.put(files) : undefined])
    },
    async stop() {
      timer?.cancel()
      timer = null
      await flushing
    },
  }
}

/** The run's artifacts as its record names them. */
export function artifactsOf(run: Attempt): readonly StoredArtifact[] {
  if (run.files === null) return []
  const { epoch } = run.execution
  return Array.from(run.files, ([name, { contentType, body }]) => ({ name, contentType, bytes: body.length, epoch }))
}
