/** How long to wait after the `tries`-th repetition (0: none yet): doubling from `firstMs`, at most `mostMs`. */
export function backoffMs(tries: number, firstMs: number, mostMs: number): number {
  return Math.min(mostMs, firstMs * 2 ** Math.min(tries, 30))
}
