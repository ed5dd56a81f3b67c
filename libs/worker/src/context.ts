import { fatal } from './failure.ts'
import type { LogLevel } from './handler.ts'
import { sleep } from './sleep.ts'

/** Lines of the log: `log('info', 'text')` or `log.info('text')`. */
export interface JobLog {
  (level: LogLevel, text: string): void
  debug(text: string): void
  info(text: string): void
  warn(text: string): void
  error(text: string): void
}

/** What `run` is given beside the params: one attempt of one execution. Times are epoch milliseconds. */
export interface JobContext {
  readonly executionId: string
  readonly jobId: string
  /** The user whose job it is. */
  readonly ownerId: string
  /** Number of this attempt, from 1. It only grows, so a target can refuse what an older attempt still sends. */
  readonly epoch: number
  /** The fire time this execution answers for: the same for all its attempts. */
  readonly fireAt: number
  /** Aborted on cancel, timeout and shutdown. Pass it on to `fetch` and others; a handler that obeys rejects soon. */
  readonly signal: AbortSignal
  readonly log: JobLog
  /** How much is done, from 0 to 1: a line of the log, at most one a second. */
  progress(part: number, text?: string): void
  /**
   * Stores a state (JSON, at most 64 KiB) that a later attempt gets from `resume`: after a retry, a restart, or the loss of this
   * executor. Resolves when it is stored; of calls that come faster than the store, the newest state is stored.
   */
  checkpoint(state: unknown): Promise<void>
  /** The newest state that this or an earlier attempt of the execution has stored; undefined when there is none. */
  resume<State = unknown>(): Promise<State | undefined>
  /** The same for all attempts of the execution: hand it to a target, so that an effect happens once. One for each `suffix`. */
  idempotencyKey(suffix?: string): string
  /** A file that people can download. It is stored before the attempt counts as finished; the last one of a name wins. */
  artifact(name: string, contentType: string, body: string | Uint8Array): void
  /** Waits; rejects as soon as `signal` is aborted. */
  sleep(ms: number): Promise<void>
  now(): number
}

/** The facts of an attempt that a context shows. */
export interface AttemptFacts {
  readonly executionId: string
  readonly jobId: string
  readonly ownerId: string
  readonly epoch: number
  readonly fireAt: number
  readonly idempotencyKey: string
}

/** As much of a clock as a context needs. */
export interface JobClock {
  now(): number
  callAfter(delayMs: number, callback: () => void): { cancel(): void }
}

/** Where the output of an attempt goes. */
export interface AttemptSink {
  readonly signal: AbortSignal
  readonly clock: JobClock
  log(level: LogLevel, text: string): void
  /** Throws when the file is not within the limits. */
  artifact(name: string, contentType: string, body: string | Uint8Array): void
  /** Stores JSON text. */
  checkpoint(state: string): Promise<void>
  resume(): Promise<string | undefined>
}

/** Largest state of a checkpoint as JSON, bytes. */
const maxCheckpointBytes = 65_536

/** At most one line of progress in so many milliseconds. */
const progressEveryMs = 1000

/** The state as JSON text; throws a failure that no retry mends when it is none or too large. */
function checkpointText(state: unknown): string {
  let text: string | undefined
  try {
    text = JSON.stringify(state)
  } catch (error) {
    throw fatal('checkpoint-not-json', `The state of a checkpoint is not JSON: ${String(error)}`)
  }
  if (text === undefined) throw fatal('checkpoint-not-json', 'The state of a checkpoint is not JSON.')
  const bytes = Buffer.byteLength(text)
  if (bytes <= maxCheckpointBytes) return text
  throw fatal('checkpoint-too-large', `The checkpoint has ${bytes} bytes; ${maxCheckpointBytes} are allowed.`)
}

function createJobLog(sink: AttemptSink): JobLog {
  const log = (level: LogLevel, text: string) => sink.log(level, text)
  const at = (level: LogLevel) => (text: string) => sink.log(level, text)
  return Object.assign(log, { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') })
}

/** Lines of progress: the first at once, then the newest one of each second. `flush` writes the one that waits. */
function createProgress({ clock, log }: AttemptSink) {
  let waiting: string | null = null
  let isHeld = false
  const write = () => {
    isHeld = false
    if (waiting === null) return
    log('info', waiting)
    waiting = null
    isHeld = true
    clock.callAfter(progressEveryMs, write)
  }
  return {
    add(part: number, text: string | undefined) {
      const percent = `${Math.round(100 * Math.min(1, Math.max(0, Number(part) || 0)))} %`
      waiting = text === undefined ? percent : `${percent} ${text}`
      if (!isHeld) write()
    },
    flush() {
      if (waiting !== null) log('info', waiting)
      waiting = null
    },
  }
}

/** Stores one state at a time, and of those that come meanwhile the newest one. */
function createCheckpoints(sink: AttemptSink) {
  let storing: Promise<void> | null = null
  let next: { text: string; stored: Promise<void> } | null = null
  const store = (text: string): Promise<void> => {
    const stored = sink.checkpoint(text)
    storing = stored
    const done = () => {
      if (storing === stored) storing = null
    }
    stored.then(done, done)
    return stored
  }
  return (text: string): Promise<void> => {
    if (storing === null) return store(text)
    if (next !== null) {
      next.text = text
      return next.stored
    }
    const after = () => {
      const newest = next?.text ?? text
      next = null
      return store(newest)
    }
    next = { text, stored: storing.then(after, after) }
    return next.stored
  }
}

/** The context of one attempt over its sink. `flush` hands over what still waits, when the handler is done. */
export function createJobContext(facts: AttemptFacts, sink: AttemptSink): { context: JobContext; flush(): void } {
  const { executionId, jobId, ownerId, epoch, fireAt, idempotencyKey } = facts
  const { signal, clock } = sink
  const progress = createProgress(sink)
  const checkpoint = createCheckpoints(sink)
  const context: JobContext = {
    executionId,
    jobId,
    ownerId,
    epoch,
    fireAt,
    signal,
    log: createJobLog(sink),
    progress: progress.add,
    checkpoint: async (state) => checkpoint(checkpointText(state)),
    async resume<State>() {
      const text = await sink.resume()
      return text === undefined ? undefined : (JSON.parse(text) as State)
    },
    idempotencyKey: (suffix) => (suffix === undefined ? idempotencyKey : `${idempotencyKey}:${suffix}`),
    artifact: (name, contentType, body) => sink.artifact(name, contentType, body),
    sleep: (ms) => sleep(ms, sink),
    now: () => clock.now(),
  }
  return { context, flush: progress.flush }
}
