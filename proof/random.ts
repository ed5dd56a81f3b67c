/** Draws from a seed: the same seed gives the same draws on every machine. */
export interface Random {
  /** From 0 up to 1. */
  fraction(): number
  /** A whole number from `least` to `most`, both included. */
  between(least: number, most: number): number
  /** True with this probability. */
  chance(probability: number): boolean
  /** One of the entries; throws when there is none. */
  oneOf<T>(entries: readonly T[]): T
}

/** Draws that are thrown away: the first ones of neighbouring seeds are alike. */
const skippedDraws = 16

/** The generator "sfc32" with the seed in its state: every safe whole number is a seed of its own. */
export function createRandom(seed: number): Random {
  let [a, b, c, count] = [0x9e3779b9, seed | 0, Math.floor(seed / 2 ** 32) | 0, 1]
  const fraction = () => {
    const sum = (((a + b) | 0) + count) | 0
    count = (count + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + sum
    c |= 0
    return (sum >>> 0) / 2 ** 32
  }
  for (let skipped = 0; skipped < skippedDraws; skipped++) fraction()
  const between = (least: number, most: number) => least + Math.floor(fraction() * (most - least + 1))
  return {
    fraction,
    between,
    chance: (probability) => fraction() < probability,
    oneOf(entries) {
      if (entries.length === 0) throw new Error('there is nothing to choose from')
      return entries[between(0, entries.length - 1)] as (typeof entries)[number]
    },
  }
}
