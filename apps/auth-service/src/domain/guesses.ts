import { backoffMs } from '@belfry/service'
import type { Guesses } from './user.ts'

/** How guessing is slowed down; milliseconds. */
export interface GuessRule {
  /** Wrong passwords in a row that cost nothing. */
  readonly free: number
  readonly delayMs: number
  readonly maxDelayMs: number
}

export const noGuesses: Guesses = { wrong: 0, lastAt: 0 }

/** The wait after so many wrong passwords in a row: none, then `delayMs`, doubling up to `maxDelayMs`. */
export function delayAfter(wrong: number, rule: GuessRule): number {
  if (wrong < rule.free) return 0
  return backoffMs(wrong - rule.free, rule.delayMs, rule.maxDelayMs)
}

/**
 * How long until the next password may be tried, milliseconds; 0: now. Right ones wait as well, or the wait would tell
 * which is right. A clock that was set back cannot make it longer than the rule says.
 */
export function waitFor(guesses: Guesses, now: number, rule: GuessRule): number {
  const delay = delayAfter(guesses.wrong, rule)
  return Math.min(delay, Math.max(0, guesses.lastAt + delay - now))
}

/** One more wrong password. */
export function countWrong(guesses: Guesses, now: number): Guesses {
  return { wrong: guesses.wrong + 1, lastAt: now }
}
