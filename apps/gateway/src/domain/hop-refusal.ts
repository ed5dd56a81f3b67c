import { type ErrorCode, type Refusal, refusal } from '@belfry/contracts'
import { ServiceCallError, type ServiceCallErrorCode } from '@belfry/discovery'

const answers: Record<ServiceCallErrorCode, readonly [ErrorCode, string]> = {
  'no-instance': ['unavailable', 'No instance of the service that answers this is there.'],
  'breaker-open': ['unavailable', 'The service that answers this fails too often just now.'],
  busy: ['unavailable', 'Too many requests to the service that answers this are under way.'],
  refused: ['bad-gateway', 'The service that answers this could not be reached.'],
  timeout: ['gateway-timeout', 'The service that answers this took too long.'],
  malformed: ['malformed-request', 'The request cannot be passed on as it is.'],
  'too-large': ['bad-gateway', 'The service that answers this said more than can be taken.'],
  unreadable: ['bad-gateway', 'The service that answers this said something that cannot be read.'],
  aborted: ['malformed-request', 'The request ended before its body did.'],
}

/**
 * What a client hears when a service gave no answer; undefined when the error is none of a hop's, and so a surprise.
 * @fastify/reply-from wraps what it does not know, and keeps the original as its cause. Nothing of a message goes out.
 */
export function refusalOfHop(error: Error): Refusal | undefined {
  const callError = error instanceof ServiceCallError ? error : error.cause
  if (!(callError instanceof ServiceCallError)) return undefined
  const [code, detail] = answers[callError.code]
  return refusal(code, detail, callError.retryAfterS === null ? {} : { retryAfterS: callError.retryAfterS })
}
