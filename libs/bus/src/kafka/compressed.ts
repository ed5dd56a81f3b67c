import { createRequire } from 'node:module'
import { promisify } from 'node:util'
import { gunzip, gzip, zstdCompress, zstdDecompress } from 'node:zlib'
import type { Logger } from '@belfry/service'

/** Node finds no names of these exports in the library's CommonJS, so they cannot be imported by name. */
const { CompressionCodecs, CompressionTypes } = createRequire(import.meta.url)('kafkajs') as typeof import('kafkajs')

/** Bytes of the records of one batch; ours are not compressed, and a fetch takes 8 MiB. */
const maxOutputLength = 64 * 1024 * 1024

/** Where the head of a batch stands before its compressed records (KIP-98, record batch version 2), bytes. */
const head = { count: -4, lastOffsetDelta: -38 }
/** Zigzag: -1, which is the length of a key or value that is null. */
const none = 1

type Compression = Exclude<keyof typeof CompressionTypes, 'None'>
type Transform = (records: Buffer) => Promise<Buffer>

function varint(value: number): number[] {
  const bytes: number[] = []
  let left = value * 2
  for (; left > 127; left = Math.floor(left / 128)) bytes.push((left % 128) + 128)
  return [...bytes, left]
}

/** As many records without key, value and headers, so that the offsets of the batch are passed. */
function emptyRecords(records: Buffer): Buffer {
  const view = new DataView(records.buffer)
  const count = view.getInt32(records.byteOffset + head.count)
  const lastOffsetDelta = view.getInt32(records.byteOffset + head.lastOffsetDelta)
  const made = Array.from({ length: count }, (_, index) => {
    const offsetDelta = varint(index === count - 1 ? lastOffsetDelta : index)
    const body = [0, 0, ...offsetDelta, none, none, 0]
    return Buffer.from([...varint(body.length), ...body])
  })
  return Buffer.concat(made)
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
