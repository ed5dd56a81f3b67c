import { refusal } from '@belfry/contracts'
import type { FastifyRequest } from 'fastify'
import type { HttpApp } from './http-app.ts'
import { sendRefusal } from './problem.ts'
import { routeConfigOf } from './route-config.ts'

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
function declaredBytes(request: FastifyRequest): number {
  const { 'transfer-encoding': coding, 'content-length': length = '0' } = request.headers
  if (coding === undefined && Number(length) <= freeBytes) return Number(length)
  const { bodyLimit } = request.routeOptions
  return coding === undefined ? Math.min(bodyLimit, Number(length)) : bodyLimit
}

/** Whose body it is; null on routes that no user's token opens. */
function userOf(request: FastifyRequest): string | null {
  const { access } = routeConfigOf(request)
  return access === undefined || access === 'public' || access === 'service' ? null : request.caller.userId
}

/** The bytes that each user holds; only of users that hold some. */
function createShares(most: number) {
  const held = new Map<string, number>()
  const heldBy = (user: string) => held.get(user) ?? 0
  return {
    hasRoom: (user: string | null, bytes: number) =>
      user === null || heldBy(user) === 0 || heldBy(user) + bytes <= most,
    add(user: string | null, bytes: number) {
      if (user === null) return
      const now = heldBy(user) + bytes
      if (now > 0) held.set(user, now)
      else held.delete(user)
    },
  }
}

/**
 * Bounds what the bodies of all requests at work take up together, from their headers to the end of the answer: a body
 * is read, parsed, checked and stored, so that it takes up about five times its bytes. What does not fit is refused with
 * 503 and `Retry-After` before it is read. One user takes up at most half, unless with a single body: slow uploads of one leave room
 * for the others. Add it after the authentication, so that only known callers can use it up.
 */
export function boundBodies(app: HttpApp, bodiesBytes: number): void {
  let held = 0
  const shares = createShares(bodiesBytes / 2)
  const release = (request: FastifyRequest) => {
    held -= request.heldBodyBytes
    shares.add(userOf(request), -request.heldBodyBytes)
    request.heldBodyBytes = 0
  }
  app.decorateRequest('heldBodyBytes', 0)
  app.addHook('onRequest', (request, reply, done) => {
    const bytes = declaredBytes(request)
    if (bytes <= freeBytes) return done()
    // The client went away while its token was checked: no event would release the bytes, and its body never comes.
    if (reply.raw.destroyed) return
    const user = userOf(request)
    const isFull = held > 0 && held + bytes > bodiesBytes
    if (isFull || !shares.hasRoom(user, bytes)) return void sendRefusal(reply, full)
    held += bytes
    shares.add(user, bytes)
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
