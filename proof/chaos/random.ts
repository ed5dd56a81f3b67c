/** Draws from a seed: the same seed gives the same draws on every machine. */
export interface Random {
  /** From 0 up to 1. */
  fraction(): number
  /** A whole number from `least` to `most`, both included. */
  between(least: number, most: number): number
  /** One of the entries; throws when there is none. */
  oneOf<T>(entries: readonly T[]): T
}

/** SplitMix32: enough for a plan, and short. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0
  const fraction = () => {
    state = (state + 0x9e3779b9) >>> 0
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32
  }
  const between = (least: number, most: number) => least + Math.floor(fraction() * (most - least + 1))
  return {
    fraction,
    between,
    oneOf(entries) {
      const entry = entries[between(0, entries.length - 1)]
      if (entry === undefined) throw new Error('there is nothing to choose from')
      return entry
    },
  }
}
