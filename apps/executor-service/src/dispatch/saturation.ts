/** Owners that are remembered; of one beyond them a newer execution may start before an older one. */
const mostOwners = 10_000

/** Which owners of a pool may have executions in the store that are due and found no room. */
export interface SaturatedOwners {
  /** There is no such execution. */
  isEmpty(): boolean
  has(owner: string): boolean
  add(owner: string): void
  /** All that is due was looked through: forgets the owners that were turned away before the last time. */
  nextRound(stillThere: readonly string[]): void
  clear(): void
}

/** An owner is remembered for one whole round after it was last turned away, because only that round has seen all of the store. */
export function createSaturatedOwners(): SaturatedOwners {
  let isEmpty = true
  let thisRound = new Set<string>()
  let lastRound = new Set<string>()
  return {
    isEmpty: () => isEmpty,
    has: (owner) => thisRound.has(owner) || lastRound.has(owner),
    add(owner) {
      isEmpty = false
      if (thisRound.size < mostOwners) thisRound.add(owner)
    },
    nextRound(stillThere) {
      lastRound = new Set([...thisRound, ...stillThere])
      thisRound = new Set()
    },
    clear() {
      isEmpty = true
      thisRound.clear()
      lastRound.clear()
    },
  }
}
