import type { Schemas } from './operations.ts'
import { NoAnswerError, ProblemError, problemOfStatus } from './problem-error.ts'
import { type ClientClock, delayBefore, type RetryOptions, readRetryAfter } from './waits.ts'

export type Fetch = (url: string, init: RequestInit) => Promise<Response>

/** One call, before it has a token. */
export interface Call {
  readonly method: string
  /** With its query, from the `/` on. */
  readonly path: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  /** Whether a second call does what the first one did, once: with an Idempotency-Key, or by its nature. */
  readonly isRepeatable: boolean
  readonly signal?: AbortSignal | undefined
}

/** Gives the value of `Authorization` for a call; null for a call without. `isRefused`: the one before was not taken. */
export type Authorize = (isRefused: boolean) => Promise<string | null>

export interface TransportOptions {
  /** The address of Belfry, without a path. */
  readonly url: string
  readonly fetch: Fetch
  readonly authorize: Authorize
  readonly clock: ClientClock
  readonly retry: RetryOptions
}

/** Sends calls, repeats what may help, and turns refusals into errors. */
export interface Transport {
  /** The answer of a call that succeeded; its body is not read. Rejects with a `ProblemError` or a `NoAnswerError`. */
  send(call: Call): Promise<Response>
}

async function readProblem(response: Response): Promise<ProblemError> {
  const retryAfterMs = readRetryAfter(response.headers.get('retry-after'))
  const text = await response.text().catch(() => '')
  const isProblem = response.headers.get('content-type')?.startsWith('application/problem+json') ?? false
  try {
    if (isProblem) return new ProblemError(JSON.parse(text) as Schemas['Problem'], retryAfterMs)
  } catch {
    // Cut off on the way: the status says what there is to say.
  }
  return new ProblemError(problemOfStatus(response.status, text), retryAfterMs)
}

/** Refused before anything was done, so that every call may be sent again. */
const isUndone = ({ status }: ProblemError) => status === 429

const isUnauthenticated = (answer: unknown) => answer instanceof ProblemError && answer.code === 'unauthenticated'

export function createTransport({ url, fetch, authorize, clock, retry }: TransportOptions): Transport {
  const sendOnce = async (call: Call, isRefused: boolean): Promise<Response | ProblemError | NoAnswerError> => {
    const authorization = await authorize(isRefused)
    const { method, path, body, signal } = call
    const headers: Record<string, string> = { ...call.headers }
    if (authorization !== null) headers.authorization = authorization
    if (body !== undefined) headers['content-type'] ??= 'application/json'
    const init: RequestInit = { method, headers, redirect: 'manual' }
    if (body !== undefined) init.body = JSON.stringify(body)
    if (signal) init.signal = signal
    try {
      const response = await fetch(`${url}${path}`, init)
      return response.status < 400 ? response : await readProblem(response)
    } catch (cause) {
      if (signal?.aborted) throw signal.reason
      return new NoAnswerError(`${method} ${path} got no answer`, { cause })
    }
  }

  /** How long to wait before the call is sent again, milliseconds; null: it is not. */
  const waitBefore = (call: Call, failed: ProblemError | NoAnswerError, nth: number): number | null => {
    if (nth > retry.maxRetries) return null
    const delayMs = delayBefore(nth, retry)
    if (failed instanceof NoAnswerError) return call.isRepeatable ? delayMs : null
    const isWorth = failed.problem.retryable && (call.isRepeatable || isUndone(failed))
    const waitMs = failed.retryAfterMs ?? delayMs
    return isWorth && waitMs <= retry.maxDelayMs ? waitMs : null
  }

  return {
    async send(call) {
      for (let nth = 1; ; nth++) {
        let answer = await sendOnce(call, false)
        // The token has expired, or was made by keys that are gone: a new one may do.
        if (isUnauthenticated(answer)) answer = await sendOnce(call, true)
        if (answer instanceof Response) return answer
        const waitMs = waitBefore(call, answer, nth)
        if (waitMs === null) throw answer
        await clock.sleep(waitMs, call.signal)
      }
    },
  }
}
