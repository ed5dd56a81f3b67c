import { v7 } from 'uuid'

/** Where new ids come from; handed in, so that tests know them beforehand. */
export interface Ids {
  /** A UUID of version 7: begins with the time, and each sorts after the one before it. */
  uuid(): string
}

/** Random bytes bought at once: one call into the kernel's generator costs 2 µs, whether for 16 bytes or for 8 KiB. */
const poolBytes = 8_192
/** Bytes of chance in an id: four begin the count of a millisecond, the last six are fresh in every id. */
const chanceBytes = 10

/**
 * Ids of the machine, by `uuid`'s v7. They count on within a millisecond, as RFC 9562 (6.2, method 1) says, so that each
 * sorts after the one before it, also when the wall clock is set back; `crypto.randomUUIDv7` does not.
 */
export function createIds(): Ids {
  const pool = new Uint8Array(poolBytes)
  const random = new Uint8Array(16)
  let used = poolBytes
  let msecs = 0
  let seq = 0

  const drawChance = () => {
    if (used + chanceBytes > poolBytes) {
      crypto.getRandomValues(pool)
      used = 0
    }
    for (let i = 0; i < chanceBytes; i++) random[6 + i] = pool[used++] as number
  }

  return {
    uuid() {
      drawChance()
      const now = Date.now()
      if (now > msecs) {
        msecs = now
        // The top bit stays free: two thousand million ids fit into a millisecond before the count runs over.
        seq = new DataView(random.buffer).getUint32(6) & 0x7fffffff
      } else if (seq === 0xffffffff) {
        msecs += 1
        seq = 0
      } else seq += 1
      return v7({ msecs, seq, random })
    },
  }
}

/** xorshift32: small, and the same on every machine. */
function createRandomByte(seed: number): () => number {
  let state = (seed ^ 0x9e3779b9) | 0 || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state & 0xff
  }
}

/** The same ids for the same seed, in growing order: for tests and the simulation. */
export function createSeededIds(seed: number): Ids {
  const randomByte = createRandomByte(seed)
  let msecs = Date.UTC(2026, 0, 1)
  return {
    uuid() {
      msecs += 1
      return v7({ msecs, seq: 0, random: Uint8Array.from({ length: 16 }, randomByte) })
    },
  }
}
