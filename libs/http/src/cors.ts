import type { FastifyReply } from 'fastify'
import type { HttpApp } from './http-app.ts'
import { addVary } from './vary.ts'

export interface CorsOptions {
  /** The origins whose pages may read answers and send requests with a token. */
  readonly origins: readonly string[]
  /** How long a browser keeps the answer to a preflight, seconds. */
  readonly maxAgeS: number
}

const methods = 'GET, HEAD, POST, PUT, PATCH, DELETE'
/** What a client of the API sends. */
const requestHeaders = [
  'authorization',
  'content-type',
  'idempotency-key',
  'if-match',
  'if-none-match',
  'last-event-id',
  'prefer',
  'traceparent',
  'x-api-key',
  'x-request-id',
].join(', ')
/** What a client of the API reads; a page sees a few others without it (Fetch, "CORS-safelisted response-header name"). */
const exposedHeaders = [
  'Allow',
  'ETag',
  'Idempotency-Replayed',
  'Link',
  'Location',
  'RateLimit',
  'RateLimit-Policy',
  'Retry-After',
  'WWW-Authenticate',
  'X-Request-Id',
].join(', ')

function answerPreflight(reply: FastifyReply, maxAgeS: number): void {
  reply
    .code(204)
    .headers({
      'access-control-allow-methods': methods,
      'access-control-allow-headers': requestHeaders,
      'access-control-max-age': maxAgeS,
    })
    .send()
}

/**
 * Lets pages of the given origins call the API (Fetch, "CORS protocol"). There is no wildcard, and no credentials: a page sends the
 * token itself. Add it after the check of Host and Origin.
 */
export function allowOrigins(app: HttpApp, { origins, maxAgeS }: CorsOptions): void {
  if (origins.length === 0) return
  const allowed = new Set(origins)
  app.addHook('onRequest', (request, reply, done) => {
    const { origin } = request.headers
    addVary(reply, 'origin')
    if (origin === undefined || !allowed.has(origin)) return done()
    reply.header('access-control-allow-origin', origin).header('access-control-expose-headers', exposedHeaders)
    const isPreflight = request.method === 'OPTIONS' && request.headers['access-control-request-method'] !== undefined
    if (isPreflight) answerPreflight(reply, maxAgeS)
    else done()
  })
}
