import { refusal } from '@belfry/contracts'
import type { FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import { z } from 'zod'
import { isAccess } from './access.ts'
import type { HttpApp } from './http-app.ts'
import { sendRefusal } from './problem.ts'

/** What a route without a body schema takes: nothing, or an empty object. */
export const noBody = z.strictObject({}).nullish()
/** What a route without a query schema takes: nothing. */
export const noQuery = z.strictObject({})

const methodsWithBody = ['POST', 'PUT', 'PATCH', 'DELETE']

function methodsOf(route: RouteOptions): string[] {
  return Array.isArray(route.method) ? route.method : [route.method]
}

/** A route that has a schema is closed in all its parts. One without (a proxy) passes on what it does not look at. */
function close(route: RouteOptions): void {
  if (!route.schema) return
  const takesBody = methodsOf(route).some((method) => methodsWithBody.includes(method))
  route.schema = {
    ...route.schema,
    ...(takesBody && route.schema.body === undefined ? { body: noBody } : {}),
    ...(route.schema.querystring === undefined ? { querystring: noQuery } : {}),
  }
}

/** A route's pattern as an expression for real paths: `/jobs/:id` and `/docs/*`. */
function expressionOf(pattern: string): RegExp {
  const parts = pattern.split('/').map((part) => {
    if (part === '*') return '.*'
    return part.startsWith(':') ? '[^/]+' : RegExp.escape(part)
  })
  return new RegExp(`^${parts.join('/')}$`)
}

/** Which methods each address takes, for the answer to a wrong one. */
function createAddresses() {
  const addresses = new Map<string, { expression: RegExp; methods: Set<string> }>()
  return {
    add(pattern: string, methods: readonly string[]) {
      const known = addresses.get(pattern) ?? { expression: expressionOf(pattern), methods: new Set() }
      for (const method of methods) known.methods.add(method)
      addresses.set(pattern, known)
    },
    methodsAt(path: string): string[] {
      const methods = new Set<string>()
      for (const known of addresses.values()) {
        if (known.expression.test(path)) for (const method of known.methods) methods.add(method)
      }
      return [...methods].sort()
    },
  }
}

function checkAccess(route: RouteOptions, hasTokens: boolean): void {
  const access = route.config?.access
  if (!isAccess(access)) throw new Error(`route ${methodsOf(route)} ${route.url} does not say who may call it`)
  const isOpen = access === 'public' || access === 'service'
  if (!isOpen && !hasTokens) throw new Error(`route ${route.url} needs "${access}", but the app cannot check tokens`)
}

const notFound = refusal('not-found', 'There is nothing at this address.')

/** Refuses to take a route without an access rule, closes the others, and answers what is at no route: 404 or 405. */
export function guardRoutes(app: HttpApp, { hasTokens }: { hasTokens: boolean }): void {
  const addresses = createAddresses()
  app.addHook('onRoute', (route) => {
    checkAccess(route, hasTokens)
    close(route)
    addresses.add(route.url, methodsOf(route))
  })
  const answerMissing = (request: FastifyRequest, reply: FastifyReply) => {
    const allowed = addresses.methodsAt(request.url.split('?', 1)[0] as string)
    if (allowed.length === 0) return sendRefusal(reply, notFound)
    reply.header('allow', allowed.join(', '))
    const detail = `This address takes ${allowed.join(', ')}.`
    return sendRefusal(reply, refusal('method-not-allowed', detail, { allowed }))
  }
  app.setNotFoundHandler(answerMissing)
  // Before the body is read: what is wrong with it says nothing where nobody takes it.
  app.addHook('onRequest', (request, reply, done) => {
    if (request.is404) answerMissing(request, reply)
    else done()
  })
}
