import { backoffMs } from '@belfry/service'

/** Wait before the first repetition, and the longest one, milliseconds. */
export interface Waits {
  readonly firstMs: number
  readonly mostMs: number
}

/** Something that is repeated until it is answered: next at `nextAt` (epoch milliseconds), after so many repetitions. */
export interface Repeated {
  readonly handle: number
  readonly nextAt: number
  readonly tries: number
}

/**
 * Whether it was sent for the last time before this process, or before the clock was set back: its tries and its next time
 * tell when, and what this process has sent lies between `since` and now. It is sent at once, whatever its next time says.
 */
export function isLeftBehind({ nextAt, tries }: Repeated, since: number, now: number, waits: Waits): boolean {
  const sentAt = nextAt - backoffMs(tries, waits.firstMs, waits.mostMs)
  return sentAt < since || sentAt > now
}
