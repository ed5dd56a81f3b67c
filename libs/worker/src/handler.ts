import type { logLevels, ParamWarning } from '@belfry/contracts'
import type { Clock } from '@belfry/service'
import type { ZodType } from 'zod'

type LogLevel = (typeof logLevels)[number]

/** What a handler is given for one attempt. Nothing in it reaches into the executor. */
export interface RunContext {
  readonly executionId: string
  readonly jobId: string
  /** The user whose job it is. */
  readonly ownerId: string
  /** Number of this attempt, from 1; also its fencing token (protocol.md, "Ownership is an epoch"). */
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
  /** A line of this attempt's log. Text may hold anything; it is stored and served as data, never as markup. */
  log(level: LogLevel, text: string): void
  /** A file that people can download. It is stored before the attempt counts as finished; the last one of a name wins. */
  artifact(name: string, contentType: string, body: string | Uint8Array): void
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
  /** What is said about params that are valid, but that this executor's settings let fail. */
  readonly paramWarnings?: readonly ParamWarning[]
  /** How long one attempt may take when the job names no timeout, milliseconds. */
  readonly timeoutMs: number
  /** Which of the executor's slots an attempt takes: `io` for one that mostly waits, `cpu` for one that computes. */
  readonly slots: 'io' | 'cpu'
  /** Params that are valid and make sense, for the docs and for forms. */
  readonly examples: readonly Record<string, unknown>[]
  /**
   * Does the work of one attempt and resolves to its result. A `JobFailure` says by itself whether a retry makes sense;
   * any other error is retried by the job's policy.
   */
  run(params: P, context: RunContext): Promise<unknown>
}

/** The job types of an executor. `close` ends what they share (connection pools); attempts still at work then fail. */
export interface Handlers {
  readonly types: ReadonlyMap<string, Handler>
  close(): Promise<void>
}

/**
 * Whether a failed attempt is retried: by the job's policy, never, or as often as the policy says but after so many
 * milliseconds instead of its backoff.
 */
export type RetryWish = 'policy' | 'never' | { readonly afterMs: number }

/** A failure that a handler expected. `code` is a short kebab-case word for programs, `message` is for people. */
export class JobFailure extends Error {
  readonly code: string
  readonly retry: RetryWish

  constructor(code: string, message: string, retry: RetryWish = 'policy') {
    super(message)
    this.name = 'JobFailure'
    this.code = code
    this.retry = retry
  }
}

/** A failure that no retry can mend: the execution ends FAILED at once. To be thrown. */
export function fatal(code: string, message: string): JobFailure {
  return new JobFailure(code, message, 'never')
}

/** A failure whose retry, if the policy has one left, comes after `ms` milliseconds instead of its backoff. To be thrown. */
export function retryAfter(ms: number, code: string, message: string): JobFailure {
  return new JobFailure(code, message, { afterMs: ms })
}
