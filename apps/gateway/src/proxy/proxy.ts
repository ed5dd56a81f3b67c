import type { IncomingHttpHeaders } from 'node:http'
import { refusal } from '@belfry/contracts'
import { type Balancer, originOf, type UpstreamResponse } from '@belfry/discovery'
import {
  type HttpApp,
  inAllDialects,
  itemCountHeader,
  knownCaller,
  readItemCount,
  refusalOfProxyError,
} from '@belfry/http'
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
    // A public route has no use for a token, and an API key must not leave the gateway.
    const authorization = knownCaller(request) ? request.raw.headers.authorization : undefined
    const passed = { method: request.method, requestId: request.id, authorization, clientAddress: addressOf(request) }
    return forwardedHeaders(headers, passed)
  }
}

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

interface ProxiedAnswer {
  readonly stream: UpstreamResponse['body']
}

/** An answer of this process is often here in one piece: sending it so is half the work of a stream. */
function answerBody(_request: FastifyRequest, reply: FastifyReply, { stream }: ProxiedAnswer): void {
  reply.send(stream.whole ?? stream)
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
      onResponse: answerBody,
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
      const open = { access: 'public', rateRule: 'anonymous' }
      scope.register(httpProxy as never, { ...common, httpMethods: ['OPTIONS'], config: open } as never)
      done()
    })
  }
}
