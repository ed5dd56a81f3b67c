import { EventEmitter } from 'node:events'
import type { Readable } from 'node:stream'
import type { Clock, Timer } from '@belfry/service'
import type { Instance } from '../registry/port.ts'
import { type Breaker, type BreakerConfig, createBreaker, type Verdict, windowMs } from './breaker.ts'
import { createClockSkew } from './clock-skew.ts'
import { createLocalTransport } from './local-transport.ts'
import { countsAgainstInstance, ServiceCallError, toServiceCallError } from './service-call-error.ts'
import { createTimeLimits, type TimeLimits } from './time-limits.ts'
import { createTcpTransport, type Transport, type TransportResponse } from './transport.ts'
import { createUserTimeouts, userOf } from './user-timeouts.ts'

export type UpstreamResponse = TransportResponse

/** One call as undici and @fastify/reply-from describe it. */
export interface UpstreamRequest {
  /** `originOf(service)`: names the service, not an instance. */
  readonly origin: string
  /** The id of the only instance that is asked; without it any. */
  readonly instance?: string | undefined
  readonly path: string
  readonly method: string
  readonly headers?: Record<string, string | string[] | undefined>
  readonly body?: string | Readable | null
  /** Time to the first byte, milliseconds, at most the breaker's; 0 for streams and waits, which are exempt. */
  readonly headersTimeout?: number | undefined
}

/** One instance: its connections and its breaker. */
export interface Upstream {
  readonly instance: Instance
  readonly breaker: Breaker<UpstreamRequest, UpstreamResponse>
  inFlight(): number
  /** How far its clock is ahead of the own one, milliseconds; null while that is not known. */
  skewMs(): number | null
  /** Closes idle connections; calls in flight may end. */
  close(): void
}

/** A machine that is gone answers nothing at all: by then the call goes to another instance, milliseconds. */
const connectMs = 1_000

/** What a call rejects with for a 5xx: the breaker counts it, and the caller still gets the answer. */
interface FailedAnswer {
  readonly answer: UpstreamResponse
}

/** The answer inside the error of a breaker's `run`; undefined when there is none. */
export function answerOf(error: unknown): UpstreamResponse | undefined {
  return (error as Partial<FailedAnswer> | null)?.answer
}

/** A service that works and refuses for now: its disk or a queue is full. Its other answers must stay within reach (decision 009). */
function isOrderlyRefusal({ statusCode, headers }: UpstreamResponse): boolean {
  return statusCode === 503 && headers['retry-after'] !== undefined
}

function ignore(): void {}

/**
 * Makes one call; `onEnd` is called once, before the promise resolves or rejects. The time to the first byte runs from the
 * end of the request's body, so that a slow upload does not count against the service. Every answer's body gets an error
 * listener at once: destroying it later (reply-from does it when its client has gone) would end the process otherwise.
 */
function send(
  transport: Transport,
  request: UpstreamRequest,
  firstByteMs: number,
  limits: TimeLimits,
  onEnd: () => void,
) {
  return new Promise<UpstreamResponse>((resolve, reject) => {
    const abort = new EventEmitter()
    const upload = typeof request.body === 'object' ? request.body : null
    const body = request.body ?? null
    const uploader = (upload as { socket?: { destroyed: boolean } | null } | null)?.socket
    let timer: Pick<Timer, 'cancel'> | undefined
    let hasEnded = false

    const end = () => {
      hasEnded = true
      timer?.cancel()
      onEnd()
    }
    const onLate = () => {
      end()
      reject(new ServiceCallError('timeout', `no answer within ${firstByteMs} ms`))
      abort.emit('abort')
    }
    const startTimer = () => {
      if (!hasEnded && firstByteMs > 0) timer = limits.start(firstByteMs, onLate)
    }

    if (upload) upload.once('end', startTimer)
    else startTimer()
    const { path, method, headers = {} } = request
    transport.request({ path, method, headers, body, signal: abort }, (error, response) => {
      if (!error) response?.body.on('error', ignore)
      if (hasEnded) return
      end()
      if (error || !response)
        reject(
          uploader?.destroyed
            ? new ServiceCallError('aborted', 'the client went away', { cause: error })
            : toServiceCallError(error),
        )
      else if (response.statusCode >= 500 && !isOrderlyRefusal(response))
        reject({ answer: response } satisfies FailedAnswer)
      else resolve(response)
    })
  })
}

/** Longest wait that a call may ask for, milliseconds (docs/jobs.md, "Wait for an end"). */
const longestWaitMs = 20_000

/** How much later the first byte may come of a read that asks its service to wait (RFC 7240, `Prefer: wait=20`), milliseconds. */
function preferredWaitMs({ method, headers }: UpstreamRequest): number {
  if (method !== 'GET') return 0
  const prefer = headers === undefined ? undefined : (headers as Record<string, unknown>).prefer
  const seconds =
    typeof prefer === 'string' ? /(?:^|,)\s*wait\s*=\s*"?(\d{1,5})"?\s*(?:[,;]|$)/i.exec(prefer)?.[1] : undefined
  return seconds === undefined ? 0 : Math.min(Number(seconds) * 1000, longestWaitMs)
}

export function openUpstream(instance: Instance, { clock, config }: { clock: Clock; config: BreakerConfig }): Upstream {
  const { handler } = instance
  const transport = handler
    ? createLocalTransport(instance, handler)
    : createTcpTransport(instance, Math.min(connectMs, config.timeoutMs))
  const limits = createTimeLimits(clock)
  let inFlight = 0

  const onEnd = () => {
    inFlight -= 1
  }
  const skew = createClockSkew(clock)
  const call = async (request: UpstreamRequest) => {
    inFlight += 1
    const calledAt = clock.now()
    const timeoutMs = Math.min(request.headersTimeout ?? config.timeoutMs, config.timeoutMs)
    const firstByteMs = timeoutMs === 0 ? 0 : timeoutMs + preferredWaitMs(request)
    const answer = await send(transport, request, firstByteMs, limits, onEnd)
    skew.sample(answer.headers.date, calledAt)
    return answer
  }

  const timeouts = createUserTimeouts(windowMs)
  const judge = (error: unknown, { headers }: UpstreamRequest): Verdict => {
    if (answerOf(error)) return 'failed'
    const callError = toServiceCallError(error)
    if (!countsAgainstInstance(callError)) return 'working'
    const user = callError.code === 'timeout' && !callError.isUnsent ? userOf(headers) : null
    return user === null || timeouts.counts(user, clock.monotonic()) ? 'failed' : 'uncounted'
  }
  const breaker = createBreaker(call, { clock, config, judge })
  return {
    instance,
    breaker,
    inFlight: () => inFlight,
    skewMs: skew.ms,
    close() {
      breaker.close()
      transport.close()
    },
  }
}
