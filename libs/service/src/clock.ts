/** A call that is still to come; cancelling one that has happened changes nothing. */
export interface Timer {
  cancel(): void
}

/**
 * Time as everything but `main.ts` sees it: injected, so that tests and the simulation advance it.
 * Two clocks, because the wall clock jumps: fire times compare with `now`, leases and waits with `monotonic`.
 */
export interface Clock {
  /** Wall clock, whole epoch milliseconds. */
  now(): number
  /** Milliseconds since some fixed moment; never goes back. */
  monotonic(): number
  /** Calls back once the wall clock shows `at` (epoch milliseconds) or later, never before. */
  callAt(at: number, callback: () => void): Timer
  /** Calls back after at least `delayMs` of monotonic time. */
  callAfter(delayMs: number, callback: () => void): Timer
}
