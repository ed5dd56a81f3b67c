import type { Clock } from '@belfry/service'
import { JobFailure, type RunContext } from '@belfry/worker'
import type { AbortReason, Attempt } from './attempt.ts'
import type { Checkpoints } from './checkpoints.ts'
import type { AttemptOutput } from './output.ts'

const abortTexts: Record<AbortReason, string> = {
  timeout: 'The attempt took longer than its time limit.',
  cancel: 'The execution was cancelled.',
  shutdown: 'The executor is stopping.',
  gone: 'Another executor has taken over.',
  'no-lease': 'No sign of life of the executor was stored for too long: another one may have taken over.',
  'process-ended': 'The process of the attempt was ended, and not because of this attempt.',
}

/** What a handler rejects with when it obeys an abort. */
export function abortError(reason: AbortReason): JobFailure {
  return new JobFailure(reason, abortTexts[reason])
}

export interface RunContextParts {
  readonly output: AttemptOutput
  readonly checkpoints: Checkpoints
  readonly clock: Clock
  /** The work of an attempt begins that had to wait for something else than its slot. */
  readonly onBegin: (attempt: Attempt) => void
}

/** What the handler is given. Once the attempt is over, what the handler still logs or stores is dropped. */
export function createRunContext(
  attempt: Attempt,
  { output, checkpoints, clock, onBegin }: RunContextParts,
): RunContext {
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
    begin: () => onBegin(attempt),
    log(level, text) {
      if (attempt.phase !== 'ended') output.addLine(attempt, level, text)
    },
    artifact(name, contentType, body) {
      if (attempt.phase !== 'ended') output.addFile(attempt, name, contentType, body)
    },
    async checkpoint(state) {
      if (attempt.phase !== 'ended') await checkpoints.save(attempt, attempt.redaction?.text(state) ?? state)
    },
    resume: () => checkpoints.read(attempt),
  }
}
