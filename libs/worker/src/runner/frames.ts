import { deserialize, serialize } from 'node:v8'

const headBytes = 4

/** A message as bytes: its length (4 bytes, little-endian), then the message as V8 serializes it. */
export function toFrame(message: unknown): Buffer {
  const body = serialize(message)
  const frame = Buffer.allocUnsafe(headBytes + body.length)
  frame.writeUInt32LE(body.length)
  body.copy(frame, headBytes)
  return frame
}

/**
 * Takes bytes as they come, and calls back with each whole message. Throws when they are no messages, or one is longer than
 * `mostBytes`: what follows cannot be read either.
 */
export function createFrameReader(
  mostBytes: number,
  onMessage: (message: unknown) => void,
): (chunk: Uint8Array) => void {
  let chunks: Uint8Array[] = []
  let size = 0
  let wanted = headBytes
  let isHead = true
  return (chunk) => {
    chunks.push(chunk)
    size += chunk.length
    while (size >= wanted) {
      const bytes = Buffer.concat(chunks)
      const part = bytes.subarray(0, wanted)
      chunks = bytes.length > wanted ? [bytes.subarray(wanted)] : []
      size -= wanted
      wanted = isHead ? part.readUInt32LE() : headBytes
      if (wanted > mostBytes) throw new RangeError(`a message of ${wanted} bytes`)
      isHead = !isHead
      if (isHead) onMessage(deserialize(part))
    }
  }
}
