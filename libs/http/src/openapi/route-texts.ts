import type { ErrorCode } from '@belfry/contracts'

/** Headers of a request that a route reads itself, beside those that every route takes. */
export type RequestHeader = 'idempotency-key' | 'if-match' | 'if-none-match' | 'prefer' | 'last-event-id'

/** Headers that a route gives its answer, beside those that every answer has. */
export type AnswerHeader =
  | 'location'
  | 'etag'
  | 'link'
  | 'idempotency-replayed'
  | 'content-disposition'
  | 'cache-control'

/** A body that works as it stands. A test sends each one and expects the 2xx of its operation. */
export interface BodyExample {
  readonly summary: string
  readonly value: unknown
}

declare module 'fastify' {
  /** What the API description says of a route beside its zod schemas. */
  interface FastifySchema {
    /** Unique in the whole API: camelCase, a verb and a noun (`listApiKeys`). */
    operationId?: string
    tags?: readonly string[]
    /** One line, without a full stop. */
    summary?: string
    /** Full sentences in Markdown. */
    description?: string
    /** Leaves the route out of the description. */
    hide?: boolean
    /** Content types of the body; `application/json` when left out. */
    consumes?: readonly string[]
    /** Codes of the refusals that do not follow from the form of the route: conflicts, impossible bodies. */
    problems?: readonly ErrorCode[]
    requestHeaders?: readonly RequestHeader[]
    /** By status. */
    answerHeaders?: Readonly<Record<number, readonly AnswerHeader[]>>
    /** By name; clients that fill in a body begin with the first. */
    examples?: Readonly<Record<string, BodyExample>>
  }
}
