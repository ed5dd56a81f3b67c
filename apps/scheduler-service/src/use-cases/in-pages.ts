/** `seen`: how many of the first items were read, one at least. `lost`: those of them whose record changed meanwhile. */
export interface SeenPage<T> {
  readonly seen: number
  readonly lost: readonly T[]
}

/**
 * Works on all of `items`, at most `rows` at a time. A page may read fewer than it was given, for want of bytes; the next
 * page begins with the first item that was not read. Answers the items that lost a race.
 */
export async function inPages<T>(
  items: readonly T[],
  rows: number,
  onPage: (items: readonly T[]) => Promise<SeenPage<T>>,
): Promise<readonly T[]> {
  const lost: T[] = []
  for (let from = 0; from < items.length; ) {
    const page = await onPage(items.slice(from, from + rows))
    from += page.seen
    lost.push(...page.lost)
  }
  return lost
}
