/** Exponential backoff: `firstMs` for the first wait, at most `mostMs`, milliseconds. */
export function backoffMs(doublings: number, firstMs: number, mostMs: number): number {
  // A double counts no milliseconds beyond 2^52, and `mostMs` is reached long before.
  return Math.min(mostMs, firstMs * 2 ** Math.min(doublings, 52))
}
