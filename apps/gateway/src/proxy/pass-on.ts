import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import { refusal } from '@belfry/contracts'
import { type Balancer, ServiceCallError, type UpstreamResponse } from '@belfry/discovery'
import { knownCaller, refusalOfProxyError } from '@belfry/http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { forwardedHeaders } from './forwarded-headers.ts'

const surprise = refusal('internal', 'Something went wrong on our side. Name the request id when you report it.')

function answerError(reply: FastifyReply, error: Error): void {
  reply.log.warn({ err: error, requestId: reply.request.id }, 'a request could not be passed on')
  if (!reply.sent) reply.refuse(refusalOfProxyError(error) ?? surprise)
}

/** What @fastify/http-proxy hands on with a request whose address it has checked. */
export interface PassOptions {
  /** Makes the headers that the client gets out of those of the service. */
  readonly rewriteHeaders: (headers: IncomingHttpHeaders, request: FastifyRequest) => IncomingHttpHeaders
}

function answer(request: FastifyRequest, reply: FastifyReply, response: UpstreamResponse, options: PassOptions): void {
  const { statusCode, headers, body } = response
  if (request.raw.aborted || reply.sent) return void body.destroy()
  if (statusCode > 599) {
    body.destroy()
    answerError(reply, new ServiceCallError('refused', `the service answered with the status ${statusCode}`))
    return
  }
  // Of the connection to the service; `delete`, since a header without a value would be sent.
  delete headers['transfer-encoding']
  reply.code(statusCode).headers(options.rewriteHeaders(headers, request))
  // The connection carries no further request before this one has come in whole, which it may never do.
  if (!request.raw.complete) reply.header('connection', 'close')
  // Most answers are here in one piece: sending that is half the work of a stream.
  reply.send(body.whole ?? body)
}

/**
 * Passes requests on to a service: the `handler` of @fastify/http-proxy, in the place of @fastify/reply-from. The address goes on as it
 * came, so that gateway and service route the same text. Bodies and answers are not read. The balancer alone retries a call, once,
 * where that is safe. It gives nothing back: Fastify would wait on a promise for the reply.
 */
export function passOn(origin: string, balancer: Balancer, addressOf: (request: FastifyRequest) => string) {
  return (request: FastifyRequest, reply: FastifyReply, _path: string, options: PassOptions): void => {
    const { method, url = '', headers } = request.raw
    // A public route has no use for a token, and an API key must not leave the gateway.
    const authorization = knownCaller(request) ? headers.authorization : undefined
    const passed = { method: method ?? '', requestId: request.id, authorization, clientAddress: addressOf(request) }
    const call = { origin, path: url, method: passed.method, headers: forwardedHeaders(headers, passed) }
    balancer.request({ ...call, body: (request.body as Readable | undefined) ?? '' }, (error, response) => {
      if (response) answer(request, reply, response, options)
      else answerError(reply, error ?? new Error('the call gave neither an answer nor an error'))
    })
  }
}
