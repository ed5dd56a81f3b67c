import { type ExecutionError, executionStatusOf } from '@belfry/contracts'
import { type Clock, debugEach, type Logger, type Timer } from '@belfry/service'
import type { Stored } from '../store/ports.ts'
import type { Execution } from './execution.ts'
import { cutText } from './outcome.ts'

/** The server log's lines about single executions (operations.md, logs): one for each balancer, all but bad ends at debug. */
export interface ExecutionLog {
  /** Commands were stored as new executions. */
  admitted(stored: readonly Stored[]): void
  claimed(stored: readonly Stored[]): void
  started(execution: Execution): void
  retried(execution: Execution): void
  /** FAILED, LOST and EXPIRED are warnings. */
  ended(execution: Execution): void
  /** Writes the warnings that still wait. */
  stop(): void
}

/** Bytes of an error's message that its warning shows; the execution's record has all of it. */
const shownErrorBytes = 500

const idsOf = ({ id, jobId }: Execution) => ({ jobId, executionId: id })
const storedIds = ({ execution }: Stored) => idsOf(execution)
const attemptOf = (execution: Execution) => ({ ...idsOf(execution), attempt: execution.epoch })
const endOf = (execution: Execution) => ({ ...attemptOf(execution), status: executionStatusOf(execution) })
const claimOf = ({ execution }: Stored) => attemptOf(execution)

const badEnds: Partial<Record<Execution['state'], ExecutionError>> = {
  failed: { code: 'failed', message: 'The execution failed without an error.' },
  lost: { code: 'lost', message: 'The executor of the run was lost, and the job must not run twice.' },
  expired: { code: 'expired', message: 'The execution was not started before its time was over.' },
}

function warningOf(execution: Execution, error: ExecutionError) {
  const { ownerId, jobType } = execution
  return {
    ...endOf(execution),
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
  /** Warnings that may wait for their second; more of them are counted, and told in one line. */
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

  return {
    admitted: (stored) => debugEach(log, 'execution admitted', stored, storedIds),
    claimed: (stored) => debugEach(log, 'execution claimed', stored, claimOf),
    started: (execution) => debugEach(log, 'execution started', [execution], attemptOf),
    retried: (execution) => debugEach(log, 'execution is going to be retried', [execution], attemptOf),
    ended(execution) {
      const bad = badEnds[execution.state]
      if (bad === undefined) return debugEach(log, 'execution ended', [execution], endOf)
      const fields = warningOf(execution, execution.error ?? bad)
      warn(() => log.warn(fields, `execution ended ${fields.status}`))
    },
    stop() {
      timer?.cancel()
      timer = null
      write(waiting.length)
    },
  }
}
