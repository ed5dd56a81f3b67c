/** A wait that doubles: `firstMs` after no doubling, at most `mostMs`, milliseconds. */
export function backoffMs(doublings: number, firstMs: number, mostMs: number): number {
  // Beyond 2^52 a double counts no milliseconds any more, and long before it `mostMs` is reached.
  return Math.min(mostMs, firstMs * 2 ** Math.min(doublings, 52))
}
