import { backoffMs } from '@belfry/service'

/** Wait before the first repetition, and the longest one, milliseconds. */
export interface Backoff {
  readonly firstMs: number
  readonly mostMs: number
}

/** Something that is repeated until it is answered: next at `nextAt` (epoch milliseconds), after so many repetitions. */
export interface Repetition {
  readonly nextAt: number
  readonly tries: number
}

/** When it is repeated the next time, if it is repeated now. */
export function nextRepetitionAt({ tries }: Repetition, now: number, { firstMs, mostMs }: Backoff): number {
  return now + backoffMs(tries + 1, firstMs, mostMs)
}

/**
 * Whether it was sent for the last time before this process, or before the clock was set back: its tries and its next time
 * tell when, and what this process has sent lies between `since` and now. It is sent at once, whatever its next time says.
 */
export function isLeftBehind({ nextAt, tries }: Repetition, since: number, now: number, backoff: Backoff): boolean {
  const sentAt = nextAt - backoffMs(tries, backoff.firstMs, backoff.mostMs)
  return sentAt < since || sentAt > now
}
