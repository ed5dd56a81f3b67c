/** How long what is over is kept, milliseconds. */
export interface Keep {
  readonly executionsMs: number
  readonly requestsMs: number
}

/**
 * How much longer a copy is kept than the execution, milliseconds: while the executors still list it, reconcile would
 * only bring it back. More than the rhythm of their clearing away and than two clocks may differ.
 */
const longerMs = 3_600_000

/** Copies of executions that ended before this moment (epoch milliseconds) may go (protocol.md step 15). */
export function copiesBefore(now: number, retentionMs: number): number {
  return now - retentionMs - longerMs
}
