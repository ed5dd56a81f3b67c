import type { IncomingMessage } from 'node:http'
import type { Ids } from '@belfry/service'

declare module 'fastify' {
  interface FastifyRequest {
    /** The W3C trace context that came with the request, when it is one. */
    traceparent: string | null
  }
}

const requestId = /^[A-Za-z0-9._-]{1,64}$/
const traceparent = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/

export function isTraceparent(value: unknown): value is string {
  return typeof value === 'string' && traceparent.test(value)
}

/** The id under which a request is logged and answered: the one it came with (`X-Request-Id`), or a new one. */
export function createRequestId(ids: Ids) {
  return (request: IncomingMessage): string => {
    const given = request.headers['x-request-id']
    return typeof given === 'string' && requestId.test(given) ? given : ids.uuid()
  }
}
