import { type ErrorCode, type Refusal, refusal } from '@belfry/contracts'
import { MalformedBody } from './json-body.ts'
import { shownName } from './pointer.ts'

type RefusalByCode = Readonly<Record<string, Refusal>>

/** Failures of an adapter for which no client and no code is to blame, by error name and code. http imports no adapter. */
const adapterRefusals: Readonly<Record<string, RefusalByCode>> = {
  StorageError: {
    'disk-full': refusal('storage-full', 'The disk is full: nothing was stored.', { retryAfterS: 10 }),
    locked: refusal('unavailable', 'The store is busy.'),
    closed: refusal('unavailable', 'The service is stopping.'),
    overloaded: refusal('unavailable', 'Too much is waiting to be stored.'),
    unavailable: refusal('unavailable', 'The store cannot be reached: nothing was stored.'),
    'outcome-unknown': refusal('unavailable', 'The store did not confirm the request: it may have taken effect.'),
  },
  BusError: {
    'bus-full': refusal('unavailable', 'Too much is waiting to be sent.'),
    'bus-closed': refusal('unavailable', 'The service is stopping.'),
    'bus-unavailable': refusal('unavailable', 'The message bus cannot be reached.'),
  },
  ServiceCallError: {
    'no-instance': refusal('unavailable', 'No instance of the service that answers this is there.'),
    'breaker-open': refusal('unavailable', 'The service that answers this fails too often just now.'),
    busy: refusal('unavailable', 'Too many requests to the service that answers this are under way.'),
    refused: refusal('bad-gateway', 'The service that answers this could not be reached.'),
    timeout: refusal('gateway-timeout', 'The service that answers this took too long.'),
    'too-large': refusal('bad-gateway', 'The service that answers this said more than can be taken.'),
    unreadable: refusal('bad-gateway', 'The service that answers this said something that cannot be read.'),
  },
}

/** Failures of a proxied call that the client's own request causes. In a call of a service's own they are bugs. */
const proxiedRequestRefusals: RefusalByCode = {
  malformed: refusal('malformed-request', 'The request cannot be passed on as it is.'),
  aborted: refusal('malformed-request', 'The request ended before its body did.'),
}

interface CodedError {
  readonly name?: unknown
  readonly code?: unknown
  readonly retryAfterS?: unknown
}

/** The refusal, with the error's own wait when it knows one. */
function withRetryAfter(refused: Refusal, { retryAfterS }: CodedError): Refusal {
  return typeof retryAfterS === 'number' ? { ...refused, retryAfterS } : refused
}

function adapterRefusal(error: CodedError): Refusal | undefined {
  const refused = adapterRefusals[String(error.name)]?.[String(error.code)]
  return refused && withRetryAfter(refused, error)
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
  'unsupported-media-type': 'Send the body as application/json; a PATCH may also be application/merge-patch+json.',
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

/** The refusal for an error of a route; undefined for an unexpected error. */
export function refusalOfError(error: unknown): Refusal | undefined {
  if (typeof error !== 'object' || error === null) return undefined
  if (error instanceof MalformedBody) {
    return refusal('malformed-request', 'The body cannot be taken.', { errors: error.issues })
  }
  return adapterRefusal(error) ?? frameworkRefusal(error)
}

/** The refusal for a proxied call that got no answer; undefined for an unexpected error. No message of an error reaches the client. */
export function refusalOfProxyError(error: Error): Refusal | undefined {
  if (error.name !== 'ServiceCallError') return undefined
  return proxiedRequestRefusals[String((error as CodedError).code)] ?? adapterRefusal(error as CodedError)
}
