import { type Clock, debugEach, type Logger } from '@belfry/service'
import { fatal, JobFailure, type RunContext } from '@belfry/worker'
import { unreadParams } from '../executions/execution.ts'
import { attemptFields } from '../executions/execution-log.ts'
import { type AttemptOutcome, failed, readResult, readThrown, timedOut } from '../executions/outcome.ts'
import type { ExecutorMetrics } from '../metrics.ts'
import type { AbortReason, Attempt } from './attempt.ts'
import type { AttemptOutput } from './output.ts'

export interface AttemptRunnerOptions {
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: ExecutorMetrics
  readonly output: AttemptOutput
  /** How long a handler may go on after its attempt was aborted, milliseconds. */
  readonly abortGraceMs: number
}

/** Calls handlers, and ends their attempts in time (protocol.md step 10). */
export interface AttemptRunner {
  /**
   * Calls the handler, unless the attempt was aborted while its start was recorded. Resolves to the outcome of the attempt: what
   * its handler comes to, or a failure when the handler ignores an abort for longer than the grace time. Never rejects.
   */
  run(attempt: Attempt): Promise<AttemptOutcome>
  /** Asks the handler of a started attempt to stop. */
  abort(attempt: Attempt, reason: AbortReason): void
}

export function createAttemptRunner(options: AttemptRunnerOptions): AttemptRunner {
  const { clock, log, metrics, output, abortGraceMs } = options
  /** How the attempts at work are concluded: by their handlers, or at the end of the grace time. */
  const concludes = new Map<Attempt, (outcome: AttemptOutcome) => void>()

  function conclude(attempt: Attempt, outcome: AttemptOutcome): void {
    const resolve = concludes.get(attempt)
    // The handler of an attempt that ignored its abort is done after all.
    if (resolve === undefined) {
      metrics.staleCompletions(1)
      return
    }
    concludes.delete(attempt)
    attempt.phase = 'ended'
    attempt.timer?.cancel()
    attempt.timer = null
    const isOverdue = attempt.abortedFor === 'timeout' && outcome.kind === 'failed'
    resolve(isOverdue ? timedOut(attempt.execution.policy.timeoutMs) : outcome)
  }

  function abort(attempt: Attempt, reason: AbortReason): void {
    if (attempt.phase !== 'started' || attempt.abortedFor !== null) return
    attempt.abortedFor = reason
    attempt.timer?.cancel()
    const error = abortError(reason)
    attempt.timer = clock.callAfter(abortGraceMs, () => {
      attempt.ignoredAbort = true
      conclude(attempt, failed(reason, `${error.message} It did not stop within ${abortGraceMs} ms.`))
    })
    attempt.controller?.abort(error)
  }

  /** Parses the params, which fills in defaults, and calls the handler; throws what either throws. */
  function callHandler(attempt: Attempt): Promise<unknown> {
    const { handler, execution } = attempt
    if (attempt.abortedFor !== null) throw abortError(attempt.abortedFor)
    if (handler === undefined) throw fatal('unknown-job-type', `No handler runs ${execution.jobType}.`)
    if (execution.params === unreadParams) throw fatal('params-unreadable', 'The stored params cannot be read.')
    const params = handler.params.safeParse(execution.params)
    if (!params.success) throw fatal('params-invalid', describeIssues(params.error.issues))
    return handler.run(params.data, createRunContext(attempt, output, clock))
  }

  return {
    abort,
    run(attempt) {
      attempt.phase = 'started'
      if (attempt.abortedFor === null) {
        metrics.started(clock.now() - attempt.execution.runAt)
        debugEach(log, 'execution started', [attempt], attemptFields)
        attempt.timer = clock.callAfter(attempt.execution.policy.timeoutMs, () => abort(attempt, 'timeout'))
      }
      return new Promise((resolve) => {
        concludes.set(attempt, resolve)
        try {
          Promise.resolve(callHandler(attempt)).then(
            (value) => conclude(attempt, readResult(value)),
            (thrown) => conclude(attempt, readThrown(thrown)),
          )
        } catch (thrown) {
          conclude(attempt, readThrown(thrown))
        }
      })
    },
  }
}

const abortTexts: Record<AbortReason, string> = {
  timeout: 'The attempt took longer than its time limit.',
  cancel: 'The execution was cancelled.',
  shutdown: 'The executor is stopping.',
  gone: 'Another executor has taken over.',
  'no-lease': 'No sign of life of the executor was stored for too long: another one may have taken over.',
}

/** What a handler rejects with when it obeys an abort. */
function abortError(reason: AbortReason): JobFailure {
  return new JobFailure(reason, abortTexts[reason])
}

/** All that is wrong with the params, each with its path. */
function describeIssues(issues: readonly { path: PropertyKey[]; message: string }[]): string {
  return issues.map(({ path, message }) => `${path.map(String).join('.') || 'params'}: ${message}`).join('; ')
}

/** What the handler is given. Once the attempt is over, what the handler still logs or stores is dropped. */
function createRunContext(attempt: Attempt, output: AttemptOutput, clock: Clock): RunContext {
  const { id, jobId, ownerId, epoch, fireAt } = attempt.execution
  return {
    executionId: id,
    jobId,
    ownerId,
    epoch,
    fireAt,
    idempotencyKey: id,
    clock,
    get signal() {
      attempt.controller ??= new AbortController()
      const { controller, abortedFor } = attempt
      if (abortedFor !== null && !controller.signal.aborted) controller.abort(abortError(abortedFor))
      return controller.signal
    },
    log(level, text) {
      if (attempt.phase !== 'ended') output.addLine(attempt, level, text)
    },
    artifact(name, contentType, body) {
      if (attempt.phase !== 'ended') output.addFile(attempt, name, contentType, body)
    },
  }
}
