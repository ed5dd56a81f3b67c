import type { Readable } from 'node:stream'

/** Longest body that is passed on whole where it is at hand, bytes. Longer ones, and those of unknown length, are streams. */
export const wholeBodyBytes = 16 * 1024

type Headers = Readonly<Record<string, string | string[] | undefined>>

/** The length that the headers declare, bytes; 0 when they declare none. */
export function declaredBytes({ 'content-length': length }: Headers): number {
  return length === undefined ? 0 : Number(length)
}

/** The stream of a request's body; null for a body that is at hand. */
export function streamOf(body: string | Buffer | Readable | null | undefined): Readable | null {
  return typeof body === 'object' && body !== null && !Buffer.isBuffer(body) ? body : null
}

/** A request of node:http, which has `complete`; other streams are not looked into. */
type Upload = Readable & { readonly complete?: boolean; readonly socket?: { readonly destroyed: boolean } | null }

/** Whether the client that sends a body has gone. Only a body that comes over a connection has one. */
export function hasSenderGone(upload: Upload | null): boolean {
  return upload?.socket?.destroyed === true
}

/** Whether a body may be at hand at the end of the turn in which its head came: node:http parses what came with it only then. */
export function isSmallUpload(upload: Upload | null, headers: Headers = {}): upload is Upload {
  if (upload?.complete === undefined || upload.destroyed) return false
  const bytes = declaredBytes(headers)
  return bytes > 0 && bytes <= wholeBodyBytes
}

/** The whole body where all of its bytes have come in; null otherwise, and the stream is as it was. */
export function takeWhole(upload: Upload, headers: Headers = {}): Buffer | null {
  const bytes = declaredBytes(headers)
  if (upload.readableLength !== bytes) return null
  const first = upload.read() as Buffer
  // `read` gives one piece at a time from Node.js 26 on.
  const pieces = [first]
  for (let read = first.length; read < bytes; read += (pieces.at(-1) as Buffer).length) pieces.push(upload.read())
  return pieces.length === 1 ? first : Buffer.concat(pieces)
}
