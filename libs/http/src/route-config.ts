import type { FastifyContextConfig, FastifyRequest } from 'fastify'
import type { HttpApp } from './http-app.ts'

/** What a route was added with, and its pattern; the pattern is undefined for an address that is no route. */
export type RouteConfig = FastifyContextConfig & { readonly url?: string }

const configOn = Symbol('routeConfig')
type WithConfig = FastifyRequest & { [configOn]: RouteConfig | null }

const none: RouteConfig = {}

/** Makes room on each request for `routeConfigOf`. */
export function decorateRouteConfig(app: HttpApp): void {
  app.decorateRequest(configOn, null)
}

/** `request.routeOptions.config`, read once: Fastify makes a new object of twelve members at each reading, and many hooks need it. */
export function routeConfigOf(request: FastifyRequest): RouteConfig {
  const on = request as WithConfig
  on[configOn] ??= (request.routeOptions.config as RouteConfig | undefined) ?? none
  return on[configOn]
}
