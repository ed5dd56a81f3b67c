/** A set of small numbers, 0 to 63, in two 32-bit words: the values of a cron field. */
export interface Bits {
  lo: number
  hi: number
}

export function noBits(): Bits {
  return { lo: 0, hi: 0 }
}

export function addBit(bits: Bits, value: number): void {
  if (value < 32) bits.lo |= 1 << value
  else bits.hi |= 1 << (value - 32)
}

export function hasBit(bits: Bits, value: number): boolean {
  return ((value < 32 ? bits.lo >>> value : bits.hi >>> (value - 32)) & 1) === 1
}

/** The lowest set bit of one word at or above `from` (0 to 31), or -1. */
export function nextInWord(word: number, from: number): number {
  const rest = from > 31 ? 0 : word & (-1 << from)
  return rest === 0 ? -1 : 31 - Math.clz32(rest & -rest)
}

/** The smallest member at or above `from`, or -1. */
export function nextBit(bits: Bits, from: number): number {
  if (from < 32) {
    const low = nextInWord(bits.lo, from)
    if (low >= 0) return low
  }
  const high = nextInWord(bits.hi, Math.max(0, from - 32))
  return high < 0 ? -1 : high + 32
}

/** How many bits of one word are set. */
export function countWord(word: number): number {
  const pairs = word - ((word >>> 1) & 0x55555555)
  const fours = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333)
  return Math.imul((fours + (fours >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}

/** How many members are smaller than `value`. */
export function countBelow(bits: Bits, value: number): number {
  if (value >= 32) return countWord(bits.lo) + countWord(value > 63 ? bits.hi : bits.hi & ~(-1 << (value - 32)))
  return countWord(bits.lo & ~(-1 << value))
}

export function countBits(bits: Bits): number {
  return countWord(bits.lo) + countWord(bits.hi)
}
