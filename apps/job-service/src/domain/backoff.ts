/** How long to wait after the `tries`-th repetition (0: none yet): doubling from `firstMs`, at most `mostMs`. */
export function backoffMs(tries: number, firstMs: number, mostMs: number): number {
  return Math.min(mostMs, firstMs * 2 ** Math.min(tries, 30))
}

/**
 * Up to which time something counts as due. What was due within the first wait of a process's start was left behind by
 * the process before it, and need not wait; its own things come later than that, and so does whatever it repeats. Once
 * what was left has been taken (`startedAt` null) only the clock counts: set back, it would never come past that time.
 */
export function dueUntil(now: number, startedAt: number | null, firstMs: number): number {
  return startedAt === null ? now : Math.max(now, startedAt + firstMs - 1)
}
