import type { ProblemCode, Schemas } from './operations.ts'

/** A call that Belfry refused, after the repetitions that may help. `code` is what programs compare. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError'
  readonly code: ProblemCode | (string & {})
  readonly status: number
  /** The whole body of the answer (RFC 9457): `errors` names every issue of the request at once. */
  readonly problem: Schemas['Problem']
  /** Milliseconds that the answer asked to wait; null when it asked for nothing. */
  readonly retryAfterMs: number | null

  constructor(problem: Schemas['Problem'], retryAfterMs: number | null = null) {
    const issues = (problem.errors ?? []).map(({ pointer, detail }) => `${pointer} ${detail}`)
    super([problem.detail, ...issues].join('\n  '))
    this.code = problem.code
    this.status = problem.status
    this.problem = problem
    this.retryAfterMs = retryAfterMs
  }
}

/** Whether an error is a refusal with one of the codes; with none, whether it is a refusal at all. */
export function isProblem(error: unknown, ...codes: ProblemCode[]): error is ProblemError {
  return error instanceof ProblemError && (codes.length === 0 || (codes as string[]).includes(error.code))
}

/** A call that got no answer of Belfry, after the repetitions that may help: `cause` is what the network said. */
export class NoAnswerError extends Error {
  override readonly name = 'NoAnswerError'
}

/** The problem of an answer that is none of Belfry's, such as the page of a proxy. */
export function problemOfStatus(status: number, text: string): Schemas['Problem'] {
  const detail = `The answer ${status} is not one of Belfry: ${text.slice(0, 200)}`
  const retryable = status === 429 || status >= 502
  return { type: 'about:blank', title: `Status ${status}`, status, detail, code: 'unknown', requestId: '', retryable }
}
