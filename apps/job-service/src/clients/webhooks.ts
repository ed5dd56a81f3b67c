import type { Outbound } from '@belfry/outbound'
import { AddressBlocked, readRetryAfter } from '@belfry/outbound'
import type { Clock } from '@belfry/service'
import type { AttemptResult } from '../domain/delivery.ts'

interface WebhookCall {
  readonly ownerId: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** Aborted when the process stops. */
  readonly signal: AbortSignal
}

/** Sends messages to addresses of users. */
export interface Webhooks {
  /** Never rejects: what goes wrong is a result. */
  post(call: WebhookCall): Promise<AttemptResult>
  close(): Promise<void>
}

export interface WebhooksOptions {
  readonly outbound: Outbound
  readonly clock: Clock
  /** How long a target may take to answer, milliseconds. */
  readonly timeoutMs: number
}

/** Of the body of an answer so many bytes are read, so that the connection can be used again; more closes it. */
const mostAnswerBytes = 65_536
/** The target wants no more messages (Standard Webhooks). */
const gone = 410

const failed = (error: string, status: number | null = null, retryAfterMs: number | null = null): AttemptResult => ({
  kind: 'failed',
  ...{ status, error, retryAfterMs },
})

class TooLate extends Error {}

function errorText(error: unknown): string {
  if (error instanceof AddressBlocked)
    return `${error.message} Start Belfry with BELFRY_JOB_NOTIFY_ALLOW_PRIVATE=true to allow others.`
  const code = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : ''
  return `The target cannot be reached${code}: ${error instanceof Error ? error.message : String(error)}`
}

export function createWebhooks({ outbound, clock, timeoutMs }: WebhooksOptions): Webhooks {
  async function request({ ownerId, url, headers, body }: WebhookCall, signal: AbortSignal): Promise<AttemptResult> {
    const { origin, pathname, search } = new URL(url)
    const about = { 'content-type': 'application/json', 'user-agent': 'belfry' }
    const options = { origin, path: `${pathname}${search}`, method: 'POST', body, signal } as const
    const response = await outbound.request(ownerId, { ...options, headers: { ...about, ...headers } })
    await response.body.dump({ limit: mostAnswerBytes })
    const { statusCode: status } = response
    if (status >= 200 && status < 300) return { kind: 'delivered', status }
    const error = `The target answered ${status}.`
    if (status === gone) return { kind: 'gone', status, error }
    const retryAfter = response.headers['retry-after']
    const header = Array.isArray(retryAfter) ? retryAfter[0] : retryAfter
    return failed(error, status, readRetryAfter(header, clock.now()))
  }

  return {
    /** undici notices an abort only after it has connected, so this does not wait for it. */
    async post(call) {
      if (call.signal.aborted) return { kind: 'interrupted' }
      const ours = new AbortController()
      const { promise: ended, reject } = Promise.withResolvers<never>()
      const end = (error: Error) => {
        ours.abort(error)
        reject(error)
      }
      const onAbort = () => end(new Error('the process stops'))
      const timer = clock.callAfter(timeoutMs, () => end(new TooLate()))
      call.signal.addEventListener('abort', onAbort, { once: true })
      try {
        return await Promise.race([request(call, ours.signal), ended])
      } catch (error) {
        if (call.signal.aborted) return { kind: 'interrupted' }
        return failed(error instanceof TooLate ? `There was no answer within ${timeoutMs} ms.` : errorText(error))
      } finally {
        timer.cancel()
        call.signal.removeEventListener('abort', onAbort)
      }
    },
    close: () => outbound.close(),
  }
}
