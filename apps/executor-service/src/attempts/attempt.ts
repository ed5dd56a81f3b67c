import type { Clock, Timer } from '@belfry/service'
import { fatal, type Handler, JobFailure, type RunContext } from '@belfry/worker'
import type { Execution } from '../executions/execution.ts'
import type { RowId, Stored } from '../store/ports.ts'
import { createLogLines, type LogLimits, type LogLines } from './log-lines.ts'

/** Why a run is told to stop. `gone`: others have taken this executor's runs over. */
export type AbortReason = 'timeout' | 'cancel' | 'shutdown' | 'gone'

/** A file that a run has made, until it is stored. */
interface AttemptFile {
  readonly contentType: string
  readonly body: Uint8Array
}

/** One claimed execution in this process, from its claim to its recorded end. */
export interface Attempt {
  readonly rowId: RowId
  readonly size: number
  readonly handler: Handler | undefined
  /** The record as this executor last saw it: running, and owned by this attempt. */
  execution: Execution
  /**
   * `admitting`: the job's admission is being asked · `waiting`: for its time or a slot · `starting`: its start is being recorded,
   * before its handler is called · `settled`: the attempt is over.
   */
  phase: 'admitting' | 'waiting' | 'starting' | 'started' | 'settled'
  /** The start while it waits, then the deadline, then the end of the grace time. */
  timer: Timer | null
  startedAt: number
  /** The write of its start, while it is under way; never rejects. */
  startWrite: Promise<void> | null
  abortedFor: AbortReason | null
  /** It did not stop when it was told to: its attempt is over, but its handler may still be at work. */
  ignoredAbort: boolean
  controller: AbortController | null
  log: LogLines | null
  files: Map<string, AttemptFile> | null
}

export function createAttempt({ rowId, size, execution }: Stored, handler: Handler | undefined): Attempt {
  return {
    rowId,
    size,
    handler,
    execution,
    phase: 'admitting',
    timer: null,
    startedAt: 0,
    startWrite: null,
    abortedFor: null,
    ignoredAbort: false,
    controller: null,
    log: null,
    files: null,
  }
}

/** The record as this executor last saw it, as the stores take it. */
export const storedOf = ({ rowId, execution, size }: Attempt): Stored => ({ rowId, execution, size })

export interface ContextLimits {
  readonly log: LogLimits
  /** Artifacts of one attempt. */
  readonly artifacts: number
  /** Of each of them. */
  readonly artifactBytes: number
}

const abortWords: Record<AbortReason, string> = {
  timeout: 'The attempt took longer than its time limit.',
  cancel: 'The execution was cancelled.',
  shutdown: 'The executor is stopping.',
  gone: 'Another executor has taken over.',
}

/** What a handler rejects with when it obeys. */
export function abortError(reason: AbortReason): JobFailure {
  return new JobFailure(reason, abortWords[reason])
}

/** A name that fits into a path, a header and a file system as it is. */
const artifactName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/
const contentTypeText = /^[\w.+-]{1,60}\/[\w.+-]{1,60}(; ?[\w-]{1,30}=[\w.-]{1,60})?$/

function readFile(
  name: unknown,
  contentType: unknown,
  body: unknown,
  limits: ContextLimits,
  run: Attempt,
): AttemptFile {
  if (typeof name !== 'string' || !artifactName.test(name)) {
    throw fatal('artifact-invalid', 'The name of an artifact is made of letters, digits, ".", "_" and "-".')
  }
  if (typeof contentType !== 'string' || !contentTypeText.test(contentType)) {
    throw fatal('artifact-invalid', `The artifact ${name} needs a content type.`)
  }
  if (typeof body !== 'string' && !(body instanceof Uint8Array)) {
    throw fatal('artifact-invalid', `The artifact ${name} needs a text or bytes.`)
  }
  const bytes = Buffer.byteLength(body)
  if (bytes > limits.artifactBytes) {
    throw fatal('artifact-too-large', `The artifact ${name} has ${bytes} bytes; ${limits.artifactBytes} are allowed.`)
  }
  if ((run.files?.size ?? 0) >= limits.artifacts && !run.files?.has(name)) {
    throw fatal('too-many-artifacts', `An attempt may store ${limits.artifacts} artifacts.`)
  }
  // A copy, because the handler may go on writing into its bytes.
  return { contentType, body: Buffer.from(body as string) }
}

/** What the handler is given. Once the attempt is over, whatever a handler still says into it is dropped. */
export function createRunContext(
  run: Attempt,
  limits: ContextLimits,
  clock: Clock,
  onLine: (run: Attempt) => void,
): RunContext {
  const { id, jobId, ownerId, epoch, fireAt } = run.execution
  return {
    executionId: id,
    jobId,
    ownerId,
    epoch,
    fireAt,
    idempotencyKey: id,
    clock,
    get signal() {
      run.controller ??= new AbortController()
      if (run.abortedFor !== null && !run.controller.signal.aborted) run.controller.abort(abortError(run.abortedFor))
      return run.controller.signal
    },
    log(level, text) {
      if (run.phase === 'settled') return
      run.log ??= createLogLines(limits.log, clock)
      run.log.add(level, text)
      onLine(run)
    },
    artifact(name, contentType, body) {
      if (run.phase === 'settled') return
      const file = readFile(name, contentType, body, limits, run)
      run.files ??= new Map()
      run.files.set(name, file)
    },
  }
}
