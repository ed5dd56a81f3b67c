import type { paths } from './api-types.ts'
import type { Body, Method, PathOf, PathParameters, Query, Reply } from './operations.ts'
import type { Call, Transport } from './transport.ts'

/** What any call may say beside its parameters and body. */
export interface CallOptions {
  /** The version that is to be changed: an ETag as it was given, or `"7"`. */
  readonly ifMatch?: string
  /** A key of your own, which makes a repetition by another process the same call. Default: a random one for each call. */
  readonly idempotencyKey?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
}

type WithParams<T> = [T] extends [never] ? { readonly params?: undefined } : { readonly params: T }
type WithBody<M extends Method, P extends PathOf<M>> = [Body<M, P>] extends [never]
  ? { readonly body?: undefined }
  : paths[P][M] extends { requestBody: object }
    ? { readonly body: Body<M, P> }
    : { readonly body?: Body<M, P> }

/** What an operation takes, by the description of the API. */
type RequestOptions<M extends Method, P extends PathOf<M>> = CallOptions &
  WithParams<PathParameters<M, P>> &
  WithBody<M, P> & { readonly query?: Query<M, P> }

/** An answer with what its headers say. */
export interface ApiAnswer<T> {
  readonly status: number
  readonly headers: Headers
  readonly body: T
}

type HeadersOf<P extends PathOf<'post'>> = paths[P]['post'] extends { parameters: { header?: infer H } }
  ? NonNullable<H>
  : never

/** The operations that take an Idempotency-Key: the type holds this list to the description. */
type KeyedPath = {
  [P in PathOf<'post'>]: [HeadersOf<P>] extends [never]
    ? never
    : 'Idempotency-Key' extends keyof HeadersOf<P>
      ? P
      : never
}[PathOf<'post'>]
const keyedPaths: Record<KeyedPath, true> = {
  '/jobs': true,
  '/jobs/batch': true,
  '/triggers/batch': true,
  '/jobs/{id}/backfill': true,
  '/jobs/{id}/trigger': true,
  '/executions/{id}/retry': true,
}

/** The other POSTs that do the same once more, and so may be repeated. */
const repeatablePosts: readonly PathOf<'post'>[] = [
  '/auth/login',
  '/auth/refresh',
  '/auth/logout',
  '/jobs/{id}/pause',
  '/jobs/{id}/resume',
  '/jobs/{id}/cancel',
  '/jobs/pause',
  '/jobs/resume',
  '/executions/bulk',
  '/system/drain',
  '/system/resume',
  '/executions/{id}/cancel',
  '/dead-letters/redrive',
  '/schedules/preview',
  '/scheduler/scan',
]

/** A query as Belfry reads it: lists with commas between, and nothing for a field that is left out. */
function queryText(query: Readonly<Record<string, unknown>> = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null)
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString()
  return text === '' ? '' : `?${text}`
}

/** `/jobs/{id}` with the id in its place. */
function addressOf(path: string, params: Readonly<Record<string, unknown>> = {}): string {
  return path.replaceAll(/\{(\w+)\}/g, (_all, name: string) => encodeURIComponent(String(params[name])))
}

interface LooseOptions extends CallOptions {
  readonly params?: Readonly<Record<string, unknown>> | undefined
  readonly query?: Readonly<Record<string, unknown>> | undefined
  readonly body?: unknown
}

function callOf(method: Method, path: string, options: LooseOptions): Call {
  const isKeyed = method === 'post' && path in keyedPaths
  const key = options.idempotencyKey ?? (isKeyed ? crypto.randomUUID() : undefined)
  const headers: Record<string, string> = { accept: 'application/json', ...options.headers }
  if (key !== undefined) headers['idempotency-key'] = key
  if (options.ifMatch !== undefined) headers['if-match'] = options.ifMatch
  const isRepeatable = method !== 'post' || isKeyed || (repeatablePosts as readonly string[]).includes(path)
  const address = addressOf(path, options.params) + queryText(options.query)
  return {
    method: method.toUpperCase(),
    path: address,
    body: options.body,
    headers,
    isRepeatable,
    signal: options.signal,
  }
}

/** Calls any operation of the API: addresses, parameters, bodies and answers are typed by its description. */
export type Request = <M extends Method, P extends PathOf<M>>(
  method: M,
  path: P,
  ...options: object extends RequestOptions<M, P> ? [options?: RequestOptions<M, P>] : [options: RequestOptions<M, P>]
) => Promise<ApiAnswer<Reply<M, P>>>

export function createRequest(transport: Transport): Request {
  return async (method, path, ...[options]) => {
    const response = await transport.send(callOf(method, path, (options ?? {}) as LooseOptions))
    const text = await response.text()
    const body = (text === '' ? undefined : JSON.parse(text)) as never
    return { status: response.status, headers: response.headers, body }
  }
}
