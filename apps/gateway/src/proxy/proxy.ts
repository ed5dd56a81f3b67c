import type { IncomingHttpHeaders } from 'node:http'
import { type Balancer, originOf } from '@belfry/discovery'
import { type HttpApp, inAllDialects, itemCountHeader, readItemCount } from '@belfry/http'
import httpProxy from '@fastify/http-proxy'
import type { FastifyRequest } from 'fastify'
import { answeredHeaders } from './forwarded-headers.ts'
import { passOn } from './pass-on.ts'
import { type ProxiedRoutes, proxiedMethods, routeTable } from './route-table.ts'

/** A service says with its answer how many items a call had. */
function countItems(headers: IncomingHttpHeaders, { countItems: count }: FastifyRequest): void {
  const text = headers[itemCountHeader]
  if (text === undefined) return
  delete headers[itemCountHeader]
  const counted = readItemCount(String(text))
  if (count && counted) headers.ratelimit = count(counted)
}

function rewriteHeaders(headers: IncomingHttpHeaders, request: FastifyRequest): IncomingHttpHeaders {
  countItems(headers, request)
  return answeredHeaders(headers, request.addressCount)
}

/** The address of the client of a request. */
type AddressOf = (request: FastifyRequest) => string

/** @fastify/http-proxy mounts the routes and checks each address; `passOn` makes the call. */
function proxyOptions({ service, routes }: ProxiedRoutes, balancer: Balancer, addressOf: AddressOf) {
  return {
    upstream: originOf(service),
    routes: inAllDialects(routes),
    undici: balancer,
    internalRewriteLocationHeader: false,
    handler: passOn(originOf(service), balancer, addressOf),
    replyOptions: { rewriteHeaders },
  }
}

/** Mounts the routes of all services over one balancer: they share its instances, breakers and connections. */
export function mountProxy(app: HttpApp, balancer: Balancer, addressOf: AddressOf): void {
  for (const proxied of routeTable) {
    app.register((scope, _options, done) => {
      // This scope parses no JSON: http-proxy adds parsers that hand the stream on.
      scope.removeAllContentTypeParsers()
      const { access, rateRule } = proxied
      const common = proxyOptions(proxied, balancer, addressOf)
      scope.register(
        httpProxy as never,
        { ...common, httpMethods: proxiedMethods, config: { access, rateRule } } as never,
      )
      // Only the service knows which methods each of its addresses takes, so OPTIONS goes to it without a token.
      const open = { access: 'public', rateRule: 'anonymous' }
      scope.register(httpProxy as never, { ...common, httpMethods: ['OPTIONS'], config: open } as never)
      done()
    })
  }
}
