import type { RetryPolicy } from '@belfry/contracts'
import type { RetryWish } from '@belfry/worker'

export type { RetryWish }

/** The longest wait that a target may ask for (docs/limits.md), milliseconds. */
export const longestRetryAfterMs = 3_600_000

/** How much of a wait chance may take away, so that what failed together does not come back together. */
const jitterShare = 0.2

/**
 * The wait after the `failures`-th failure (from 1), milliseconds: `delayMs`, times `factor` for each further failure, at
 * most `maxDelayMs`. Jitter only shortens, by up to a fifth, so waits still grow and never pass the cap.
 */
export function backoffMs(policy: RetryPolicy, failures: number, random: number): number {
  const grown = policy.backoff === 'fixed' ? 1 : policy.factor ** (failures - 1)
  const delayMs = policy.delayMs === 0 ? 0 : Math.min(policy.delayMs * grown, policy.maxDelayMs)
  return Math.round(policy.jitter ? delayMs * (1 - jitterShare * random) : delayMs)
}

/**
 * How long to wait before the next attempt, milliseconds, or null for no further attempt. `failures` includes the one that
 * just happened. What the target asked for (`Retry-After`) wins over the backoff, up to an hour.
 */
export function retryDelayMs(policy: RetryPolicy, failures: number, wish: RetryWish, random: number): number | null {
  if (wish === 'never' || failures > policy.maxRetries) return null
  if (wish === 'policy') return backoffMs(policy, failures, random)
  return Math.min(Math.max(0, Math.ceil(wish.afterMs)), longestRetryAfterMs)
}
