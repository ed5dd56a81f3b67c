/** Where fields of a batch stand after its offset and length, bytes, and the version that this is true of (KIP-98). */
export const batchFields = { magic: 4, attributes: 9, lastOffsetDelta: 11, count: 45, records: 49 } as const
export const batchMagic = 2

/** Zigzag: -1, which is the length of a key or value that is null. */
const none = 1

function varint(value: number): number[] {
  const bytes: number[] = []
  let left = value * 2
  for (; left > 127; left = Math.floor(left / 128)) bytes.push((left % 128) + 128)
  return [...bytes, left]
}

/** A record without key, value and headers. `offsetDelta`: its offset in its batch. */
export function emptyRecord(offsetDelta: number): Buffer {
  const body = [0, 0, ...varint(offsetDelta), none, none, 0]
  return Buffer.from([...varint(body.length), ...body])
}
