import { z } from 'zod'

/**
 * Every error code with its HTTP status, its title, and whether the same call may succeed later. The only such table. A title
 * is the usual phrase of the status (RFC 9110), or names the code where several share a status.
 */
export const problems = {
  'malformed-request': { status: 400, title: 'Bad request', retryable: false },
  unauthenticated: { status: 401, title: 'Unauthorized', retryable: false },
  'wrong-credentials': { status: 401, title: 'Wrong credentials', retryable: false },
  forbidden: { status: 403, title: 'Forbidden', retryable: false },
  'foreign-origin': { status: 403, title: 'Foreign origin', retryable: false },
  'not-found': { status: 404, title: 'Not found', retryable: false },
  'method-not-allowed': { status: 405, title: 'Method not allowed', retryable: false },
  conflict: { status: 409, title: 'Conflict', retryable: false },
  'illegal-transition': { status: 409, title: 'Illegal transition', retryable: false },
  'request-in-flight': { status: 409, title: 'Request in flight', retryable: true },
  'request-timeout': { status: 408, title: 'Request timeout', retryable: true },
  'version-mismatch': { status: 412, title: 'Precondition failed', retryable: false },
  'too-large': { status: 413, title: 'Content too large', retryable: false },
  'unsupported-media-type': { status: 415, title: 'Unsupported media type', retryable: false },
  'misdirected-request': { status: 421, title: 'Misdirected request', retryable: false },
  impossible: { status: 422, title: 'Unprocessable content', retryable: false },
  'idempotency-key-reused': { status: 422, title: 'Idempotency key reused', retryable: false },
  'too-many-requests': { status: 429, title: 'Too many requests', retryable: true },
  'quota-exceeded': { status: 429, title: 'Quota exceeded', retryable: true },
  'headers-too-large': { status: 431, title: 'Request header fields too large', retryable: false },
  internal: { status: 500, title: 'Internal server error', retryable: true },
  'not-implemented': { status: 501, title: 'Not implemented', retryable: false },
  'bad-gateway': { status: 502, title: 'Bad gateway', retryable: true },
  unavailable: { status: 503, title: 'Service unavailable', retryable: true },
  'storage-full': { status: 503, title: 'Storage full', retryable: true },
  'gateway-timeout': { status: 504, title: 'Gateway timeout', retryable: true },
} as const satisfies Record<string, { status: number; title: string; retryable: boolean }>

export type ErrorCode = keyof typeof problems

/** One validation issue of a request. `pointer` is a JSON pointer into the body, or `?name` for a query, `:name` for the path. */
export const validationIssue = z
  .object({
    pointer: z
      .string()
      .describe(
        'Where it is: a JSON pointer into the body (`/retry/delay`), `?name` in the query, `:name` in the path.',
      ),
    code: z.string().describe('What is wrong, as one kebab-case word such as `unknown-field` or `out-of-range`.'),
    detail: z.string().describe('What is wrong, as a sentence that goes on after the name of the field.'),
    suggestion: z.string().optional().describe('What to write instead: the nearest known name, or a value.'),
  })
  .meta({ id: 'ValidationIssue', description: 'One thing that is wrong with a request.' })
export type ValidationIssue = z.infer<typeof validationIssue>

/** RFC 9457 body. `type` resolves on the gateway; `allowed` names the legal choices of an illegal transition. */
export const problem = z
  .object({
    type: z.string().describe('The address of a page about this kind of problem, on this Belfry: `/problems/<code>`.'),
    title: z.string().describe('The kind of problem in a few words; the same for every problem of one `code`.'),
    status: z.number().int().describe('The HTTP status of the answer.'),
    detail: z.string().describe('What is wrong with this call, as a sentence.'),
    code: z.string().describe('The kind of problem as one kebab-case word: what programs compare.'),
    requestId: z.string().describe('The id of the request, as in `X-Request-Id`.'),
    retryable: z.boolean().describe('Whether the same call may succeed later.'),
    errors: z
      .array(validationIssue)
      .optional()
      .describe('Everything that is wrong with the request, at once; absent where nothing of it is to be mended.'),
    allowed: z
      .array(z.string())
      .optional()
      .describe('What may be done instead: the legal next states, methods or names.'),
  })
  .meta({ id: 'Problem', description: 'Why a call was refused (RFC 9457).' })
export type Problem = z.infer<typeof problem>

/** An expected "no": a value that a use case returns and a route turns into a problem. */
export interface Refusal {
  /** Distinguishes a refusal from every other value of a union. */
  readonly kind: 'refusal'
  readonly code: ErrorCode
  readonly detail: string
  readonly errors?: readonly ValidationIssue[]
  readonly allowed?: readonly string[]
  /** Seconds, for `Retry-After`. */
  readonly retryAfterS?: number
  /** Of 401: a token came and is refused (RFC 6750, 3.1), and why, in ASCII without quotes. Left out when no token came. */
  readonly tokenError?: { readonly description?: string }
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
