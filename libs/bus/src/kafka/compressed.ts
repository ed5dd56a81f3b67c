import { createRequire } from 'node:module'
import { promisify } from 'node:util'
import { gunzip, gzip, zstdCompress, zstdDecompress } from 'node:zlib'
import type { Logger } from '@belfry/service'
import { batchFields, emptyRecord } from './record-batch.ts'

/** Node finds no names of these exports in the library's CommonJS, so they cannot be imported by name. */
const { CompressionCodecs, CompressionTypes } = createRequire(import.meta.url)('kafkajs') as typeof import('kafkajs')

/** Bytes of the records of one batch; ours are not compressed, and a fetch takes 8 MiB. */
const maxOutputLength = 64 * 1024 * 1024

type Compression = Exclude<keyof typeof CompressionTypes, 'None'>
type Transform = (records: Buffer) => Promise<Buffer>

/** As many records as the head of their batch says, so that the offsets of the batch are passed. */
function emptyRecords(records: Buffer): Buffer {
  const head = Buffer.from(records.buffer, records.byteOffset - batchFields.records, batchFields.records)
  const count = head.readInt32BE(batchFields.count)
  const last = head.readInt32BE(batchFields.lastOffsetDelta)
  return Buffer.concat(Array.from({ length: count }, (_, index) => emptyRecord(index === count - 1 ? last : index)))
}

/**
 * Makes the client library read gzip and zstd within a bound, and pass over what it cannot read: those messages come as empty ones, which are poison. The
 * library throws at snappy, LZ4 and zstd, and takes as much memory as a batch says: then its member would fetch the same batch for ever.
 */
export function readCompressed(log: Logger): void {
  const unknown = async () => {
    throw new Error('this compression is not known')
  }
  const setCodec = (compression: Compression, compress: Transform, decompress: Transform) => {
    const codec = {
      compress: ({ buffer }: { buffer: Buffer }) => compress(buffer),
      decompress: (records: Buffer) =>
        decompress(records).catch((err: unknown) => {
          log.error({ err, compression }, 'a batch of messages cannot be read; they are passed over')
          return emptyRecords(records)
        }),
    }
    CompressionCodecs[CompressionTypes[compression]] = () => codec
  }
  setCodec('GZIP', promisify(gzip), (records) => promisify(gunzip)(records, { maxOutputLength }))
  setCodec('ZSTD', promisify(zstdCompress), (records) => promisify(zstdDecompress)(records, { maxOutputLength }))
  setCodec('Snappy', unknown, unknown)
  setCodec('LZ4', unknown, unknown)
}
