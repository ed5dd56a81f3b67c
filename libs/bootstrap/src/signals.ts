import { constants } from 'node:os'
import type { Logger } from '@belfry/service'
import { fail } from './explain.ts'

/**
 * Signals this close together are one key press, milliseconds: the terminal signals every process of the foreground, and
 * npm passes the signal that it gets on to its child.
 */
const onePressMs = 500

/**
 * The first SIGINT or SIGTERM calls `stop` and ends the process with code 0 after it, or with 1 when it rejects; a later
 * one ends the process at once, with the code of the signal.
 */
export function stopOnSignals(stop: (signal: NodeJS.Signals) => Promise<unknown>): void {
  let stoppingSince: number | undefined
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (stoppingSince !== undefined) {
        if (performance.now() - stoppingSince > onePressMs) process.exit(128 + constants.signals[signal])
        return
      }
      stoppingSince = performance.now()
      stop(signal).then(() => process.exit(0), fail)
    })
  }
}

/** An error that nothing has caught leaves the process in an unknown state: it is logged, and the process ends with code 1. */
export function endOnUncaught(log: Logger): void {
  const end = (message: string) => (err: unknown) => {
    log.fatal({ err }, message)
    process.exit(1)
  }
  process.on('uncaughtException', end('an error was not caught'))
  process.on('unhandledRejection', end('a rejection was not handled'))
}
