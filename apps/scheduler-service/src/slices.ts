import type { Clock } from '@belfry/service'

/**
 * Keeps long work from holding the main loop up (house.md, threads). The answer is called between two items: once
 * `sliceMs` are over it answers a promise to be awaited, during which timers and I/O have their turn.
 */
export function createSlices(clock: Clock, sliceMs: number): () => Promise<void> | undefined {
  let since = clock.monotonic()
  // The main loop may have been given up in between for other reasons: then the slice only ends early.
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
