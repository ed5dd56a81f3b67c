import type { Clock } from '@belfry/service'
import { JobFailure, type RunContext } from '@belfry/worker'
import type { LogLevel } from '../store/ports.ts'
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
export function createRunContext(attempt: Attempt, parts: RunContextParts): RunContext {
  return new AttemptContext(attempt, parts)
}

/** A class, because a getter and six functions of its own for each attempt are what calling a handler costs most. */
class AttemptContext implements RunContext {
  readonly executionId: string
  readonly jobId: string
  readonly ownerId: string
  readonly epoch: number
  readonly fireAt: number
  readonly idempotencyKey: string
  readonly clock: Clock
  readonly #attempt: Attempt
  readonly #parts: RunContextParts

  constructor(attempt: Attempt, parts: RunContextParts) {
    const { id, jobId, ownerId, epoch, fireAt } = attempt.execution
    this.executionId = id
    this.jobId = jobId
    this.ownerId = ownerId
    this.epoch = epoch
    this.fireAt = fireAt
    this.idempotencyKey = id
    this.clock = parts.clock
    this.#attempt = attempt
    this.#parts = parts
  }

  get signal(): AbortSignal {
    const attempt = this.#attempt
    attempt.controller ??= new AbortController()
    const { controller, abortedFor } = attempt
    if (abortedFor !== null && !controller.signal.aborted) controller.abort(abortError(abortedFor))
    return controller.signal
  }

  begin(): void {
    this.#parts.onBegin(this.#attempt)
  }

  log(level: LogLevel, text: string): void {
    if (this.#attempt.phase !== 'ended') this.#parts.output.addLine(this.#attempt, level, text)
  }

  artifact(name: string, contentType: string, body: string | Uint8Array): void {
    if (this.#attempt.phase !== 'ended') this.#parts.output.addFile(this.#attempt, name, contentType, body)
  }

  async checkpoint(state: string): Promise<void> {
    const attempt = this.#attempt
    if (attempt.phase !== 'ended') await this.#parts.checkpoints.save(attempt, attempt.redaction?.text(state) ?? state)
  }

  resume(): Promise<string | undefined> {
    return this.#parts.checkpoints.read(this.#attempt)
  }
}
