export { type Access, mayAccess } from './access.ts'
export { createHttpApp, type HttpAppOptions } from './app.ts'
export type { SwapApiKey } from './authenticate.ts'
export { knownCaller } from './authenticate.ts'
export type { Caller } from './caller.ts'
export { type Dialect, dialectOf, inAllDialects } from './dialects.ts'
export { refusalOfProxyError } from './error-refusals.ts'
export { createEventStreams, type EventStream, type EventStreams, type EventStreamsOptions } from './event-stream.ts'
export { hopByHopHeaders } from './hop-by-hop-headers.ts'
export { isLoopbackHost } from './hosts.ts'
export type { HttpApp } from './http-app.ts'
export {
  type Answer,
  createIdempotency,
  type IdempotencyOptions,
  type IdempotentUseCase,
  type RequestRecord,
  type RequestStore,
  type StoredAnswer,
  type WithIdempotency,
} from './idempotency.ts'
export { type ItemCount, itemCountHeader, readItemCount, setItemCount } from './item-count.ts'
export { readJsonBody } from './json-body.ts'
export { mountMetrics } from './metrics-route.ts'
export type { AnswerHeader, BodyExample, RequestHeader } from './openapi/route-texts.ts'
export { answerPage, type CursorPart, decodeCursor, encodeCursor, sendPage } from './paging.ts'
export { problemOf, sendRefusal } from './problem.ts'
export { countRequest, createRateLimiter, type RateCount, type RateLimiter } from './rate-limit.ts'
export { routeConfigOf } from './route-config.ts'
export { createServiceTokens, type ServiceTokens, type ServiceTokensOptions } from './service-tokens.ts'
export { type StreamConfig, streamBoundsOf, streamConfig } from './stream-config.ts'
export {
  createTokenVerifier,
  KeysUnavailable,
  readJwks,
  type TokenVerifier,
  type TokenVerifierOptions,
  tokenAudience,
  tokenIssuer,
} from './tokens.ts'
export { checkBody } from './validation.ts'
export { addVary } from './vary.ts'
