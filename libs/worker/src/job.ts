import type { JobContext } from './context.ts'
import type { InputOf, OutputOf, StandardSchema } from './standard-schema.ts'

/** What a job of the type gets of its retry policy when it does not name it; durations as `"5s"`. */
export interface RetryDefaults {
  readonly maxRetries?: number
  readonly backoff?: 'exponential' | 'fixed'
  readonly delay?: string
  readonly factor?: number
  readonly maxDelay?: string
  readonly jitter?: boolean
}

/** What a handler file says about its job type. */
export interface JobDefinition<S extends StandardSchema, R> {
  /** The name that jobs carry as `jobType`: letters, digits, `_`, `.` and `-`, at most 64. */
  readonly type: string
  readonly title: string
  readonly description?: string
  /** Of an object: zod, valibot, arktype, or any other Standard Schema. `run` gets what it gives. */
  readonly params: S
  /** What `run` may resolve to; another result fails the execution for good. */
  readonly result?: StandardSchema<unknown, R>
  /** How long one attempt may take when the job names no timeout: `"30s"`, `"10m"`. Default: 1 h. */
  readonly timeout?: string
  readonly retry?: RetryDefaults
  /** Attempts of this type at a time in one executor; left out: as many as there are slots and processes. */
  readonly concurrency?: number
  /**
   * `cpu` (default): each attempt has a process for itself while it runs. `io`: for handlers that mostly wait; many attempts of the
   * type share a process, so none of them should compute for long.
   */
  readonly slots?: 'io' | 'cpu'
  /** Params that make sense, for the docs and for forms. */
  readonly examples?: readonly InputOf<S>[]
  /** Does the work of one attempt and gives its result: JSON of at most 64 KiB. */
  run(params: OutputOf<S>, context: JobContext): Promise<R> | R
}

const brand = Symbol.for('belfry.job')

/** A job type as `defineJob` gives it. */
export interface Job<S extends StandardSchema = StandardSchema, R = unknown> extends JobDefinition<S, R> {
  readonly [brand]: true
}

/**
 * A job type: the default export of a file in the handlers folder. The schema of `params` gives the type of `run`'s params, the
 * check at `POST /jobs`, and the docs.
 */
export function defineJob<const S extends StandardSchema, R>(definition: JobDefinition<S, R>): Job<S, R> {
  return Object.freeze({ ...definition, [brand]: true as const })
}

/** Whether a value was made by `defineJob`, also by another copy of this module. */
export function isJob(value: unknown): value is Job {
  return typeof value === 'object' && value !== null && brand in value
}
