import type { Logger } from '@belfry/service'
import { type LogEntry, logLevel } from 'kafkajs'

/** The log lines of the client library, and the last error among them: the reason while it tries again by itself. */
export interface ClientLog {
  readonly logCreator: () => (entry: LogEntry) => void
  /** The text of the last error; null when there was none since `forget`. */
  lastError(): string | null
  forget(): void
}

/**
 * kafkajs logs every try, and calls an error what it mends by itself. So its lines go to debug; what an operator has to know
 * is logged by the adapter.
 */
export function createClientLog(log: Logger): ClientLog {
  let last: string | null = null
  return {
    logCreator:
      () =>
      ({ namespace, level, log: { message, timestamp: _, logger: __, ...fields } }) => {
        if (level === logLevel.ERROR) last = typeof fields.error === 'string' ? `${message}: ${fields.error}` : message
        if (level === logLevel.NOTHING || !log.isLevelEnabled('debug')) return
        log.debug({ kafkajs: namespace, ...fields }, message)
      },
    lastError: () => last,
    forget() {
      last = null
    },
  }
}
