import { type Problem, problems, type Refusal } from '@belfry/contracts'
import type { FastifyReply } from 'fastify'
import { envelopedProblem } from './dialect-answers.ts'
import { dialectOf } from './dialects.ts'

declare module 'fastify' {
  interface FastifyReply {
    /**
     * Answers a refusal as problem+json, with the status of contracts' table: `return reply.refuse(refused)`.
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

/** Seconds that a client is asked to wait by default. */
const usualRetryAfterS = 1

/** The header `WWW-Authenticate` of a 401 (RFC 6750, 3): a client that sent no token learns only that one is needed. */
function challengeOf({ tokenError }: Refusal): string {
  const realm = 'Bearer realm="belfry"'
  if (!tokenError) return realm
  const { description } = tokenError
  return `${realm}, error="invalid_token"${description === undefined ? '' : `, error_description="${description}"`}`
}

/** Answers a refusal: status, `Retry-After` where another try may help, and the problem. */
export function sendRefusal(reply: FastifyReply, refused: Refusal): FastifyReply {
  const { status } = problems[refused.code]
  const waits = status === 429 || status === 503
  const retryAfterS = refused.retryAfterS ?? (waits ? usualRetryAfterS : undefined)
  if (retryAfterS !== undefined) reply.header('retry-after', Math.max(1, Math.ceil(retryAfterS)))
  if (status === 401) reply.header('www-authenticate', challengeOf(refused))
  const problem = problemOf(refused, reply.request.id)
  const shown = dialectOf(reply.request.url)?.isEnveloped ? envelopedProblem(problem) : problem
  return reply.code(status).type('application/problem+json; charset=utf-8').send(JSON.stringify(shown))
}
