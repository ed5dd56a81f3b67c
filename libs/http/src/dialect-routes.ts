import type { FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import { inDialect } from './dialect-answers.ts'
import { type Dialect, dialectOf, dialects } from './dialects.ts'
import type { HttpApp } from './http-app.ts'

const jsonType = 'application/json'

function isJson(reply: FastifyReply): boolean {
  return String(reply.getHeader('content-type')).startsWith(jsonType)
}

/** What makes the answers of one dialect out of the canonical ones: an address in `Location`, and the body. */
function answersIn(dialect: Dialect) {
  return (_request: FastifyRequest, reply: FastifyReply, payload: unknown, done: (e: null, body?: unknown) => void) => {
    const location = reply.getHeader('location')
    if (typeof location === 'string' && location.startsWith('/') && !dialectOf(location)) {
      reply.header('location', dialect.prefix + location)
    }
    // Problems, files and streams are the same in each dialect: a problem was given its two more members where it was made.
    if (typeof payload !== 'string' || !isJson(reply)) return done(null, payload)
    done(null, JSON.stringify(inDialect(JSON.parse(payload), dialect, reply.statusCode)))
  }
}

/** Hooks of one route; Fastify runs them in order. */
function withFirst<T>(first: T, others: T | T[] | undefined): T[] {
  if (others === undefined) return [first]
  return [first, ...(Array.isArray(others) ? others : [others])]
}

/** A route of the API checks its parts and is described; probes are not, nor is what services alone call. */
function isOfTheApi({ schema, config }: RouteOptions): boolean {
  return schema !== undefined && schema.hide !== true && config?.access !== 'service'
}

/**
 * Mounts every route of the API once more in each dialect, with the same schema, access and handler. The canonical route pays
 * nothing for it. A route whose own pattern begins with a dialect (`/api/v1/jobs/:id/state`) answers in that one only.
 */
export function mountDialects(app: HttpApp): void {
  const hooks = new Map(dialects.map((dialect) => [dialect, answersIn(dialect)]))
  app.addHook('onRoute', function (route) {
    const own = dialectOf(route.url)
    if (own && isOfTheApi(route)) {
      route.schema = { ...route.schema, hide: true }
      route.onSend = withFirst(hooks.get(own) as never, route.onSend as never)
      return
    }
    // Fastify makes the HEAD route of a copy itself.
    if (own || route.method === 'HEAD' || !isOfTheApi(route)) return
    for (const { prefix } of dialects) {
      this.route({ ...route, url: prefix + route.url } as never)
    }
  })
}
