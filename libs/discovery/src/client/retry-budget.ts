/** Allows retries in proportion to first calls, so that they never multiply the load on a service in trouble. */
export interface RetryBudget {
  /** One more first call was made. */
  earn(): void
  /** True, and one retry less, when the budget has one. */
  spend(): boolean
}

/** `callsPerRetry` first calls pay for one retry; the budget holds at most `most` retries, since the connections
 * of an instance break all at once. It begins with one. */
export function createRetryBudget(callsPerRetry = 10, most = 100): RetryBudget {
  let calls = callsPerRetry
  return {
    earn() {
      calls = Math.min(most * callsPerRetry, calls + 1)
    },
    spend() {
      if (calls < callsPerRetry) return false
      calls -= callsPerRetry
      return true
    },
  }
}
