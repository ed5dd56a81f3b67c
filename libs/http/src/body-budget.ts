import { refusal } from '@belfry/contracts'
import type { FastifyRequest } from 'fastify'
import type { HttpApp } from './http-app.ts'
import { sendRefusal } from './problem.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** What the body counts for against the bound of all bodies at work, bytes. */
    heldBodyBytes: number
  }
}

/** Bodies up to this size count for nothing: they are never refused for the sake of large ones. */
const freeBytes = 16 * 1024

const full = refusal('unavailable', 'Too many large bodies are being worked on. Send it again.', { retryAfterS: 1 })

/** As the client declares; a body of unknown length counts as the largest that is taken. */
function declaredBytes({ headers, routeOptions }: FastifyRequest): number {
  const { bodyLimit } = routeOptions
  if (headers['transfer-encoding'] !== undefined) return bodyLimit
  return Math.min(bodyLimit, Number(headers['content-length'] ?? 0))
}

/**
 * Bounds what the bodies of all requests at work take up together, from their headers to the end of the answer: a body
 * is read, parsed, checked and stored, so that it takes up about five times its bytes. What does not fit is refused with
 * 503 and `Retry-After` before it is read. Add it after the authentication, so that only known callers can use it up.
 */
export function boundBodies(app: HttpApp, bodiesBytes: number): void {
  let held = 0
  const release = (request: FastifyRequest) => {
    held -= request.heldBodyBytes
    request.heldBodyBytes = 0
  }
  app.decorateRequest('heldBodyBytes', 0)
  app.addHook('onRequest', (request, reply, done) => {
    const bytes = declaredBytes(request)
    if (bytes <= freeBytes) return done()
    if (held > 0 && held + bytes > bodiesBytes) return void sendRefusal(reply, full)
    held += bytes
    request.heldBodyBytes = bytes
    // A client that goes away gets no response, and so none of Fastify's own hooks.
    reply.raw.once('close', () => release(request))
    done()
  })
  app.addHook('onResponse', (request, _reply, done) => {
    if (request.heldBodyBytes > 0) release(request)
    done()
  })
}
