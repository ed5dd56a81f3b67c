import type { Clock } from '@belfry/service'
import { fatal } from '@belfry/worker'
import { unreadParams } from '../executions/execution.ts'
import type { AttemptOutcome } from '../executions/outcome.ts'
import { failed, readResult, readThrown, timedOut } from '../executions/outcome.ts'
import type { ExecutorMetrics } from '../metrics.ts'
import { type AbortReason, type Attempt, abortError, type ContextLimits, createRunContext } from './attempt.ts'

/** All that is wrong with the params, each with its place. */
function describeIssues(issues: readonly { path: PropertyKey[]; message: string }[]): string {
  return issues.map(({ path, message }) => `${path.map(String).join('.') || 'params'}: ${message}`).join('; ')
}

export interface AttemptRunnerOptions {
  readonly clock: Clock
  readonly metrics: ExecutorMetrics
  readonly limits: ContextLimits
  /** How long a run may go on after it was told to stop, milliseconds. */
  readonly abortGraceMs: number
  /** The run has logged something. */
  readonly onLine: (run: Attempt) => void
  /** The attempt is over; what its handler still does is nobody's concern. */
  readonly onSettled: (run: Attempt, outcome: AttemptOutcome) => void
}

/** Calls handlers, and watches over them until their attempt is over (protocol.md step 10). */
export interface AttemptRunner {
  /** Calls the handler, unless the run was told to stop while its start was recorded. */
  start(run: Attempt): void
  /** Tells a started run to stop; when it does not within the grace time, its attempt is over all the same. */
  abort(run: Attempt, reason: AbortReason): void
}

export function createAttemptRunner(options: AttemptRunnerOptions): AttemptRunner {
  const { clock, metrics, limits, abortGraceMs, onLine, onSettled } = options

  function settle(run: Attempt, outcome: AttemptOutcome): void {
    if (run.phase === 'settled') {
      metrics.staleCompletions(1)
      return
    }
    run.phase = 'settled'
    run.timer?.cancel()
    run.timer = null
    const isOverdue = run.abortedFor === 'timeout' && outcome.kind === 'failed'
    onSettled(run, isOverdue ? timedOut(run.execution.policy.timeoutMs) : outcome)
  }

  function abort(run: Attempt, reason: AbortReason): void {
    if (run.phase !== 'started' || run.abortedFor !== null) return
    run.abortedFor = reason
    run.timer?.cancel()
    const { message } = abortError(reason)
    run.timer = clock.callAfter(abortGraceMs, () => {
      run.ignoredAbort = true
      settle(run, failed(reason, `${message} It did not stop within ${abortGraceMs} ms.`))
    })
    run.controller?.abort(abortError(reason))
  }

  /** Parses the params, which fills in defaults, and calls the handler; throws whatever either throws. */
  function call(run: Attempt): Promise<unknown> {
    const { handler, execution } = run
    if (handler === undefined) throw fatal('unknown-job-type', `No handler runs ${execution.jobType}.`)
    if (execution.params === unreadParams) throw fatal('params-unreadable', 'The stored params cannot be read.')
    const params = handler.params.safeParse(execution.params)
    if (!params.success) throw fatal('params-invalid', describeIssues(params.error.issues))
    return handler.run(params.data, createRunContext(run, limits, clock, onLine))
  }

  return {
    abort,
    start(run) {
      const now = clock.now()
      // A start that is recorded already stays the one that counts.
      if (run.phase !== 'starting') run.startedAt = now
      run.phase = 'started'
      if (run.abortedFor !== null) return settle(run, readThrown(abortError(run.abortedFor)))
      metrics.started(run.execution, now - run.execution.runAt)
      run.timer = clock.callAfter(run.execution.policy.timeoutMs, () => abort(run, 'timeout'))
      try {
        Promise.resolve(call(run)).then(
          (value) => settle(run, readResult(value)),
          (thrown) => settle(run, readThrown(thrown)),
        )
      } catch (thrown) {
        settle(run, readThrown(thrown))
      }
    },
  }
}
