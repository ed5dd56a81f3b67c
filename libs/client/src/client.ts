import { type Credentials, createAuthorization } from './authorization.ts'
import { type BatchOptions, batchCreates, batchDefaults, batchTriggers } from './call-batches.ts'
import { followStream, type StreamEvent, type StreamOptions } from './event-stream.ts'
import type { ListPath } from './operations.ts'
import { type List, type ListOptions, rowsOf } from './pages.ts'
import { createRequest, type Request } from './request.ts'
import { createExecutions, createJobs } from './resources.ts'
import { createTransport, type Fetch } from './transport.ts'
import { type ClientClock, type RetryOptions, retryDefaults, systemClock } from './waits.ts'

export type ClientOptions = {
  /** The address of Belfry: `http://127.0.0.1:8080`. */
  readonly url: string
  readonly retry?: Partial<RetryOptions>
  /** How calls of one turn are sent together; false: each by itself. */
  readonly batches?: Partial<BatchOptions> | false
  readonly fetch?: Fetch
  readonly clock?: ClientClock
} & (Credentials | { readonly token?: undefined })

/** A client of one Belfry, for one user. It holds no connection of its own and need not be closed. */
export interface Client {
  /** Any operation of the API: `request('get', '/jobs/{id}', { params: { id } })`. */
  readonly request: Request
  /** The rows of any list, page by page: `list('/executions', { query: { status: ['FAILED'] } })`. */
  readonly list: List
  /** The events of a stream, which goes on behind the last event after a break: `stream('/events')`. */
  stream<T = unknown>(path: string, options?: StreamOptions): AsyncGenerator<StreamEvent<T>>
  readonly jobs: ReturnType<typeof createJobs>
  readonly executions: ReturnType<typeof createExecutions>
}

function credentialsOf(options: ClientOptions): Credentials | null {
  if ('login' in options || 'apiKey' in options) return options
  return options.token === undefined ? null : { token: options.token }
}

/** Makes a client. It sends nothing before the first call. */
export function createClient(options: ClientOptions): Client {
  const { clock = systemClock, fetch = globalThis.fetch } = options
  const retry = { ...retryDefaults, ...options.retry }
  const common = { url: options.url.replace(/\/+$/, ''), fetch, clock, retry }
  const open = createTransport({ ...common, authorize: async () => null })
  const authorize = createAuthorization(credentialsOf(options), open, clock)
  const transport = createTransport({ ...common, authorize })
  const request = createRequest(transport)
  const batches = options.batches === false ? null : { ...batchDefaults, ...options.batches }
  const list = <P extends ListPath>(path: P, ...[given]: [ListOptions<P>?]) =>
    rowsOf(request, path, given ?? ({} as ListOptions<P>))
  return {
    request,
    list,
    stream: (path, given) => followStream({ transport, clock, retry }, path, given),
    jobs: createJobs({
      request,
      list,
      createBatched: batches && batchCreates(request, batches),
      triggerBatched: batches && batchTriggers(request, batches),
    }),
    executions: createExecutions({ request, list }),
  }
}
