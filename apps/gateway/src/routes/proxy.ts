import type { IncomingHttpHeaders } from 'node:http'
import { refusal } from '@belfry/contracts'
import { type Balancer, originOf } from '@belfry/discovery'
import type { HttpApp } from '@belfry/http'
import httpProxy from '@fastify/http-proxy'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { answeredHeaders, forwardedHeaders } from '../domain/forwarded-headers.ts'
import { refusalOfHop } from '../domain/hop-refusal.ts'
import { type ProxiedRoutes, proxiedMethods, routeTable } from '../domain/route-table.ts'

const surprise = refusal('internal', 'Something went wrong on our side. Name the request id when you report it.')

/** The log line is reply-from's own; here only the answer is chosen. */
function answerError(reply: FastifyReply, { error }: { error: Error }): void {
  reply.refuse(refusalOfHop(error) ?? surprise)
}

function rewriteRequestHeaders(request: FastifyRequest, headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const { authorization } = request.raw.headers
  const clientAddress = request.addressCount?.address ?? null
  return forwardedHeaders(headers, { method: request.method, requestId: request.id, authorization, clientAddress })
}

function rewriteHeaders(headers: IncomingHttpHeaders, request: FastifyRequest): IncomingHttpHeaders {
  return answeredHeaders(headers, request.addressCount)
}

/** Bodies and answers are streamed, never looked at; one retry, where it is safe, is the hop's business alone. */
function proxyOptions({ service, routes }: ProxiedRoutes, balancer: Balancer) {
  return {
    upstream: originOf(service),
    routes: [...routes],
    undici: balancer,
    disableRequestLogging: true,
    internalRewriteLocationHeader: false,
    replyOptions: {
      rewriteRequestHeaders,
      rewriteHeaders,
      onError: answerError,
      retryDelay: () => null,
    },
  }
}

/** Everything that belongs to a service, through one balancer: the same instances, breakers and connections for all. */
export function mountProxy(app: HttpApp, balancer: Balancer): void {
  for (const proxied of routeTable) {
    app.register((scope, _options, done) => {
      // The parser of JSON stays outside: http-proxy adds those that hand the stream on.
      scope.removeAllContentTypeParsers()
      const { access, rateRule } = proxied
      const common = proxyOptions(proxied, balancer)
      scope.register(
        httpProxy as never,
        { ...common, httpMethods: proxiedMethods, config: { access, rateRule } } as never,
      )
      // Only the service knows which methods each of its addresses takes; it says so to every caller.
      scope.register(httpProxy as never, { ...common, httpMethods: ['OPTIONS'], config: { access: 'public' } } as never)
      done()
    })
  }
}
