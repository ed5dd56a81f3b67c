import { z } from 'zod'

/** Every error code with its HTTP status, its title, and whether the same call may succeed later. The only such table. */
export const problems = {
  'malformed-request': { status: 400, title: 'The request is malformed', retryable: false },
  unauthenticated: { status: 401, title: 'A valid token is needed', retryable: false },
  'wrong-credentials': { status: 401, title: 'User name or password is wrong', retryable: false },
  forbidden: { status: 403, title: 'This role may not do that', retryable: false },
  'foreign-origin': { status: 403, title: 'A page of another origin may not do that', retryable: false },
  'not-found': { status: 404, title: 'There is no such thing', retryable: false },
  'method-not-allowed': { status: 405, title: 'This address does not take that method', retryable: false },
  conflict: { status: 409, title: 'It conflicts with what is there', retryable: false },
  'illegal-transition': { status: 409, title: 'Its state does not allow that', retryable: false },
  'request-in-flight': { status: 409, title: 'The same request is still in flight', retryable: true },
  'request-timeout': { status: 408, title: 'The request took too long to come in', retryable: true },
  'too-large': { status: 413, title: 'The request is too large', retryable: false },
  'unsupported-media-type': { status: 415, title: 'This content type is not taken', retryable: false },
  'misdirected-request': { status: 421, title: 'This host name is not served here', retryable: false },
  impossible: { status: 422, title: 'The request is well-formed but impossible', retryable: false },
  'idempotency-key-reused': { status: 422, title: 'The idempotency key belongs to another request', retryable: false },
  'too-many-requests': { status: 429, title: 'Too many requests', retryable: true },
  'quota-exceeded': { status: 429, title: 'A quota is used up', retryable: true },
  'headers-too-large': { status: 431, title: 'The headers are too large', retryable: false },
  internal: { status: 500, title: 'Something went wrong on our side', retryable: true },
  'not-implemented': { status: 501, title: 'No address takes that method', retryable: false },
  'bad-gateway': { status: 502, title: 'A service behind the gateway did not answer', retryable: true },
  unavailable: { status: 503, title: 'Not available just now', retryable: true },
  'storage-full': { status: 503, title: 'The disk is full', retryable: true },
  'gateway-timeout': { status: 504, title: 'A service behind the gateway took too long', retryable: true },
} as const satisfies Record<string, { status: number; title: string; retryable: boolean }>

export type ErrorCode = keyof typeof problems

/** One fault of a request. `pointer` is a JSON pointer into the body, or `?name` for a query, `:name` for the path. */
export const validationIssue = z.object({
  pointer: z.string(),
  code: z.string(),
  detail: z.string(),
  suggestion: z.string().optional(),
})
export type ValidationIssue = z.infer<typeof validationIssue>

/** RFC 9457 body. `type` resolves on the gateway; `allowed` names the legal choices of an illegal transition. */
export const problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number().int(),
  detail: z.string(),
  code: z.string(),
  requestId: z.string(),
  retryable: z.boolean(),
  errors: z.array(validationIssue).optional(),
  allowed: z.array(z.string()).optional(),
})
export type Problem = z.infer<typeof problem>

/** An expected "no": a value that a use case returns and a route turns into a problem. */
export interface Refusal {
  /** Tells a refusal apart from every other value of a union. */
  readonly kind: 'refusal'
  readonly code: ErrorCode
  readonly detail: string
  readonly errors?: readonly ValidationIssue[]
  readonly allowed?: readonly string[]
  /** Seconds, for `Retry-After`. */
  readonly retryAfterS?: number
}

export function refusal(
  code: ErrorCode,
  detail: string,
  more: Omit<Refusal, 'kind' | 'code' | 'detail'> = {},
): Refusal {
  return { kind: 'refusal', code, detail, ...more }
}

export function isRefusal(value: unknown): value is Refusal {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'refusal'
}
