import type { Timer } from '@belfry/service'
import type { Handler, RunContext } from '@belfry/worker'
import type { Execution } from '../executions/execution.ts'
import type { Redaction } from '../secrets/redaction.ts'
import type { LogEntry, LogLevel, RowId, Stored } from '../store/ports.ts'

/**
 * Why an attempt is aborted. `gone`: other executors have taken this executor's attempts over. `no-lease`: they may have, and the
 * attempt must not run beside another one. `process-ended`: the process was ended because of another attempt on it.
 */
export type AbortReason = 'timeout' | 'cancel' | 'shutdown' | 'gone' | 'no-lease' | 'process-ended'

/** The log of an attempt, until it is stored. */
export interface LogLines {
  /** Never throws, whatever it is given. */
  add(level: LogLevel, text: string): void
  /** The lines since the last time. */
  take(): readonly LogEntry[]
  /** Lines that were taken and could not be stored. */
  putBack(lines: readonly LogEntry[]): void
}

/** A file of an attempt, until it is stored. */
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
   * or it waits for the lease, before its handler is called · `started`: its handler is at work · `ended`: the attempt is over.
   */
  phase: 'admitting' | 'waiting' | 'starting' | 'started' | 'ended'
  /** The start while it waits, then the deadline, then the end of the grace time. */
  timer: Timer | null
  startedAt: number
  /** The write of its start, while it is under way; never rejects. */
  startWrite: Promise<void> | null
  abortedFor: AbortReason | null
  /** It did not stop when it was aborted: its attempt is over, but its handler may still be at work. */
  ignoredAbort: boolean
  controller: AbortController | null
  /** What its handler was given. */
  context: RunContext | null
  /** Replaces the values of the secrets that its handler was given; null where there were none. */
  redaction: Redaction | null
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
    context: null,
    redaction: null,
    log: null,
    files: null,
  }
}
