import type { AnswerHeader, RequestHeader } from './route-texts.ts'

const text = { type: 'string' } as const

/** `components.headers`: each header of an answer, by its name. */
export const answerHeaders = {
  'x-request-id': {
    name: 'X-Request-Id',
    description:
      'The id of this request, which the log lines of all services carry. Name it when you report a problem.',
    schema: text,
  },
  'ratelimit-policy': {
    name: 'RateLimit-Policy',
    description: 'The limits that count this call: `q` calls in `w` seconds (draft-ietf-httpapi-ratelimit-headers).',
    schema: text,
  },
  ratelimit: {
    name: 'RateLimit',
    description: 'What is left of each limit: `r` calls; after `t` seconds the whole quota is there again.',
    schema: text,
  },
  'retry-after': {
    name: 'Retry-After',
    description: 'Seconds to wait before the same call is sent again.',
    schema: { type: 'integer', minimum: 1 },
  },
  'www-authenticate': {
    name: 'WWW-Authenticate',
    description: 'Names the scheme `Bearer`, and with `error="invalid_token"` that a token was sent and is not valid.',
    schema: text,
  },
  location: {
    name: 'Location',
    description: 'The address of what the call made or changed.',
    schema: { type: 'string', format: 'uri-reference' },
  },
  etag: {
    name: 'ETag',
    description: 'Names what is shown. `If-Match` takes it as it was given, and compares the version of the job in it.',
    schema: text,
  },
  link: {
    name: 'Link',
    description: 'The address of the next page, with `rel="next"`; absent on the last page (RFC 8288).',
    schema: text,
  },
  'idempotency-replayed': {
    name: 'Idempotency-Replayed',
    description: '`true`: this is the stored answer to an earlier call with the same Idempotency-Key.',
    schema: { type: 'string', enum: ['true'] },
  },
  'content-disposition': {
    name: 'Content-Disposition',
    description: 'Asks browsers to save the file under its name.',
    schema: text,
  },
  'cache-control': { name: 'Cache-Control', description: 'Whether the answer may be stored.', schema: text },
} as const satisfies Record<AnswerHeader | string, { name: string; description: string; schema: object }>

/** `components.parameters`: each header that routes read, by its name. */
export const requestHeaders: Readonly<
  Record<RequestHeader, { name: string; in: 'header'; description: string; schema: object }>
> = {
  'idempotency-key': {
    name: 'Idempotency-Key',
    in: 'header',
    description:
      'Makes it safe to send the call again: for 24 h the same key with the same body gives the stored answer, and nothing is done twice. Keys count per user and path. Another body with the same key is refused with 422.',
    schema: { type: 'string', minLength: 1, maxLength: 255, pattern: '^[\\x21-\\x7e]+$' },
  },
  'if-match': {
    name: 'If-Match',
    in: 'header',
    description:
      'The version that is to be changed: an `ETag` as it was given, `"7"` for version 7, several with commas between, or `*` for any. Another version is refused with 412.',
    schema: { type: 'string', maxLength: 1000 },
  },
  'if-none-match': {
    name: 'If-None-Match',
    in: 'header',
    description:
      'On GET an `ETag` as it was given: the answer is 304 without a body while nothing of what is shown has changed. On PUT `*`: what is there already is not changed, and the answer is 412.',
    schema: { type: 'string', maxLength: 1000 },
  },
  prefer: {
    name: 'Prefer',
    in: 'header',
    description:
      '`wait=20`: how many seconds the call may wait for its answer, at most 20. `return=minimal`: a batch answers with ids alone (RFC 7240).',
    schema: { type: 'string', maxLength: 100 },
  },
  'last-event-id': {
    name: 'Last-Event-ID',
    in: 'header',
    description: 'The `id` of the last event that was read: the stream goes on after it.',
    schema: { type: 'string', maxLength: 512 },
  },
}
