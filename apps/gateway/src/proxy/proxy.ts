import type { IncomingHttpHeaders } from 'node:http'
import { refusal } from '@belfry/contracts'
import { type Balancer, originOf } from '@belfry/discovery'
import { type HttpApp, inAllDialects, refusalOfProxyError } from '@belfry/http'
import httpProxy from '@fastify/http-proxy'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { answeredHeaders, forwardedHeaders } from './forwarded-headers.ts'
import { type ProxiedRoutes, proxiedMethods, routeTable } from './route-table.ts'

const surprise = refusal('internal', 'Something went wrong on our side. Name the request id when you report it.')

/** reply-from logs the error; this chooses the answer. */
function answerError(reply: FastifyReply, { error }: { error: Error }): void {
  reply.refuse(refusalOfProxyError(error) ?? surprise)
}

/** The address of the client of a request. */
type AddressOf = (request: FastifyRequest) => string

function rewritesRequestHeaders(addressOf: AddressOf) {
  return (request: FastifyRequest, headers: IncomingHttpHeaders): IncomingHttpHeaders => {
    const { authorization } = request.raw.headers
    const passed = { method: request.method, requestId: request.id, authorization, clientAddress: addressOf(request) }
    return forwardedHeaders(headers, passed)
  }
}

function rewriteHeaders(headers: IncomingHttpHeaders, request: FastifyRequest): IncomingHttpHeaders {
  return answeredHeaders(headers, request.addressCount)
}

/** Bodies and answers are streamed and not read. The balancer alone retries a call, once, where that is safe. */
function proxyOptions({ service, routes }: ProxiedRoutes, balancer: Balancer, addressOf: AddressOf) {
  return {
    upstream: originOf(service),
    routes: inAllDialects(routes),
    undici: balancer,
    disableRequestLogging: true,
    internalRewriteLocationHeader: false,
    replyOptions: {
      rewriteRequestHeaders: rewritesRequestHeaders(addressOf),
      rewriteHeaders,
      onError: answerError,
      retryDelay: () => null,
    },
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
      scope.register(httpProxy as never, { ...common, httpMethods: ['OPTIONS'], config: { access: 'public' } } as never)
      done()
    })
  }
}
