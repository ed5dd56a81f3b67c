import { AddressBlocked, type Outbound, readRetryAfter } from '@belfry/outbound'
import type { Clock } from '@belfry/service'
import { fatal, type Handler, JobFailure, type RunContext, retryAfter } from '@belfry/worker'
import type { Dispatcher } from 'undici'
import { type Answer, matchesPartly, readAnswer } from './answer.ts'
import {
  type HttpCallParams,
  type HttpCallResult,
  httpCallParams,
  httpCallResult,
  privateUrlWarning,
} from './params.ts'

/** Codes of the network's failures, in the words of our error list; anything else is a `network-error`. */
const networkCodes: Record<string, string> = {
  ECONNREFUSED: 'connection-refused',
  ECONNRESET: 'connection-lost',
  EPIPE: 'connection-lost',
  UND_ERR_SOCKET: 'connection-lost',
  ENOTFOUND: 'name-not-found',
  EAI_AGAIN: 'name-not-found',
  ETIMEDOUT: 'connect-timeout',
  UND_ERR_CONNECT_TIMEOUT: 'connect-timeout',
}
const tlsCode = /CERT|TLS|SSL|UNABLE_TO/

function networkFailure(error: unknown): JobFailure {
  if (error instanceof AddressBlocked) {
    return fatal(error.code, `${error.message} Start Belfry with BELFRY_EXECUTOR_ALLOW_PRIVATE=true to allow others.`)
  }
  const raw = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown'
  const code = networkCodes[raw] ?? (tlsCode.test(raw) ? 'tls-failed' : 'network-error')
  const reason = error instanceof Error && error.message ? error.message.slice(0, 300) : raw
  return new JobFailure(code, `The call failed (${raw}): ${reason}`)
}

/** Method and address without the query, which may hold secrets. */
function nameOf({ method, url }: HttpCallParams): string {
  const { origin, pathname } = new URL(url)
  return `${method} ${origin}${pathname}`
}

function bodyOf({ body }: HttpCallParams): { text: string; type: string } | null {
  if (body === undefined || body === null) return null
  if (typeof body === 'string') return { text: body, type: 'text/plain; charset=utf-8' }
  return { text: JSON.stringify(body), type: 'application/json' }
}

function requestOf(params: HttpCallParams, context: RunContext): Dispatcher.RequestOptions {
  const { origin, pathname, search } = new URL(params.url)
  const body = bodyOf(params)
  const headers: Record<string, string> = { 'user-agent': 'belfry' }
  if (body) headers['content-type'] = body.type
  for (const [name, value] of Object.entries(params.headers)) headers[name.toLowerCase()] = value
  headers['idempotency-key'] = context.idempotencyKey
  headers['x-job-id'] = context.jobId
  headers['x-job-attempt'] = String(context.epoch)
  headers['x-job-fire-at'] = new Date(context.fireAt).toISOString()
  return { origin, path: `${pathname}${search}`, method: params.method, headers, body: body?.text ?? null }
}

/**
 * Does `work` with a signal that is aborted with the context's, or with a failure once `timeoutMs` have passed. It
 * rejects at that moment: undici itself notices an abort only after it has connected (and then sends nothing).
 */
async function withDeadline<T>(context: RunContext, timeoutMs: number, work: (signal: AbortSignal) => Promise<T>) {
  context.signal.throwIfAborted()
  const ours = new AbortController()
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const abort = (reason: unknown) => {
    ours.abort(reason)
    reject(reason)
  }
  const onAbort = () => abort(context.signal.reason)
  const late = () => abort(new JobFailure('request-timeout', `There was no whole answer within ${timeoutMs} ms.`))
  context.signal.addEventListener('abort', onAbort, { once: true })
  const timer = context.clock.callAfter(timeoutMs, late)
  try {
    return await Promise.race([work(ours.signal), aborted])
  } finally {
    timer.cancel()
    context.signal.removeEventListener('abort', onAbort)
  }
}

function isExpected(status: number, expected: number | number[] | undefined): boolean {
  if (expected === undefined) return status >= 200 && status < 300
  return typeof expected === 'number' ? status === expected : expected.includes(status)
}

/** 408, 425, 429 and 5xx may pass by themselves, as may a success that is not the expected one; the rest does not. */
function mayPass(status: number): boolean {
  return status < 300 || status === 408 || status === 425 || status === 429 || status >= 500
}

/** The start of a body in one line, for a message. */
function excerpt(body: unknown): string {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  return text.slice(0, 200).replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')
}

/** The failure that an answer means, or null for a success. `now` in epoch milliseconds. */
function judge(answer: Answer, params: HttpCallParams, now: number): JobFailure | null {
  const { status, body } = answer
  if (!isExpected(status, params.expect?.status)) {
    const code = `http-${status}`
    const message = `${nameOf(params)} answered ${status}${body === null ? '' : `: ${excerpt(body)}`}`
    if (!mayPass(status)) return fatal(code, message)
    const waitMs = readRetryAfter(answer.headers['retry-after'], now)
    return waitMs === null ? new JobFailure(code, message) : retryAfter(waitMs, code, message)
  }
  if (params.expect?.json === undefined || matchesPartly(params.expect.json, body)) return null
  const why = answer.truncated ? 'was too long to be compared' : `is not what the job expects: ${excerpt(body)}`
  return new JobFailure('unexpected-body', `The answer of ${nameOf(params)} ${why}`)
}

async function call(
  outbound: Outbound,
  params: HttpCallParams,
  context: RunContext,
  maxBytes: number,
): ReturnType<typeof readAnswer> {
  try {
    return await withDeadline(context, params.timeoutMs, async (signal) => {
      const response = await outbound.request(context.ownerId, { ...requestOf(params, context), signal })
      return await readAnswer(response, maxBytes)
    })
  } catch (error) {
    if (error instanceof JobFailure || context.signal.aborted) throw error
    throw networkFailure(error)
  }
}

const elapsedMs = (clock: Clock, since: number) => Math.round(clock.monotonic() - since)

function failureText(error: unknown): string {
  return error instanceof JobFailure ? `${error.code}: ${error.message}` : String(error)
}

/**
 * HTTP_CALL: one request through `outbound`, which guards where it may go. Every attempt carries the
 * same `Idempotency-Key`. `maxBytes`: how much of an answer's body is kept. `allowPrivate`: what `outbound` lets through.
 */
export function createHttpCall(outbound: Outbound, maxBytes: number, allowPrivate: boolean): Handler<HttpCallParams> {
  return {
    type: 'HTTP_CALL',
    title: 'HTTP call',
    description:
      'Calls an address of the public internet. 2xx is success; 408, 425, 429, 5xx and network errors are retried ' +
      '(after Retry-After, at most an hour, where the answer has it); other answers fail for good.',
    params: httpCallParams,
    result: httpCallResult,
    paramWarnings: allowPrivate ? [] : [privateUrlWarning],
    timeoutMs: 3_600_000,
    slots: 'io',
    examples: [
      { url: 'https://example.com/health' },
      {
        url: 'https://example.com/orders/close',
        method: 'POST',
        headers: { authorization: 'Bearer your-token' },
        body: { day: 'today' },
        expect: { status: [200, 202], json: { ok: true } },
        timeoutMs: 10_000,
      },
    ],
    async run(params, context): Promise<HttpCallResult> {
      const since = context.clock.monotonic()
      const name = nameOf(params)
      context.log('info', `calling ${name}`)
      const { answer, size } = await call(outbound, params, context, maxBytes).catch((error: unknown) => {
        context.log('error', `${name} failed after ${elapsedMs(context.clock, since)} ms: ${failureText(error)}`)
        throw error
      })
      const durationMs = elapsedMs(context.clock, since)
      const failure = judge(answer, params, context.clock.now())
      context.log(failure ? 'error' : 'info', `${name} answered ${answer.status} with ${size} in ${durationMs} ms`)
      if (failure) throw failure
      return { ...answer, durationMs }
    },
  }
}
