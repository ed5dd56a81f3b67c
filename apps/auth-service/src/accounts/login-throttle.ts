import { backoffMs } from '@belfry/service'

/** Wrong passwords in a row, and the time of the newest one, epoch milliseconds. */
export interface LoginFailures {
  readonly count: number
  readonly lastAt: number
}

/** How repeated wrong passwords slow a login down. */
export interface ThrottleRule {
  /** Wrong passwords in a row that cost no wait. */
  readonly free: number
  /** The first wait and the longest one, milliseconds. */
  readonly delayMs: number
  readonly maxDelayMs: number
}

export const noFailures: LoginFailures = { count: 0, lastAt: 0 }

/** The wait after `count` wrong passwords in a row: none, then `delayMs`, twice as long each time up to `maxDelayMs`. */
export function delayAfter(count: number, rule: ThrottleRule): number {
  if (count < rule.free) return 0
  return backoffMs(count - rule.free, rule.delayMs, rule.maxDelayMs)
}

/**
 * How long until the next login is checked, milliseconds; 0: now. A right password waits as well, or the wait would reveal
 * which one is right. A clock that was set back cannot make the wait longer than the rule.
 */
export function throttleMs(failures: LoginFailures, now: number, rule: ThrottleRule): number {
  const delay = delayAfter(failures.count, rule)
  return Math.min(delay, Math.max(0, failures.lastAt + delay - now))
}

/** The failures after one more wrong password. */
export function addFailure(failures: LoginFailures, now: number): LoginFailures {
  return { count: failures.count + 1, lastAt: now }
}
