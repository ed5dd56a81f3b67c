import type { Clock } from '@belfry/service'

/**
 * Keeps long work from blocking the event loop. Call it between two items: undefined while less than
 * `sliceMs` have passed, then a promise to await, during which timers and I/O run.
 */
export type YieldIfOver = () => Promise<void> | undefined

export function createTimeSlice(clock: Clock, sliceMs: number): YieldIfOver {
  let since = clock.monotonic()
  // The work may have awaited something else in between: then the slice only ends early.
  return () => {
    if (clock.monotonic() - since < sliceMs) return undefined
    return new Promise((resolve) => {
      setImmediate(() => {
        since = clock.monotonic()
        resolve()
      })
    })
  }
}
