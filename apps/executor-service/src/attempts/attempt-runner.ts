import { hasSecretReference, withSecretValues } from '@belfry/contracts'
import { type Clock, debugEach, type Logger } from '@belfry/service'
import { describeIssues, fatal, InterruptedRun } from '@belfry/worker'
import { unreadParams } from '../executions/execution.ts'
import { attemptFields } from '../executions/execution-log.ts'
import { type AttemptOutcome, failed, readResult, readThrown, timedOut } from '../executions/outcome.ts'
import type { ExecutorMetrics } from '../metrics.ts'
import { createRedaction } from '../secrets/redaction.ts'
import type { Secrets } from '../secrets/secrets.ts'
import type { AbortReason, Attempt } from './attempt.ts'
import type { Checkpoints } from './checkpoints.ts'
import type { AttemptOutput } from './output.ts'
import { abortError, createRunContext } from './run-context.ts'

export interface AttemptRunnerOptions {
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: ExecutorMetrics
  readonly output: AttemptOutput
  readonly checkpoints: Checkpoints
  readonly secrets: Secrets
  /** How long a handler may go on after its attempt was aborted, milliseconds. */
  readonly abortGraceMs: number
}

/** How long an attempt that is ended by force may take to end, milliseconds. */
const stopMs = 1000

/** Calls handlers, and ends their attempts in time (docs/protocol.md step 10). */
export interface AttemptRunner {
  /**
   * Calls the handler, unless the attempt was aborted while its start was recorded. Resolves to the outcome of the attempt: what
   * its handler comes to, or a failure when the handler ignores an abort for longer than the grace time. Never rejects.
   */
  run(attempt: Attempt): Promise<AttemptOutcome>
  /** Asks the handler of a started attempt to stop. */
  abort(attempt: Attempt, reason: AbortReason): void
}

/** A wait for a process of this length is worth a line in the log, milliseconds. */
const waitShownMs = 1000

/**
 * What a handler rejected with. An attempt that was interrupted is given back, also when its own time limit had passed: it may have
 * waited behind the attempt that blocked their process.
 */
function readEnd(attempt: Attempt, thrown: unknown): AttemptOutcome {
  const mayGoOn = attempt.abortedFor === null || attempt.abortedFor === 'timeout'
  if (thrown instanceof InterruptedRun && mayGoOn) attempt.abortedFor = 'process-ended'
  return readThrown(thrown)
}

/** The outcome without the values of the secrets that the handler was given. */
function redacted({ redaction }: Attempt, outcome: AttemptOutcome): AttemptOutcome {
  if (redaction === null) return outcome
  if (outcome.kind === 'succeeded') return { ...outcome, result: redaction.value(outcome.result) }
  const { code, message } = outcome.error
  return { ...outcome, error: { code: redaction.text(code), message: redaction.text(message) } }
}

export function createAttemptRunner(options: AttemptRunnerOptions): AttemptRunner {
  const { clock, log, metrics, output, checkpoints, secrets, abortGraceMs } = options
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
    resolve(isOverdue ? timedOut(attempt.execution.policy.timeoutMs) : redacted(attempt, outcome))
  }

  function abort(attempt: Attempt, reason: AbortReason): void {
    if (attempt.phase !== 'started' || attempt.abortedFor !== null) return
    attempt.abortedFor = reason
    attempt.timer?.cancel()
    const error = abortError(reason)
    const giveUp = () => {
      attempt.ignoredAbort = true
      conclude(attempt, failed(reason, `${error.message} It did not stop within ${abortGraceMs} ms.`))
    }
    attempt.timer = clock.callAfter(abortGraceMs, () => {
      if (!endByForce(attempt)) giveUp()
      else if (attempt.phase === 'started') attempt.timer = clock.callAfter(stopMs, giveUp)
    })
    attempt.controller?.abort(error)
  }

  /** False when nothing can end the handler but itself. */
  function endByForce({ handler, context }: Attempt): boolean {
    if (handler?.stop === undefined || context === null) return false
    handler.stop(context)
    return true
  }

  /** Calls the handler; throws what is in the way. Params that name secrets get their values first. */
  function callHandler(attempt: Attempt): Promise<unknown> {
    const { params } = attempt.execution
    if (attempt.abortedFor !== null) throw abortError(attempt.abortedFor)
    if (params === unreadParams) throw fatal('params-unreadable', 'The stored params cannot be read.')
    return hasSecretReference(params) ? callWithSecrets(attempt) : callWith(attempt, params)
  }

  async function callWithSecrets(attempt: Attempt): Promise<unknown> {
    const { ownerId, params } = attempt.execution
    const values = await secrets.valuesFor(ownerId, params)
    if (attempt.abortedFor !== null) throw abortError(attempt.abortedFor)
    if (values.size > 0) attempt.redaction = createRedaction(values)
    return callWith(attempt, withSecretValues(params, values))
  }

  /** Parses the params, which fills in defaults, and calls the handler; throws what either throws. */
  function callWith(attempt: Attempt, given: unknown): Promise<unknown> {
    const { handler, execution } = attempt
    if (handler === undefined) throw fatal('unknown-job-type', `No handler runs ${execution.jobType}.`)
    const params = handler.params.safeParse(given)
    if (!params.success) throw fatal('params-invalid', describeIssues(params.error.issues))
    attempt.context = createRunContext(attempt, contextParts)
    return handler.run(params.data, attempt.context)
  }

  /** The work begins, and with it the time limit. */
  function begin(attempt: Attempt): void {
    if (attempt.phase !== 'started' || attempt.abortedFor !== null) return
    const { execution, startedAt } = attempt
    const waitedMs = clock.now() - startedAt
    if (attempt.handler?.waits && waitedMs >= waitShownMs)
      output.addLine(attempt, 'info', `Waited ${waitedMs} ms for a process (BELFRY_EXECUTOR_HANDLERS_PROCESSES).`)
    attempt.timer?.cancel()
    attempt.timer = clock.callAfter(execution.policy.timeoutMs, () => abort(attempt, 'timeout'))
  }

  const contextParts = { output, checkpoints, clock, onBegin: begin }

  return {
    abort,
    run(attempt) {
      attempt.phase = 'started'
      if (attempt.abortedFor === null) {
        metrics.started(clock.now() - attempt.execution.runAt)
        debugEach(log, 'execution started', [attempt], attemptFields)
        if (!attempt.handler?.waits) begin(attempt)
      }
      return new Promise((resolve) => {
        concludes.set(attempt, resolve)
        try {
          Promise.resolve(callHandler(attempt)).then(
            (value) => conclude(attempt, readResult(value)),
            (thrown) => conclude(attempt, readEnd(attempt, thrown)),
          )
        } catch (thrown) {
          conclude(attempt, readThrown(thrown))
        }
      })
    },
  }
}
