import { createRequire } from 'node:module'

/** Headers of one message that are read; ours have seven at most. */
const mostHeaders = 64

/** The part of kafkajs 2.2.4 (`src/protocol/decoder.js`) that is changed. */
interface Decoder {
  readVarInt(): number
  readVarIntArray<T>(reader: (decoder: Decoder) => T): T[]
}

/**
 * Makes the client library pass over the headers of a message beyond the 64th. The library copies all headers that it has for each further one: 1,000 of
 * them block the process for 0.2 s, and the 100,000 that fit into 1 MiB for hours, in each process that reads the partition,
 * and again after its restart, since nothing was committed. It reads no other array in this way (`record/v0/decoder.js`).
 */
export function boundHeaders(): void {
  const { prototype } = createRequire(import.meta.url)('kafkajs/src/protocol/decoder') as { prototype: Decoder }
  prototype.readVarIntArray = function readBounded<T>(this: Decoder, reader: (decoder: Decoder) => T): T[] {
    const length = this.readVarInt()
    const read: T[] = []
    for (let index = 0; index < length; index += 1) {
      const one = reader(this)
      if (index < mostHeaders) read.push(one)
    }
    return read
  }
}
