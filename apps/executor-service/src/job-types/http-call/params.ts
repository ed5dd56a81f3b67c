import type { ParamWarning } from '@belfry/contracts'
import { hopByHopHeaders } from '@belfry/http'
import { z } from 'zod'

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const

/** The headers of the connection, and those that name the call, its cause and its length. Sorted: the error text lists them. */
const ourHeaders = [...hopByHopHeaders, 'content-length', 'expect', 'host', 'idempotency-key', 'x-job-.*'].sort()

/** A pattern without flags, since JSON Schema has none. */
const inAnyCase = (name: string) => name.replace(/[a-z]/g, (letter) => `[${letter}${letter.toUpperCase()}]`)

const headerName = z
  .string()
  .max(100)
  .regex(
    new RegExp(`^(?!(?:${ourHeaders.map(inAnyCase).join('|')})$)[!#$%&'*+.^_\`|~0-9A-Za-z-]+$`),
    `is not a header that a job may set: ${ourHeaders.join(', ').replace('.*', '*')} belong to the call itself`,
  )
const headerValue = z
  .string()
  .max(8192)
  .regex(
    /^[\t\x20-\x7e\x80-\xff]*$/,
    'must not hold line breaks, other control characters, or characters beyond Latin-1',
  )

const mostHeaders = 50

const status = z.int().min(200).max(599)

/** Longest that one request may take, milliseconds. */
const longestRequestMs = 3_600_000

const urlDetail = 'must begin with "http://" or "https://" and name a host, without user name and password'
const bodyDetail = 'cannot be sent with GET or HEAD: leave it out, or set "method" to "POST"'

export const httpCallParams = z
  .strictObject({
    url: z
      .string()
      .max(8192)
      .regex(/^[hH][tT][tT][pP][sS]?:\/\/[^\s/?#@\\]+(?:[/?#][^\s]*)?$/, urlDetail)
      .refine((url) => URL.canParse(url), 'is not a URL')
      .meta({ format: 'uri', errorMessage: { pattern: urlDetail, format: 'is not a URL' } })
      .describe(
        'Where to call: http or https, a public address, no user name and password. Redirects are not followed.',
      ),
    method: z.enum(methods).default('GET').describe('Method of the request.'),
    headers: z
      .record(headerName, headerValue)
      .refine((headers) => Object.keys(headers).length <= mostHeaders, `must not be more than ${mostHeaders}`)
      .meta({ maxProperties: mostHeaders })
      .default({})
      .describe('Headers of the request. Those of the connection, Idempotency-Key and X-Job-* cannot be set.'),
    body: z.unknown().optional().describe('Text is sent as it is; anything else as JSON. Not with GET and HEAD.'),
    expect: z
      .strictObject({
        status: z
          .union([status, z.array(status).min(1).max(20)])
          .optional()
          .describe('The only statuses that count as success, instead of 200 to 299.'),
        json: z.unknown().optional().describe('What the JSON of the answer must contain; objects may have more keys.'),
      })
      .optional()
      .describe('What counts as success.'),
    timeoutMs: z
      .int()
      .min(1)
      .max(longestRequestMs)
      .default(30_000)
      .describe('How long the request may take, to the last byte of the answer, milliseconds.'),
  })
  .refine(({ method, body }) => body === undefined || body === null || (method !== 'GET' && method !== 'HEAD'), {
    path: ['body'],
    message: bodyDetail,
  })
  // The same for JSON Schema, so that a job is refused when it is created and not when an execution starts.
  .meta({
    if: { properties: { method: { enum: ['GET', 'HEAD'] } } },
    // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema, and nothing that is awaited.
    then: { properties: { body: { type: 'null', errorMessage: { type: bodyDetail } } } },
  })
export type HttpCallParams = z.infer<typeof httpCallParams>

/**
 * Hosts of a URL that stand for an address which is not public, as people write them. A help when the job is created and no
 * guard: what an attempt may reach is decided when it connects (libs/outbound).
 */
const privateHosts = [
  '(?:[a-z0-9-]+\\.)*localhost',
  '(?:0|10|127)(?:\\.[0-9]{1,3}){3}',
  '(?:169\\.254|192\\.168)(?:\\.[0-9]{1,3}){2}',
  '172\\.(?:1[6-9]|2[0-9]|3[01])(?:\\.[0-9]{1,3}){2}',
  '\\[(?:::1?|::ffff:[0-9a-f:.]+|f[cd][0-9a-f:]+|fe[89ab][0-9a-f:]+)\\]',
]

export const privateUrlWarning: ParamWarning = {
  param: 'url',
  pattern: `^https?://(?:${privateHosts.join('|')})(?::[0-9]{0,5})?(?:[/?#]|$)`,
  code: 'private-address',
  detail:
    'params.url names an address that is not public, and runs may call public addresses only: every run will fail with ' +
    '"address-blocked". Start Belfry with BELFRY_EXECUTOR_ALLOW_PRIVATE=true to allow private addresses.',
}

export const httpCallResult = z.strictObject({
  status: z.int().describe('Status of the answer.'),
  headers: z.record(z.string(), z.string()).describe('A part of its headers: no cookies, no challenges.'),
  body: z.unknown().describe('JSON or text, cut off where it is longer than what is kept.'),
  truncated: z.boolean().describe('Whether the body was cut off.'),
  durationMs: z.int().describe('From the request to the last byte that was read, milliseconds.'),
})
export type HttpCallResult = z.infer<typeof httpCallResult>
