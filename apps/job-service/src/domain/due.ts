/**
 * Up to which time something counts as due. What was due within the first wait of a process's start was left behind by
 * the process before it, and need not wait; its own things come later than that, and so does whatever it repeats. Once
 * what was left has been taken (`startedAt` null) only the clock counts: set back, it would never come past that time.
 */
export function dueUntil(now: number, startedAt: number | null, firstMs: number): number {
  return startedAt === null ? now : Math.max(now, startedAt + firstMs - 1)
}
