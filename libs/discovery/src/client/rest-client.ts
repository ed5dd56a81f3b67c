import type { ServiceName } from '@belfry/contracts'
import type { Clock, Timer } from '@belfry/service'
import { type Balancer, originOf } from './balancer.ts'
import { ServiceCallError, toServiceCallError } from './service-call-error.ts'
import type { UpstreamResponse } from './upstream.ts'

/** A call from service to service. */
export interface RestRequest {
  service: ServiceName
  /** The id of the only instance that is asked; without it any. */
  instance?: string
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** With its query, already encoded. */
  path: string
  /** Sent as JSON. */
  body?: unknown
  /** Sent as the bearer token instead of the service's own. */
  token?: string
  headers?: Readonly<Record<string, string>>
  /** For the whole answer, milliseconds. */
  deadlineMs?: number
}

/** `body` is parsed when the answer says that it is JSON, else text; null when there is none. */
export interface RestResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: unknown
}

export interface RestClient {
  /** Resolves with an answer of any status; rejects with a `ServiceCallError` when there is none. */
  request(request: RestRequest): Promise<RestResponse>
}

export interface RestClientOptions {
  balancer: Balancer
  clock: Clock
  /** Makes the token of this service for calls of its own (docs/distributed.md). */
  signToken?: () => string
  /** When a call names none, milliseconds. */
  deadlineMs?: number
  /** A longer answer is refused as `too-large`, bytes. */
  maxResponseBytes?: number
}

function isJson(response: UpstreamResponse): boolean {
  return /^application\/(?:[\w.+-]+\+)?json\b/.test(String(response.headers['content-type'] ?? ''))
}

async function readText({ body }: UpstreamResponse, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body.whole ? [Buffer.from(body.whole)] : body) {
    chunks.push(chunk)
    bytes += chunk.length
    if (bytes > maxBytes) throw new ServiceCallError('too-large', `the answer is longer than ${maxBytes} bytes`)
  }
  return Buffer.concat(chunks, bytes).toString('utf8')
}

async function readBody(response: UpstreamResponse, maxBytes: number): Promise<unknown> {
  const text = await readText(response, maxBytes)
  if (text === '') return null
  if (!isJson(response)) return text
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new ServiceCallError('unreadable', 'the answer is not the JSON that it says it is', { cause })
  }
}

/** Calls between services over a `Balancer`, with a deadline for the whole. */
export function createRestClient(options: RestClientOptions): RestClient {
  const {
    balancer,
    clock,
    signToken,
    deadlineMs: defaultDeadlineMs = 5_000,
    maxResponseBytes = 32 * 1024 * 1024,
  } = options

  const headersOf = ({ body, token = signToken?.(), headers }: RestRequest) => ({
    accept: 'application/json',
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...headers,
  })

  return {
    request(request) {
      const { service, method, path, body, deadlineMs = defaultDeadlineMs } = request
      return new Promise((resolve, reject) => {
        let response: UpstreamResponse | undefined
        const onLate = () => {
          reject(new ServiceCallError('timeout', `${service} did not answer within ${deadlineMs} ms`))
          response?.body.destroy()
        }
        const deadline: Timer = clock.callAfter(deadlineMs, onLate)
        const fail = (error: unknown) => {
          deadline.cancel()
          reject(toServiceCallError(error))
        }
        const call = {
          origin: originOf(service),
          instance: request.instance,
          path,
          method,
          headers: headersOf(request),
          headersTimeout: deadlineMs,
        }
        balancer.request({ ...call, body: body === undefined ? null : JSON.stringify(body) }, (error, answer) => {
          if (error || !answer) return fail(error)
          response = answer
          readBody(answer, maxResponseBytes).then((parsed) => {
            deadline.cancel()
            resolve({ status: answer.statusCode, headers: answer.headers, body: parsed })
          }, fail)
        })
      })
    },
  }
}
