import { type ErrorCode, type Problem, problems, type Refusal, refusal } from '@belfry/contracts'
import type { FastifyReply } from 'fastify'
import { MalformedBody } from './json-body.ts'
import { shownName } from './pointer.ts'

declare module 'fastify' {
  interface FastifyReply {
    /**
     * Answers an expected "no" as problem+json, with the status of contracts' table: `return reply.refuse(refused)`.
     * (Typed `void`, which a handler may return whatever its response schema is; it gives the reply.)
     */
    refuse(refused: Refusal): void
  }
}

/** The body of RFC 9457 for a refusal. `type` resolves on the gateway. */
export function problemOf(refused: Refusal, requestId: string): Problem {
  const { status, title, retryable } = problems[refused.code]
  return {
    type: `/problems/${refused.code}`,
    title,
    status,
    detail: refused.detail,
    code: refused.code,
    requestId,
    retryable,
    ...(refused.errors ? { errors: [...refused.errors] } : {}),
    ...(refused.allowed ? { allowed: [...refused.allowed] } : {}),
  }
}

/** Seconds that a client is asked to wait when the refusing service does not know better. */
const usualRetryAfterS = 1

/** Answers a refusal: status, `Retry-After` where another try may help, and the problem. */
export function sendRefusal(reply: FastifyReply, refused: Refusal): FastifyReply {
  const { status } = problems[refused.code]
  const waits = status === 429 || status === 503
  const retryAfterS = refused.retryAfterS ?? (waits ? usualRetryAfterS : undefined)
  if (retryAfterS !== undefined) reply.header('retry-after', Math.max(1, Math.ceil(retryAfterS)))
  if (status === 401) reply.header('www-authenticate', 'Bearer realm="belfry"')
  const body = JSON.stringify(problemOf(refused, reply.request.id))
  return reply.code(status).type('application/problem+json; charset=utf-8').send(body)
}

/** Errors of our adapters that are nobody's mistake, by name and code. Named, not imported: http knows no adapter. */
const adapterErrors: Record<string, Record<string, Refusal>> = {
  StorageError: {
    'disk-full': refusal('storage-full', 'The disk is full: nothing was stored.', { retryAfterS: 10 }),
    locked: refusal('unavailable', 'The store is busy.'),
    closed: refusal('unavailable', 'The service is stopping.'),
    overloaded: refusal('unavailable', 'Too much is waiting to be stored.'),
  },
  BusError: {
    'bus-full': refusal('unavailable', 'Too much is waiting to be sent.'),
    'bus-closed': refusal('unavailable', 'The service is stopping.'),
    'bus-unavailable': refusal('unavailable', 'The message bus cannot be reached.'),
  },
  ServiceCallError: {
    'no-instance': refusal('unavailable', 'No instance of the service that answers this is there.'),
    busy: refusal('unavailable', 'Too many calls wait for the service that answers this.'),
    'breaker-open': refusal('unavailable', 'The service that answers this fails too often just now.'),
    refused: refusal('bad-gateway', 'The service that answers this could not be reached.'),
    timeout: refusal('gateway-timeout', 'The service that answers this took too long.'),
    'too-large': refusal('bad-gateway', 'The service that answers this said more than can be taken.'),
    unreadable: refusal('bad-gateway', 'The service that answers this said something that cannot be read.'),
  },
}

/** Fastify's own refusals by status; every other status below 500 is a malformed request. */
const frameworkCodes: Record<number, ErrorCode> = {
  404: 'not-found',
  413: 'too-large',
  414: 'not-found',
  415: 'unsupported-media-type',
}
const frameworkDetails: Partial<Record<ErrorCode, string>> = {
  'too-large': 'The body is larger than this address takes.',
  'unsupported-media-type': 'Send the body as application/json.',
  'not-found': 'There is nothing at this address.',
}

function frameworkRefusal(error: { code?: unknown; statusCode?: unknown; message?: unknown }): Refusal | undefined {
  const { code, statusCode } = error
  const isFrameworks = typeof code === 'string' && code.startsWith('FST_')
  if (typeof statusCode !== 'number' || statusCode < 400 || statusCode > 499) return undefined
  const refused = frameworkCodes[statusCode] ?? 'malformed-request'
  const detail =
    frameworkDetails[refused] ?? (isFrameworks ? shownName(String(error.message)) : 'The request cannot be read.')
  return refusal(refused, detail)
}

/** The refusal that an error stands for; undefined when it is a surprise. */
export function refusalOfError(error: unknown): Refusal | undefined {
  if (typeof error !== 'object' || error === null) return undefined
  if (error instanceof MalformedBody) {
    return refusal('malformed-request', 'The body cannot be taken.', { errors: error.faults })
  }
  const { name, code } = error as { name?: unknown; code?: unknown }
  return adapterErrors[String(name)]?.[String(code)] ?? frameworkRefusal(error)
}
