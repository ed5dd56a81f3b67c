import type { Clock } from '@belfry/service'
import { cutText } from '../executions/outcome.ts'
import type { LogEntry, LogLevel } from '../store/ports.ts'

export interface LogLimits {
  readonly lines: number
  /** Of all lines together, UTF-8. */
  readonly bytes: number
  /** Of one line; a longer one is cut. */
  readonly lineBytes: number
}

/** The log of one attempt, until it is stored. */
export interface LogLines {
  /** Never throws, whatever it is given. */
  add(level: LogLevel, text: string): void
  /** The lines since the last time. */
  take(): readonly LogEntry[]
  /** Lines that were taken and could not be stored. */
  putBack(lines: readonly LogEntry[]): void
}

const levels: readonly string[] = ['debug', 'info', 'warn', 'error'] satisfies LogLevel[]

/** Handlers are told what a line is, but nothing holds them to it. */
function asText(value: unknown): string {
  try {
    return typeof value === 'string' ? value : String(value)
  } catch {
    return '(a line that cannot be read)'
  }
}

/** A log that says where it was cut off: what is beyond the limits is dropped, with one line that tells so. */
export function createLogLines(limits: LogLimits, clock: Clock): LogLines {
  let waiting: LogEntry[] = []
  let seq = 0
  let bytes = 0
  let isFull = false

  const push = (level: LogLevel, text: string) => {
    seq += 1
    waiting.push({ seq, at: clock.now(), level, text })
  }

  return {
    add(level, text) {
      if (isFull) return
      const line = cutText(asText(text), limits.lineBytes)
      bytes += Buffer.byteLength(line)
      isFull = seq >= limits.lines || bytes > limits.bytes
      if (isFull)
        push('warn', `The log is truncated here: an attempt may log ${limits.lines} lines and ${limits.bytes} bytes.`)
      else push(levels.includes(level) ? level : 'info', line)
    },
    take() {
      const taken = waiting
      if (taken.length > 0) waiting = []
      return taken
    },
    putBack(lines) {
      waiting = [...lines, ...waiting]
    },
  }
}
