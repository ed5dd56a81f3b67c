import { refusal } from '@belfry/contracts'
import type { FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import { z } from 'zod'
import { isAccess } from './access.ts'
import type { HttpApp } from './http-app.ts'
import { sendRefusal } from './problem.ts'

/** What a route without a body schema takes: nothing, or an empty object. */
export const emptyBody = z.strictObject({}).nullish()
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
    ...(takesBody && route.schema.body === undefined ? { body: emptyBody } : {}),
    ...(route.schema.querystring === undefined ? { querystring: noQuery } : {}),
  }
}

/** The methods that some address of Belfry takes. Others (`TRACE`, `PROPFIND`) are 501 everywhere (RFC 9110, 15.6.2). */
const knownMethods = new Set(['DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT'])

/** Longest part of a path that stands for an id or a key, characters; both are shorter. */
export const longestParam = 200

/** A route's pattern as an expression for real paths: `/jobs/:id` and `/docs/*`. */
function expressionOf(pattern: string): RegExp {
  const parts = pattern.split('/').map((part) => {
    if (part === '*') return '.*'
    return part.startsWith(':') ? `[^/]{1,${longestParam}}` : RegExp.escape(part)
  })
  return new RegExp(`^${parts.join('/')}$`)
}

/** The path as the router compares it: escapes of letters are read, those of `/` and the like stay. */
function pathOf(url: string): string {
  const path = url.split('?', 1)[0] as string
  try {
    return decodeURI(path)
  } catch {
    return path
  }
}

/** Which methods each address takes, for `OPTIONS` and the answer to a wrong method. Every address takes `OPTIONS`. */
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
      // One pass over all patterns: a path may be a literal of one method and an id of another.
      for (const known of addresses.values()) {
        if (known.expression.test(path)) for (const method of known.methods) methods.add(method)
      }
      if (methods.size > 0) methods.add('OPTIONS')
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

/**
 * Refuses to take a route without an access rule, closes the others, and answers what is at no route: `OPTIONS` with
 * 204 and `Allow`, a wrong method with 405 and the same `Allow`, an unknown address with 404. None of them needs a token,
 * and none carries CORS headers: no other origin is let in.
 */
export function guardRoutes(app: HttpApp, { hasTokens }: { hasTokens: boolean }): void {
  const addresses = createAddresses()
  app.addHook('onRoute', (route) => {
    checkAccess(route, hasTokens)
    close(route)
    addresses.add(route.url, methodsOf(route))
  })
  const answerMissing = (request: FastifyRequest, reply: FastifyReply) => {
    const { method } = request
    const allowed = addresses.methodsAt(pathOf(request.url))
    if (allowed.length === 0) return sendRefusal(reply, notFound)
    if (!knownMethods.has(method)) return sendRefusal(reply, refusal('not-implemented', `${method} is not supported.`))
    reply.header('allow', allowed.join(', '))
    if (method === 'OPTIONS') return reply.code(204).send()
    const detail = `This address takes ${allowed.join(', ')}.`
    return sendRefusal(reply, refusal('method-not-allowed', detail, { allowed }))
  }
  app.setNotFoundHandler(answerMissing)
  // Before the body is read: its issues mean nothing where no route takes it.
  app.addHook('onRequest', (request, reply, done) => {
    if (request.is404) answerMissing(request, reply)
    else done()
  })
}
