import { pipeline, Readable } from 'node:stream'
import { constants, createBrotliCompress, createGzip } from 'node:zlib'
import { addVary, type HttpApp } from '@belfry/http'
import type { FastifyReply, FastifyRequest, onSendHookHandler } from 'fastify'
import { chooseEncoding, type Encoding } from './encodings.ts'

export interface CompressionOptions {
  /** Shorter answers go as they are, bytes. */
  readonly minBytes: number
  /** Answers that are compressed at once; further ones go as they are. */
  readonly mostAtWork: number
}

/** Texts, and what is a text by another name. Streams of events are never held back, and images are compressed already. */
const compressible = /^(?:text\/(?!event-stream)|application\/(?:[\w.+-]+\+)?json\b|application\/javascript|image\/svg)/

/** Between the speed of gzip's middle levels and their size; brotli's own default of 11 takes a hundred times as long. */
const brotliQuality = 4
const gzipLevel = 5

function compressorOf(encoding: Encoding, bytes: number) {
  if (encoding === 'gzip') return createGzip({ level: gzipLevel })
  const params = { [constants.BROTLI_PARAM_QUALITY]: brotliQuality, [constants.BROTLI_PARAM_SIZE_HINT]: bytes }
  return createBrotliCompress({ params })
}

/** How long a body is, bytes, as far as it is known before it is sent; for a text at least so long. */
function lengthOf(reply: FastifyReply, payload: unknown): number {
  if (typeof payload === 'string' || Buffer.isBuffer(payload)) return payload.length
  return payload instanceof Readable ? Number(reply.getHeader('content-length') ?? 0) : 0
}

function mayCompress({ method }: FastifyRequest, reply: FastifyReply): boolean {
  const { statusCode } = reply
  if (method === 'HEAD' || statusCode === 206 || reply.hasHeader('content-encoding')) return false
  // RFC 9111, 5.2.2.6.
  if (String(reply.getHeader('cache-control')).includes('no-transform')) return false
  return compressible.test(String(reply.getHeader('content-type')))
}

/** An encoded body is another sequence of bytes, so a strong tag cannot name it (RFC 9110, 8.8.3). */
function weaken(reply: FastifyReply): void {
  const etag = reply.getHeader('etag')
  if (typeof etag === 'string' && etag.startsWith('"')) reply.header('etag', `W/${etag}`)
}

const toStream = (payload: unknown): Readable =>
  payload instanceof Readable ? payload : Readable.from([payload], { objectMode: false })

/**
 * Compresses answers of `minBytes` and more for clients that take it. Only those whose length is known beforehand: streams of
 * events and logs that are followed pass as they come. A call without `Accept-Encoding` is not slower for it.
 */
export function compressAnswers(app: HttpApp, { minBytes, mostAtWork }: CompressionOptions): void {
  let atWork = 0
  const compress: onSendHookHandler = (request, reply, payload, done) => {
    const bytes = lengthOf(reply, payload)
    if (bytes < minBytes || !mayCompress(request, reply)) return done(null, payload)
    addVary(reply, 'accept-encoding')
    const accept = request.headers['accept-encoding']
    const encoding = accept === undefined ? null : chooseEncoding(String(accept))
    if (encoding === null || atWork >= mostAtWork) return done(null, payload)
    weaken(reply)
    reply.header('content-encoding', encoding).removeHeader('content-length')
    atWork += 1
    const compressed = pipeline(toStream(payload), compressorOf(encoding, bytes), () => {
      atWork -= 1
    })
    done(null, compressed)
  }
  // The last hook of each route: those of the app run before those of a route, and a dialect makes its answer out of the whole one.
  app.addHook('onRoute', (route) => {
    const others = [route.onSend ?? []].flat().filter((one) => one !== compress)
    route.onSend = [...others, compress]
  })
}
