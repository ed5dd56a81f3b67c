import {
  type ArtifactInfo,
  type AttemptRecord,
  type ExecutionCause,
  type ExecutionError,
  type ExecutionPolicy,
  type ExecutionState,
  executionStatusOf,
  isEnded,
  type JobStatusMessage,
  paramsSize,
  type Refusal,
  refusal,
} from '@belfry/contracts'

/** Which of the executor's slots an attempt takes: `io` for one that mostly waits, `cpu` for one that computes. */
export type Pool = 'io' | 'cpu'

/**
 * Where a ready execution is looked for: among those that take slots of a pool, or among those whose job type the executor that
 * stored them does not have (`other`). An executor that has the type claims them from there.
 */
export type ReadyPool = Pool | 'other'

/** The pool whose slots count for an execution; one of `other` is claimed into its handler's pool before it counts. */
export const slotsOf = (pool: ReadyPool): Pool => (pool === 'other' ? 'io' : pool)

/** An epoch whose executor went silent: it may still be at work. `lostAt` in epoch milliseconds. */
interface Doubt {
  readonly epoch: number
  readonly lostAt: number
}

/** A file of a recorded attempt; `epoch` says which attempt's, since an attempt that lost its lease may store one too. */
export interface StoredArtifact extends ArtifactInfo {
  readonly epoch: number
}

/** How the command came here. Times in epoch milliseconds; partition and offset null where the bus has none. */
export interface Arrival {
  readonly plannedAt: number
  readonly sentAt: number | null
  readonly admittedAt: number
  readonly topic: string | null
  readonly partition: number | null
  readonly offset: string | null
}

/**
 * The one record of one fire time or trigger (docs/protocol.md, records). Every change makes a new record with `seq` one
 * higher; a compare-and-set on `seq` is what makes a change count. Times are epoch milliseconds.
 */
export interface Execution {
  readonly id: string
  readonly jobId: string
  readonly ownerId: string
  readonly jobType: string
  readonly version: number
  readonly cause: ExecutionCause
  readonly params: Record<string, unknown>
  readonly policy: ExecutionPolicy
  readonly priority: number
  readonly expiresAt: number | null
  readonly fireAt: number
  readonly pool: ReadyPool
  readonly arrival: Arrival
  readonly retryOf: string | null

  readonly seq: number
  readonly state: ExecutionState
  /** When the next attempt may start: `fireAt`, later the end of a retry's wait. */
  readonly runAt: number
  readonly epoch: number
  /** The executor instance that runs it; null unless running. */
  readonly owner: string | null
  /** The first that started and the newest ones, at most `maxAttempts`. While running, the last one is the one at work. */
  readonly attempts: readonly AttemptRecord[]
  readonly inDoubt: readonly Doubt[]
  readonly failures: number
  /** Attempts that started, or may have, and whose executor was lost. */
  readonly losses: number
  readonly cancelRequested: boolean
  readonly blockedBy: string | null
  readonly result: unknown
  readonly error: ExecutionError | null
  readonly artifacts: readonly StoredArtifact[]
  readonly endedAt: number | null
}

/**
 * Stands for params that the store has and the record in memory does not: they are large, and only the handler
 * looks at them. They are read after the claim.
 */
export const unreadParams: Record<string, unknown> = Object.freeze({})

/** Params above this size are stored apart from the record and read apart, bytes (`paramsSize`). */
const largeParamsBytes = 4096

export function hasLargeParams({ params }: Execution): boolean {
  return paramsSize(params) > largeParamsBytes
}

/** The record without params that are large. */
export function withoutLargeParams(execution: Execution): Execution {
  return hasLargeParams(execution) ? { ...execution, params: unreadParams } : execution
}

/** What a record takes up besides its params, bytes (measured: 0.8 to 1.5 KB). */
const bareBytes = 1024

/** About how much memory a record takes up with the params that it has, bytes. */
export function executionSize({ params }: Execution): number {
  return bareBytes + paramsSize(params)
}

/** Attempts that a record keeps, and epochs in doubt. */
export const maxAttempts = 20

/** The record after a change. */
export function changed(execution: Execution, change: Partial<Execution>): Execution {
  return { ...execution, ...change, seq: execution.seq + 1 }
}

/** What a record that ends says besides its state. */
export function ended(at: number): Pick<Execution, 'owner' | 'endedAt'> {
  return { owner: null, endedAt: at }
}

/** Adds an attempt. When the list is full the oldest one goes, but not the first that started: it shows how late that was. */
export function withAttempt(attempts: readonly AttemptRecord[], added: AttemptRecord): AttemptRecord[] {
  if (attempts.length < maxAttempts) return [...attempts, added]
  const oldest = attempts[0]?.startedAt === null ? 0 : 1
  return [...attempts.toSpliced(oldest, 1), added]
}

/** When the attempt at work started, as it is recorded; null when it is not, or none is at work. */
export function recordedStart({ state, attempts }: Execution): number | null {
  return state === 'running' ? (attempts.at(-1)?.startedAt ?? null) : null
}

/**
 * Whether the start of an attempt is recorded before its handler is called, so that a claim without a recorded start is
 * known not to have started (docs/protocol.md step 13): after the first loss, for jobs that must run at most once, and for executions
 * that expire unless they have started.
 */
export function recordsStartFirst({ losses, policy, expiresAt }: Execution): boolean {
  return losses > 0 || policy.onLostLease === 'fail' || expiresAt !== null
}

/** Whether the handler was called in some attempt, or may have been. */
export function hasStarted({ failures, losses, attempts }: Execution): boolean {
  return failures > 0 || losses > 0 || attempts.some(({ startedAt }) => startedAt !== null)
}

/** Until when it may start at all, epoch milliseconds; null for one that may start however late, or has started before. */
export function startsUntil(execution: Execution): number | null {
  return execution.expiresAt === null || hasStarted(execution) ? null : execution.expiresAt
}

/** Nothing runs before its fire time, which a clock that was set back, or that of another executor, may not have reached. */
export function notBeforeItsTime({ cause, fireAt }: Execution, at: number): number {
  return cause === 'schedule' ? Math.max(at, fireAt) : at
}

/** The attempts without the one at work: what never started was no attempt. */
export function withoutOpenAttempt(execution: Execution): readonly AttemptRecord[] {
  return execution.state === 'running' ? execution.attempts.slice(0, -1) : execution.attempts
}

/** The attempts with the one at work changed, as it ends. */
export function withOpenAttempt(execution: Execution, change: Partial<AttemptRecord>): AttemptRecord[] {
  return execution.attempts.map((one, index) => (index === execution.attempts.length - 1 ? { ...one, ...change } : one))
}

/** "No": the state, the wish, and what the state allows instead. */
export function illegal(execution: Execution, wish: string): Refusal {
  const status = executionStatusOf(execution)
  const allowed = isEnded(execution.state) ? [] : ['cancel']
  return refusal('illegal-transition', `The execution is ${status}, so it cannot be ${wish}.`, { allowed })
}

/** "No": this epoch does not own the execution any more, so what it says changes nothing (docs/protocol.md, principle 5). */
export function stale(execution: Execution, epoch: number): Refusal {
  return refusal('conflict', `Attempt ${epoch} does not own ${execution.id} any more.`)
}

/** Runs, and its owner is the attempt `epoch`. */
export function isOwnedBy(execution: Execution, epoch: number): boolean {
  return execution.state === 'running' && execution.epoch === epoch
}

/** The value of topic `job-status`: the whole state without params. */
export function toStatusMessage(execution: Execution): JobStatusMessage {
  const { arrival, attempts } = execution
  return {
    executionId: execution.id,
    jobId: execution.jobId,
    ownerId: execution.ownerId,
    jobType: execution.jobType,
    version: execution.version,
    cause: execution.cause,
    seq: execution.seq,
    state: execution.state,
    fireAt: execution.fireAt,
    runAt: execution.runAt,
    epoch: execution.epoch,
    attempts: attempts as AttemptRecord[],
    failures: execution.failures,
    losses: execution.losses,
    cancelRequested: execution.cancelRequested,
    blockedBy: execution.blockedBy,
    retryOf: execution.retryOf,
    result: execution.result,
    error: execution.error,
    artifacts: execution.artifacts.map(({ name, contentType, bytes }) => ({ name, contentType, bytes })),
    timeline: {
      plannedAt: arrival.plannedAt,
      sentAt: arrival.sentAt,
      admittedAt: arrival.admittedAt,
      startedAt: attempts.find((one) => one.startedAt !== null)?.startedAt ?? null,
      endedAt: execution.endedAt,
      topic: arrival.topic,
      partition: arrival.partition,
      offset: arrival.offset,
    },
  }
}
