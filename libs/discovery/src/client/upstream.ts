import type { Readable } from 'node:stream'
import type { Clock } from '@belfry/service'
import type { Instance } from '../registry/port.ts'
import { type Breaker, type BreakerConfig, createBreaker, type Verdict, windowMs } from './breaker.ts'
import { createClockSkew } from './clock-skew.ts'
import { createLocalTransport } from './local-transport.ts'
import { countsAgainstInstance, type ServiceCallError } from './service-call-error.ts'
import { createTimeLimits } from './time-limits.ts'
import { createTcpTransport, type TransportResponse } from './transport.ts'
import { sendUpstream } from './upstream-call.ts'
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
  readonly body?: string | Buffer | Readable | null
  /** Time to the first byte, milliseconds, at most the breaker's; 0 for streams and waits, which are exempt. */
  readonly headersTimeout?: number | undefined
}

type UpstreamCallback = (error: ServiceCallError | null, response?: UpstreamResponse) => void

/** One instance: its connections and its breaker. */
export interface Upstream {
  readonly instance: Instance
  readonly breaker: Pick<Breaker, 'allows' | 'openForMs' | 'state'>
  /** Makes a call that the breaker allows, and calls back once: with an error, or with an answer of any status. */
  call(request: UpstreamRequest, callback: UpstreamCallback): void
  inFlight(): number
  /** How far its clock is ahead of the own one, milliseconds; null while that is not known. */
  skewMs(): number | null
  /** Closes idle connections; calls in flight may end. */
  close(): void
}

/** A machine that is gone answers nothing at all: by then the call goes to another instance, milliseconds. */
const connectMs = 1_000

/** A service that works and refuses for now: its disk or a queue is full. Its other answers must stay within reach (decision 009). */
function isOrderlyRefusal({ statusCode, headers }: UpstreamResponse): boolean {
  return statusCode === 503 && headers['retry-after'] !== undefined
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
  const skew = createClockSkew(clock)
  const timeouts = createUserTimeouts(windowMs)
  const breaker = createBreaker({ clock, config })
  let inFlight = 0

  const judge = (
    error: ServiceCallError | null,
    answer: UpstreamResponse | undefined,
    call: UpstreamRequest,
  ): Verdict => {
    if (answer) return answer.statusCode >= 500 && !isOrderlyRefusal(answer) ? 'failed' : 'working'
    // A client that went away has not let the instance show anything: it must not close the breaker of one that is down.
    if (error?.code === 'aborted') return 'uncounted'
    if (!error || !countsAgainstInstance(error)) return 'working'
    const user = error.code === 'timeout' && !error.isUnsent ? userOf(call.headers) : null
    return user === null || timeouts.counts(user, clock.monotonic()) ? 'failed' : 'uncounted'
  }

  const call: Upstream['call'] = (request, callback) => {
    const { path, method, headers = {}, body = null } = request
    const calledAt = clock.now()
    const timeoutMs = Math.min(request.headersTimeout ?? config.timeoutMs, config.timeoutMs)
    const firstByteMs = timeoutMs === 0 ? 0 : timeoutMs + preferredWaitMs(request)
    inFlight += 1
    const report = breaker.begin()
    sendUpstream({ transport, request: { path, method, headers, body }, firstByteMs, limits }, (error, answer) => {
      inFlight -= 1
      if (answer) skew.sample(answer.headers.date, calledAt)
      const failure = error as ServiceCallError | null
      report(judge(failure, answer, request), () => callback(failure, answer))
    })
  }

  return {
    instance,
    breaker,
    call,
    inFlight: () => inFlight,
    skewMs: skew.ms,
    close() {
      breaker.close()
      transport.close()
    },
  }
}
