import type { IncomingHttpHeaders } from 'node:http'
import { hopByHopHeaders } from '@belfry/http'

/**
 * Headers that are not passed on: those of the connection, and `expect`, which Node has already answered. undici refuses to
 * send most of them. `host` and `origin` are checked here and name this address; the balancer sends the `host` of the instance.
 * An API key is replaced by a token here.
 */
const notForwarded = new Set<string>([...hopByHopHeaders, 'expect', 'host', 'http2-settings', 'origin', 'x-api-key'])

/** The token alone identifies the caller: headers that claim an identity are dropped. */
const claimsIdentity = /^(?:x[-_](?:user|internal|forwarded|original|real)(?:[-_]|$)|forwarded$)/

function passes(name: string): boolean {
  return !notForwarded.has(name) && !claimsIdentity.test(name)
}

/** The names that a `Connection` header lists: they end at this connection too (RFC 9110, 7.6.1). Null for the usual values. */
function listedIn(connection: string | undefined): readonly string[] | null {
  if (connection === undefined || connection === 'keep-alive' || connection === 'close') return null
  return connection
    .toLowerCase()
    .split(',')
    .map((name) => name.trim())
}

/** Facts of a request that the gateway forwards. */
export interface Passed {
  readonly method: string
  readonly requestId: string
  /** The checked token; it passes even when the client's `Connection` header names it. Undefined where a route checks none. */
  readonly authorization: string | undefined
  /** For limits by address, and for the audit log. */
  readonly clientAddress: string
}

/**
 * The headers that a service gets. Removal precedes addition, so that no header of a client removes one that is added here.
 */
export function forwardedHeaders(headers: IncomingHttpHeaders, passed: Passed): IncomingHttpHeaders {
  const forwarded: IncomingHttpHeaders = {}
  const listed = listedIn(headers.connection)
  for (const name in headers) {
    if (passes(name) && !listed?.includes(name)) forwarded[name] = headers[name]
  }
  // The body of a GET is never read, so its length must not be announced.
  if (passed.method === 'GET' || passed.method === 'HEAD') forwarded['content-length'] = undefined
  forwarded.authorization = passed.authorization
  forwarded['x-request-id'] = passed.requestId
  forwarded['x-forwarded-for'] = passed.clientAddress
  return forwarded
}

/** The limits of a request by the gateway's own count. */
export interface OwnLimits {
  readonly policy: string
  readonly left: string
}

/**
 * The headers that a client gets, out of a service's answer: all but those of the connection between the two. A service
 * that has limits of its own (auth-service counts by account) is quoted after the gateway.
 */
export function answeredHeaders(headers: IncomingHttpHeaders, own: OwnLimits | null): IncomingHttpHeaders {
  if (own && headers.ratelimit !== undefined) {
    headers['ratelimit-policy'] = `${own.policy}, ${headers['ratelimit-policy']}`
    headers.ratelimit = `${own.left}, ${headers.ratelimit}`
  }
  if (headers.connection !== undefined) delete headers.connection
  if (headers['keep-alive'] !== undefined) delete headers['keep-alive']
  return headers
}
