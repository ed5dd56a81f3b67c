import { type ExecutionError, executionStatusOf } from '@belfry/contracts'
import { type Clock, debugEach, type Logger, type Timer } from '@belfry/service'
import type { Step, Stored } from '../store/ports.ts'
import { hasEnded, isRetried } from './changes.ts'
import type { Execution } from './execution.ts'
import { cutText } from './outcome.ts'

/**
 * The server log's lines about single executions (docs/log.md): one for each step of its way, at debug, but for ends
 * that are FAILED, LOST or EXPIRED, which are warnings. The lines of admission, claim and start are written where these are made.
 */
export interface ExecutionLog {
  /** These have changed: a line for each that has ended, is going to be retried, or waits for an overlap place. */
  changed(stored: readonly Stored[], step: Step): void
  /** Writes the warnings that still wait. */
  stop(): void
}

/** Bytes of an error's message that its warning shows; the execution's record has all of it. */
const shownErrorBytes = 500

type Logged = Pick<Stored, 'execution'>
/** The fields of a line about an execution, and about an attempt of it. */
export const executionFields = ({ execution: { id, jobId } }: Logged) => ({ jobId, executionId: id })
export const attemptFields = (one: Logged) => ({ ...executionFields(one), attempt: one.execution.epoch })
const endFields = (one: Logged) => ({ ...attemptFields(one), status: executionStatusOf(one.execution) })

const badEnds: Partial<Record<Execution['state'], ExecutionError>> = {
  failed: { code: 'failed', message: 'The execution failed without an error.' },
  lost: { code: 'lost', message: 'The executor of the attempt was lost, and the job must not run twice.' },
  expired: { code: 'expired', message: 'The execution was not started before its time was over.' },
}

function warningOf(execution: Execution, error: ExecutionError) {
  const { ownerId, jobType } = execution
  return {
    ...endFields({ execution }),
    ownerId,
    jobType,
    error: { code: error.code, message: cutText(error.message, shownErrorBytes) },
  }
}

export interface ExecutionLogOptions {
  readonly log: Logger
  readonly clock: Clock
  /** Warnings in a second: a line costs about 25 µs, so 2,000 of them take a twentieth of the main loop. */
  readonly warningsPerSecond: number
  /** Warnings that may wait for their second; more of them are counted, and one line says how many. */
  readonly warningBacklog: number
}

/** How long one slice of warnings lasts, milliseconds. */
const sliceMs = 50

export function createExecutionLog({
  log,
  clock,
  warningsPerSecond,
  warningBacklog,
}: ExecutionLogOptions): ExecutionLog {
  const sliceLines = Math.max(1, Math.floor((warningsPerSecond * sliceMs) / 1000))
  const waiting: (() => void)[] = []
  let timer: Timer | null = null
  let written = 0
  let leftOut = 0

  function write(lines: number): void {
    for (const line of waiting.splice(0, lines)) line()
    if (waiting.length > 0 || leftOut === 0) return
    log.warn({ executions: leftOut }, 'more executions ended FAILED, LOST or EXPIRED than the log could take')
    leftOut = 0
  }

  /** A slice begins with the first warning or after the last slice, and another follows while lines wait. */
  function nextSlice(): void {
    timer = null
    written = Math.min(waiting.length, sliceLines)
    if (written > 0) timer = clock.callAfter(sliceMs, nextSlice)
    write(sliceLines)
  }

  function warn(line: () => void): void {
    timer ??= clock.callAfter(sliceMs, nextSlice)
    if (waiting.length === 0 && written < sliceLines) {
      written += 1
      line()
    } else if (waiting.length < warningBacklog) waiting.push(line)
    else leftOut += 1
  }

  function logEnd(one: Stored): void {
    const { execution } = one
    const bad = badEnds[execution.state]
    if (bad === undefined) debugEach(log, 'execution ended', [one], endFields)
    else {
      const fields = warningOf(execution, execution.error ?? bad)
      warn(() => log.warn(fields, `execution ended ${fields.status}`))
    }
  }

  return {
    changed(stored, step) {
      for (const one of stored) {
        if (hasEnded(one.execution, step)) logEnd(one)
        else if (isRetried(one.execution, step))
          debugEach(log, 'execution is going to be retried', [one], attemptFields)
        else if (step === 'wait') debugEach(log, 'execution waits for an overlap place', [one], executionFields)
      }
    },
    stop() {
      timer?.cancel()
      timer = null
      write(waiting.length)
    },
  }
}
