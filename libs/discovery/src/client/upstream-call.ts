import type { Timer } from '@belfry/service'
import { ServiceCallError, toServiceCallError } from './service-call-error.ts'
import type { TimeLimits } from './time-limits.ts'
import type { Answered, Transport, TransportCall, TransportRequest, TransportResponse } from './transport.ts'
import { hasSenderGone, streamOf } from './upstream-body.ts'

export interface UpstreamCallOptions {
  readonly transport: Transport
  readonly request: TransportRequest
  /** From the end of the request's body to the first byte of the answer, milliseconds; 0 is no limit. */
  readonly firstByteMs: number
  readonly limits: TimeLimits
}

function ignore(): void {}

/** One call with its time limit. An object and no closures: there is one for each call. */
class UpstreamCall {
  readonly #options: UpstreamCallOptions
  readonly #answered: Answered
  #sent: TransportCall | null = null
  #timer: Pick<Timer, 'cancel'> | null = null
  #hasEnded = false

  constructor(options: UpstreamCallOptions, answered: Answered) {
    this.#options = options
    this.#answered = answered
  }

  begin(): void {
    const { transport, request } = this.#options
    const upload = streamOf(request.body)
    if (upload) upload.once('end', () => this.#startTimer())
    else this.#startTimer()
    this.#sent = transport.request(request, (error, response) => this.#end(error, response))
  }

  #startTimer(): void {
    const { firstByteMs, limits } = this.#options
    if (!this.#hasEnded && firstByteMs > 0) this.#timer = limits.start(firstByteMs, () => this.#onLate())
  }

  #onLate(): void {
    this.#hasEnded = true
    this.#answered(new ServiceCallError('timeout', `no answer within ${this.#options.firstByteMs} ms`))
    this.#sent?.abort()
  }

  #end(error: Error | null, response: TransportResponse | undefined): void {
    // Destroying the body later (Fastify does it when its client has gone) would end the process otherwise.
    if (response && !response.body.whole) response.body.on('error', ignore)
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#timer?.cancel()
    if (response) this.#answered(null, response)
    else if (hasSenderGone(streamOf(this.#options.request.body)))
      this.#answered(new ServiceCallError('aborted', 'the client went away', { cause: error }))
    else this.#answered(toServiceCallError(error))
  }
}

/**
 * Makes one call and calls back once, with a `ServiceCallError` or an answer. The time to the first byte runs from the end of the
 * request's body, so that a slow upload does not count against the service.
 */
export function sendUpstream(options: UpstreamCallOptions, answered: Answered): void {
  new UpstreamCall(options, answered).begin()
}
