/**
 * Why a call to another service gave no answer.
 * `no-instance`: the registry has none · `breaker-open`: the breaker of every instance is open · `busy`: too many calls
 * are in flight · `refused`: no connection, or it broke, or what came was no HTTP · `timeout`: the first
 * byte, or the whole answer, took too long · `malformed`: the request cannot be sent as it is · `aborted`: the caller's
 * own client went away while its body was passed on · `too-large`: the answer is longer than the caller takes ·
 * `unreadable`: the answer is not the JSON that it says it is.
 */
export type ServiceCallErrorCode =
  | 'no-instance'
  | 'breaker-open'
  | 'busy'
  | 'refused'
  | 'timeout'
  | 'malformed'
  | 'aborted'
  | 'too-large'
  | 'unreadable'

export class ServiceCallError extends Error {
  readonly code: ServiceCallErrorCode
  /** When to try again, whole seconds; null when that is not known. */
  readonly retryAfterS: number | null
  /** No byte of the request went out, because no connection came about: a repeat cannot double an effect (RFC 9110, 9.2.2). */
  readonly isUnsent: boolean
  constructor(
    code: ServiceCallErrorCode,
    message: string,
    options: ErrorOptions & { retryAfterS?: number; isUnsent?: boolean } = {},
  ) {
    super(message, options)
    this.name = 'ServiceCallError'
    this.code = code
    this.retryAfterS = options.retryAfterS ?? null
    this.isUnsent = options.isUnsent ?? false
  }
}

/** undici's codes for a request that it refuses to send: an error of the caller, not of the service. */
const unsendable = new Set(['UND_ERR_INVALID_ARG', 'UND_ERR_NOT_SUPPORTED', 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH'])
const tooSlow = new Set(['UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'ETIMEDOUT'])

const unconnected = new Set(['UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_CLOSED', 'ENOTFOUND', 'EAI_AGAIN', 'ECONNREFUSED'])

/** Whether an error of undici, or of the socket below it, says that there was no connection. */
function isUnsentBy(cause: unknown, code: string): boolean {
  return unconnected.has(code) || (cause as { syscall?: unknown } | null)?.syscall === 'connect'
}

/** The error of undici as a `ServiceCallError`. */
export function toServiceCallError(cause: unknown): ServiceCallError {
  if (cause instanceof ServiceCallError) return cause
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  if (unsendable.has(code)) return new ServiceCallError('malformed', 'the request cannot be passed on', { cause })
  const isUnsent = isUnsentBy(cause, code)
  if (tooSlow.has(code)) return new ServiceCallError('timeout', 'the service took too long', { cause, isUnsent })
  return new ServiceCallError('refused', 'the service refused or broke the connection', { cause, isUnsent })
}

/** Whether the instance failed: then its breaker counts the call. */
export function countsAgainstInstance(error: ServiceCallError): boolean {
  return error.code === 'refused' || error.code === 'timeout'
}
