/**
 * A bounded number of units that owners share: slots, claims, or bytes. A unit is never taken away from an owner, so an owner
 * that was the only one may hold all of them for hours. What an owner holds beyond its part does therefore not count against
 * the others: while `counted` is below the limit, an owner below its part takes a unit even when none is left, and at most
 * `limit - part` units more than the limit are held at a time.
 */
export interface Share {
  readonly limit: number
  /** What one owner may hold while others wait: its share of the limit, and at least one unit. */
  readonly part: number
  /** Units that are held. */
  readonly used: number
  /** The same with at most its part for each owner. */
  readonly counted: number
  /** An owner that holds `held` takes so many more; gives them back when negative. Answers what it holds then. */
  take(held: number, units: number): number
  /** How many more an owner that holds `held` may take while no other owner waits. */
  room(held: number): number
}

/** `share`: the part of one owner, above 0 and at most 1; with 1 an owner may keep all units from the others. */
export function createShare(limit: number, share: number): Share {
  const part = Math.max(1, Math.floor(limit * share))
  let used = 0
  let counted = 0
  return {
    limit,
    part,
    get used() {
      return used
    },
    get counted() {
      return counted
    },
    take(held, units) {
      const after = held + units
      used += units
      counted += Math.min(after, part) - Math.min(held, part)
      return after
    },
    room(held) {
      const below = Math.min(part - held, limit - counted)
      return Math.max(0, below, limit - used)
    },
  }
}

/**
 * Which of those that wait takes a unit: the first that is below its part; the first of all when none of them is and a
 * unit is free; undefined when none may. At most `limit / part` of them are looked at in vain.
 */
export function pickNext<T>(waiting: Iterable<T>, heldBy: (one: T) => number, share: Share): T | undefined {
  let first: T | undefined
  for (const one of waiting) {
    if (heldBy(one) < share.part) return share.counted < share.limit ? one : undefined
    first ??= one
  }
  return share.used < share.limit ? first : undefined
}
