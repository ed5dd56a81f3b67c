import { createRequire } from 'node:module'
import type { Logger } from '@belfry/service'
import { batchFields, batchMagic, emptyRecord } from './record-batch.ts'

/** Headers of one message that are read; ours have seven at most. */
const mostHeaders = 64
/** Records of one batch that are read; a batch of ours has 5,000 at most. */
const mostRecords = 10_000
/** Of the attributes of a batch. */
const compressionMask = 0x7

/** The part of kafkajs 2.2.4 (`src/protocol/decoder.js`) that is changed. */
interface Decoder {
  buffer: Buffer
  readVarInt(): number
  readVarIntArray<T>(reader: (decoder: Decoder) => T): T[]
  slice(size: number): Decoder
}

const { prototype } = createRequire(import.meta.url)('kafkajs/src/protocol/decoder') as { prototype: Decoder }
const { slice } = prototype

/** How many records a batch has; 0 for what is no batch. */
function countOf(batch: Buffer): number {
  const isBatch = batch.length >= batchFields.records && batch[batchFields.magic] === batchMagic
  return isBatch ? batch.readInt32BE(batchFields.count) : 0
}

/** The batch as one empty record at its last offset, in as many bytes. */
function emptied(batch: Buffer): Buffer {
  const head = Buffer.from(batch.subarray(0, batchFields.records))
  head.writeInt16BE(head.readInt16BE(batchFields.attributes) & ~compressionMask, batchFields.attributes)
  head.writeInt32BE(1, batchFields.count)
  return Buffer.concat([head, emptyRecord(head.readInt32BE(batchFields.lastOffsetDelta))], batch.length)
}

/**
 * Bounds what the client library makes of a message or batch of another producer. What it cannot read it fetches for ever, in each process
 * that reads the partition, and again after its restart, since nothing is committed.
 * - It copies all headers of a message for each further one: 1,000 of them block the process for 0.2 s, and the 100,000 that fit into
 *   1 MiB for hours. It reads no other array in this way (`record/v0/decoder.js`). Headers beyond the 64th are passed over.
 * - It passes the records of a batch as the arguments of one call (`fetch/v4/decodeMessages.js`), which exceeds the stack at some
 *   120,000, and makes an object for each: 1 MiB of compressed data may hold 100 million. A batch of more than 10,000 comes as one
 *   empty message, which is poison.
 */
export function boundDecoder(log: Logger): void {
  prototype.readVarIntArray = function readBounded<T>(this: Decoder, reader: (decoder: Decoder) => T): T[] {
    const length = this.readVarInt()
    const read: T[] = []
    for (let index = 0; index < length; index += 1) {
      const one = reader(this)
      if (index < mostHeaders) read.push(one)
    }
    return read
  }
  // Only a batch is sliced (`recordBatch/v0/decoder.js`), and what brokers before Kafka 0.11 have in the place of one.
  prototype.slice = function sliceBounded(this: Decoder, size: number): Decoder {
    const batch = slice.call(this, size)
    const records = countOf(batch.buffer)
    // A fetch may end within a batch, which is read whole with the next one.
    if (records <= mostRecords || batch.buffer.length < size) return batch
    log.error({ records, mostRecords }, 'a batch has too many messages; they are passed over')
    batch.buffer = emptied(batch.buffer)
    return batch
  }
}
