import { v7 } from 'uuid'

/** Where new ids come from; handed in, so that tests know them beforehand. */
export interface Ids {
  /** A UUID of version 7: begins with the time, and each sorts after the one before it. */
  uuid(): string
}

/** Ids of the machine: `uuid`'s v7, which counts within a millisecond (`crypto.randomUUIDv7` does not). */
export function createIds(): Ids {
  return { uuid: () => v7() }
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
