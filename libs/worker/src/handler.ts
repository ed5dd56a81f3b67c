import type { logLevels, ParamWarning, RetryBody } from '@belfry/contracts'
import type { Clock } from '@belfry/service'
import type { ZodType } from 'zod'

export type LogLevel = (typeof logLevels)[number]

/** What the executor gives a handler for one attempt. Nothing in it reaches into the executor. */
export interface RunContext {
  readonly executionId: string
  readonly jobId: string
  /** The user whose job it is. */
  readonly ownerId: string
  /** Number of this attempt, from 1; also its fencing token (docs/protocol.md, "Ownership is an epoch"). */
  readonly epoch: number
  /** The fire time this execution answers for, epoch milliseconds: the same for all its attempts. */
  readonly fireAt: number
  /** The same for all attempts of an execution, so that a target can make an effect happen once. */
  readonly idempotencyKey: string
  /**
   * Aborted on cancel, timeout, lost lease and shutdown. Made when it is first read, so a handler that never waits
   * does not pay for it. A handler that is aborted stops its effects and rejects with the signal's `reason`.
   */
  readonly signal: AbortSignal
  readonly clock: Clock
  /** Of a handler that `waits`: its work begins only now, and its time limit counts from here. */
  begin(): void
  /** A line of this attempt's log. Text may hold anything; it is stored and served as data, never as markup. */
  log(level: LogLevel, text: string): void
  /** A file that people can download. It is stored before the attempt counts as finished; the last one of a name wins. */
  artifact(name: string, contentType: string, body: string | Uint8Array): void
  /** Stores a state (JSON text) that later attempts of this execution can resume from. Resolves when it is stored. */
  checkpoint(state: string): Promise<void>
  /** The newest stored state of the execution, by this or an earlier attempt. */
  resume(): Promise<string | undefined>
}

/** A job type. `run` gets params that `params` has parsed, so defaults are filled in; it may run many at a time. */
export interface Handler<P = unknown> {
  /** The name that jobs carry as `jobType`. */
  readonly type: string
  readonly title: string
  readonly description: string
  readonly params: ZodType<P>
  /** Shape of what `run` resolves to: JSON of at most 64 KiB. */
  readonly result: ZodType
  /** The JSON Schemas, where `params` and `result` do not have them: the params are then checked elsewhere. */
  readonly schemas?: { readonly params: Record<string, unknown>; readonly result: Record<string, unknown> }
  /** What is said about params that are valid, but that this executor's settings let fail. */
  readonly paramWarnings?: readonly ParamWarning[]
  /** How long one attempt may take when the job names no timeout, milliseconds. */
  readonly timeoutMs: number
  /** What a job gets of its retry policy when it does not name it; left out: the general defaults. */
  readonly retry?: RetryBody
  /** Which of the executor's slots an attempt takes: `io` for one that mostly waits, `cpu` for one that computes. */
  readonly slots: 'io' | 'cpu'
  /** Params that are valid and make sense, for the docs and for forms. */
  readonly examples: readonly Record<string, unknown>[]
  /** Whether an attempt may wait for something else than a slot (a process) before its work begins: it calls `begin` then. */
  readonly waits?: boolean
  /**
   * Does the work of one attempt and resolves to its result. A `JobFailure` says by itself whether a retry makes sense; an
   * `InterruptedRun` is not charged; any other error is retried by the job's policy.
   */
  run(params: P, context: RunContext): Promise<unknown>
  /**
   * Ends by force an attempt that goes on after the grace time of its abort; `run` settles soon after. Left out where nothing can:
   * the attempt then counts as ended while its work may go on.
   */
  stop?(context: RunContext): void
}

/** A file of the handlers folder that is no job type, and why; for people. */
export interface UnusableFile {
  readonly file: string
  readonly error: string
}

/** The job types of an executor; the map may change while it runs. */
export interface Handlers {
  readonly types: ReadonlyMap<string, Handler>
  /** Files of the handlers folder that are no job types. */
  unusable?(): readonly UnusableFile[]
  /** Loads what is loaded from files; the executor takes no work before it resolves. */
  start?(): Promise<void>
  /** Ends what they share (connection pools, processes); attempts still at work then fail. */
  close(): Promise<void>
}
