import { hash } from 'node:crypto'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'
import { addVary } from '@belfry/http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { chooseEncoding, type Encoding } from './encodings.ts'

/** Bytes that are the same for each reader until they are replaced, and what they are in each encoding that was asked for. */
export interface HeldPage {
  readonly bytes: Buffer
  readonly type: string
  /** Weak: it names the page in each of its encodings. */
  readonly etag: string
  in(encoding: Encoding): Promise<Buffer>
}

const [brotli, zip] = [promisify(brotliCompress), promisify(gzip)]
/** Each page is compressed once, so a slower level pays: a megabyte takes some 100 ms of a thread of the pool. */
const brotliQuality = 9
const gzipLevel = 9

function compress(bytes: Buffer, encoding: Encoding): Promise<Buffer> {
  if (encoding === 'gzip') return zip(bytes, { level: gzipLevel })
  const params = { [constants.BROTLI_PARAM_QUALITY]: brotliQuality, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length }
  return brotli(bytes, { params })
}

/** `type`: the value of `Content-Type`. */
export function holdPage(content: string | Buffer, type: string): HeldPage {
  const bytes = Buffer.from(content)
  const encoded = new Map<Encoding, Promise<Buffer>>()
  return {
    bytes,
    type,
    etag: `W/"${hash('sha256', bytes, 'base64url').slice(0, 16)}"`,
    in(encoding) {
      const found = encoded.get(encoding) ?? compress(bytes, encoding)
      encoded.set(encoding, found)
      return found
    },
  }
}

/** Whether `If-None-Match` names the tag (RFC 9110, 13.1.2: a weak comparison). */
function isNamed(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false
  return header.trim() === '*' || header.split(',').some((one) => one.trim().replace(/^W\//, '') === etag.slice(2))
}

/**
 * Answers a page in the encoding that the client takes best: 304 where the client has it. Pages below `minBytes` go as they are.
 * `onSend` hooks that compress leave an answer alone that has an encoding.
 */
export async function sendHeld(
  request: FastifyRequest,
  reply: FastifyReply,
  page: HeldPage,
  minBytes: number,
): Promise<FastifyReply> {
  reply.header('etag', page.etag).type(page.type)
  const { 'accept-encoding': accept, 'if-none-match': known } = request.headers
  const isLong = page.bytes.length >= minBytes
  if (isLong) addVary(reply, 'accept-encoding')
  if (isNamed(known, page.etag)) return reply.code(304).send()
  const encoding = isLong && accept !== undefined ? chooseEncoding(String(accept)) : null
  if (encoding === null) return reply.send(page.bytes)
  return reply.header('content-encoding', encoding).send(await page.in(encoding))
}
