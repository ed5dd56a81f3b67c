import { type Artifact, readArtifact } from '../artifact.ts'
import { type AttemptSink, createJobContext, type JobClock } from '../context.ts'
import { JobFailure } from '../failure.ts'
import type { LogLevel } from '../handler.ts'
import type { Job } from '../job.ts'
import { runAttempt } from '../run.ts'
import type { InputOf, StandardSchema } from '../standard-schema.ts'
import { createTestClock } from './test-clock.ts'

export interface RunJobOptions {
  /** Left out: a clock whose waits take no time. A manual clock makes `sleep` and retries wait until the test advances it. */
  readonly clock?: JobClock
  /** How many attempts the execution may have. A failure that is not fatal starts the next one. */
  readonly attempts?: number
  /**
   * Ends an attempt as the loss of its executor would, without a failure: in its n-th call that stores a checkpoint, right after that
   * is stored. One number for each attempt, from the first; what such an attempt still does is lost.
   */
  readonly killAfter?: number | readonly number[]
  /** The fire time, epoch milliseconds; left out: now. */
  readonly fireAt?: number
  /** Aborts the attempt at work, as a cancel does. */
  readonly signal?: AbortSignal
}

export interface TestLine {
  readonly epoch: number
  readonly level: LogLevel
  readonly text: string
}

export interface TestAttempt {
  readonly epoch: number
  readonly outcome: 'succeeded' | 'failed' | 'killed'
  readonly error: { readonly code: string; readonly message: string } | null
}

/** What became of the execution. */
export interface RunReport<R> {
  readonly status: 'SUCCESS' | 'FAILED'
  /** What the last attempt resolved to, as JSON gives it back; undefined after a failure. */
  readonly result: R | undefined
  /** The failure of the last attempt. */
  readonly error: { readonly code: string; readonly message: string } | null
  readonly attempts: readonly TestAttempt[]
  readonly logs: readonly TestLine[]
  /** By name; text and bytes alike as bytes. */
  readonly artifacts: ReadonlyMap<string, Artifact>
  /** The newest state that was stored. */
  readonly checkpoint: unknown
}

const testExecution = {
  executionId: 'exe-test',
  jobId: 'job-test',
  ownerId: 'usr-test',
  idempotencyKey: 'exe-test',
}
const artifactBytes = 10 * 1024 * 1024

/** What the attempts of one execution leave behind. */
interface Execution {
  readonly clock: JobClock
  readonly fireAt: number
  readonly logs: TestLine[]
  readonly artifacts: Map<string, Artifact>
  checkpoint: string | undefined
}

type Ended<R> = { readonly attempt: TestAttempt; readonly result?: R; readonly retryMs: number | null }

/** One attempt; `killAfter` 0: it is not killed. */
async function attemptOnce<R>(
  job: Job<StandardSchema, R>,
  params: unknown,
  execution: Execution,
  { epoch, killAfter, signal }: { epoch: number; killAfter: number; signal: AbortSignal },
): Promise<Ended<R>> {
  let isOver = false
  let stored = 0
  const killed = Promise.withResolvers<Ended<R>>()
  const sink: AttemptSink = {
    signal,
    clock: execution.clock,
    log(level, text) {
      if (!isOver) execution.logs.push({ epoch, level, text })
    },
    artifact(name, contentType, body) {
      if (!isOver) execution.artifacts.set(name, readArtifact(name, contentType, body, artifactBytes))
    },
    async checkpoint(state) {
      if (isOver) return
      execution.checkpoint = state
      stored += 1
      if (stored !== killAfter) return
      isOver = true
      killed.resolve({ attempt: { epoch, outcome: 'killed', error: null }, retryMs: 0 })
      // As in an executor that is gone, the call never returns.
      await new Promise<never>(() => undefined)
    },
    resume: async () => execution.checkpoint,
  }
  const facts = { ...testExecution, epoch, fireAt: execution.fireAt }
  const { context, flush } = createJobContext(facts, sink)
  const ended = runAttempt(job, params, context).then(
    (text): Ended<R> => {
      flush()
      return { attempt: { epoch, outcome: 'succeeded', error: null }, result: JSON.parse(text) as R, retryMs: null }
    },
    (thrown): Ended<R> => {
      flush()
      return failedAttempt(epoch, thrown)
    },
  )
  const first = await Promise.race([ended, killed.promise])
  isOver = true
  return first
}

function failedAttempt(epoch: number, thrown: unknown): { attempt: TestAttempt; retryMs: number | null } {
  const { retry, code } = thrown instanceof JobFailure ? thrown : { retry: 'policy' as const, code: 'handler-error' }
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  const attempt = { epoch, outcome: 'failed' as const, error: { code, message } }
  return { attempt, retryMs: retry === 'never' ? null : retry === 'policy' ? 0 : retry.afterMs }
}

/**
 * Runs a job type without servers: parses the params, calls its handler, tries again after a failure, and resumes from the
 * checkpoint. Never rejects for what the handler does.
 */
export async function runJob<S extends StandardSchema, R>(
  job: Job<S, R>,
  params: InputOf<S>,
  options: RunJobOptions = {},
): Promise<RunReport<R>> {
  const { clock = createTestClock(), attempts: most = 1, killAfter = [], signal } = options
  const kills = typeof killAfter === 'number' ? [killAfter] : killAfter
  const execution: Execution = {
    clock,
    fireAt: options.fireAt ?? clock.now(),
    logs: [],
    artifacts: new Map(),
    checkpoint: undefined,
  }
  const attempts: TestAttempt[] = []
  let failures = 0
  let last: Ended<R>
  do {
    const epoch = attempts.length + 1
    const turn = { epoch, killAfter: kills[attempts.length] ?? 0, signal: signal ?? new AbortController().signal }
    last = await attemptOnce(job as unknown as Job<StandardSchema, R>, params, execution, turn)
    attempts.push(last.attempt)
    if (last.attempt.outcome === 'failed') failures += 1
    if (last.retryMs !== null && last.retryMs > 0) await wait(clock, last.retryMs)
  } while (last.retryMs !== null && failures < most)
  const { artifacts, logs, checkpoint } = execution
  return {
    status: last.attempt.outcome === 'succeeded' ? 'SUCCESS' : 'FAILED',
    result: last.result,
    error: last.attempt.error,
    attempts,
    logs,
    artifacts,
    checkpoint: checkpoint === undefined ? undefined : JSON.parse(checkpoint),
  }
}

const wait = (clock: JobClock, ms: number) => new Promise<void>((resolve) => clock.callAfter(ms, resolve))
