import type { Server, Socket } from 'node:net'
import { refusal } from '@belfry/contracts'
import type { HttpApp } from '@belfry/http'
import type { Metrics } from '@belfry/service'
import { addressKey } from './client-address.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Whether the request counts among those of its connection that wait for their answers. */
    isCountedOnSocket: boolean
  }
}

export interface ConnectionLimits {
  /** Connections at once. */
  readonly most: number
  /** Those of one address; null where every connection comes through one reverse proxy. */
  readonly mostOfAddress: number | null
}

/** Closes a further connection of an address that has as many as one may have. */
function limitAddresses(server: Server, most: number, onRefused: () => void): void {
  const open = new Map<string, number>()
  server.on('connection', (socket: Socket) => {
    const key = addressKey(socket.remoteAddress ?? '')
    const count = (open.get(key) ?? 0) + 1
    if (count > most) {
      onRefused()
      socket.destroy()
      return
    }
    open.set(key, count)
    socket.once('close', () => {
      const left = (open.get(key) ?? 1) - 1
      if (left === 0) open.delete(key)
      else open.set(key, left)
    })
  })
}

const tooMany = (most: number) =>
  refusal('too-many-requests', `More than ${most} requests of this connection wait for their answers.`)

const atWork = Symbol('requests at work')
type CountedSocket = Socket & { [atWork]?: number }

/**
 * Bounds the requests of one connection that wait for their answers to `most` (RFC 9112, 9.3.2: pipelining).
 * Answers to requests that come one after the other without a wait are held until those before them have been read: a client that
 * reads nothing would pile them up. The connection is closed after the refusal. Add it before the authentication: requests wait for
 * the check of an API key too.
 */
export function limitPipelining(app: HttpApp, most: number): void {
  const refused = tooMany(most)
  app.decorateRequest('isCountedOnSocket', false)
  app.addHook('onRequest', (request, reply, done) => {
    const socket: CountedSocket = request.socket
    const count = (socket[atWork] ?? 0) + 1
    socket[atWork] = count
    request.isCountedOnSocket = true
    if (count <= most) return done()
    reply.header('connection', 'close').refuse(refused)
  })
  app.addHook('onResponse', (request, _reply, done) => {
    const socket: CountedSocket = request.socket
    // A request that was refused before (its body was compressed) was never counted.
    if (request.isCountedOnSocket) socket[atWork] = (socket[atWork] ?? 1) - 1
    done()
  })
}

/** Bounds what clients hold by their connections alone, before anything is known of who they are. */
export function limitConnections(app: HttpApp, limits: ConnectionLimits, metrics: Metrics): void {
  const refused = metrics.counter('belfry_connections_refused_total', 'Connections beyond a bound, by the bound', [
    'bound',
  ])
  app.server.maxConnections = limits.most
  app.server.on('drop', () => refused.inc({ bound: 'all' }))
  if (limits.mostOfAddress !== null) {
    limitAddresses(app.server, limits.mostOfAddress, () => refused.inc({ bound: 'address' }))
  }
}
