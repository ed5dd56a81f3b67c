import type { Batcher } from './batches.ts'
import type { TriggerItem } from './call-batches.ts'
import type { Query, Schemas } from './operations.ts'
import type { List } from './pages.ts'
import type { CallOptions, Request } from './request.ts'

interface Deps {
  readonly request: Request
  readonly list: List
}

interface JobDeps extends Deps {
  /** Null: each call is sent by itself. */
  readonly createBatched: Batcher<Schemas['CreateJobBody'], Schemas['Job']> | null
  readonly triggerBatched: Batcher<TriggerItem, Schemas['Execution']> | null
}

/** A call with options of its own is sent by itself. */
const isPlain = (options: CallOptions) => Object.keys(options).length === 0

const bodyOf = async <T>(answer: Promise<{ readonly body: T }>): Promise<T> => (await answer).body

/** The calls on jobs. `id` is the id of a job or its key. */
export function createJobs({ request, list, createBatched, triggerBatched }: JobDeps) {
  return {
    /** Creates a job; calls of one turn are sent as one batch. */
    create: (body: Schemas['CreateJobBody'], options: CallOptions = {}): Promise<Schemas['Job']> =>
      createBatched && isPlain(options)
        ? createBatched.add(body)
        : bodyOf(request('post', '/jobs', { ...options, body })),

    /** Runs a job now; calls of one turn are sent as one batch. */
    trigger: (
      id: string,
      body: Schemas['TriggerBody'] = {},
      options: CallOptions = {},
    ): Promise<Schemas['Execution']> =>
      triggerBatched && isPlain(options)
        ? triggerBatched.add({ ...body, job: id })
        : bodyOf(request('post', '/jobs/{id}/trigger', { ...options, params: { id }, body })),

    /** Creates a job under a key, or replaces its definition. */
    put: (id: string, body: Schemas['PutJobBody'], options: CallOptions = {}) =>
      bodyOf(request('put', '/jobs/{id}', { ...options, params: { id }, body })),

    get: (id: string, options: CallOptions = {}) =>
      bodyOf(request('get', '/jobs/{id}', { ...options, params: { id } })),

    status: (id: string, options: CallOptions = {}) =>
      bodyOf(request('get', '/jobs/{id}/status', { ...options, params: { id } })),

    list: (query: Query<'get', '/jobs'> = {}) => list('/jobs', { query }),

    executions: (id: string, query: Query<'get', '/jobs/{id}/executions'> = {}) =>
      list('/jobs/{id}/executions', { params: { id }, query }),

    /** A merge patch: null takes a field back to its default. */
    patch: (id: string, body: Schemas['PatchJobBody'], options: CallOptions = {}) =>
      bodyOf(request('patch', '/jobs/{id}', { ...options, params: { id }, body })),

    pause: (id: string, body: Schemas['PauseBody'] = {}, options: CallOptions = {}) =>
      bodyOf(request('post', '/jobs/{id}/pause', { ...options, params: { id }, body })),

    resume: (id: string, options: CallOptions = {}) =>
      bodyOf(request('post', '/jobs/{id}/resume', { ...options, params: { id } })),

    cancel: (id: string, options: CallOptions = {}) =>
      bodyOf(request('post', '/jobs/{id}/cancel', { ...options, params: { id } })),

    delete: (id: string, options: CallOptions = {}) =>
      bodyOf(request('delete', '/jobs/{id}', { ...options, params: { id } })),
  }
}

/** The calls on executions. */
export function createExecutions({ request, list }: Deps) {
  return {
    get: (id: string, options: CallOptions = {}) =>
      bodyOf(request('get', '/executions/{id}', { ...options, params: { id } })),

    list: (query: Query<'get', '/executions'> = {}) => list('/executions', { query }),

    logs: (id: string, query: Query<'get', '/executions/{id}/logs'> = {}) =>
      list('/executions/{id}/logs', { params: { id }, query }),

    /** Runs an execution that has ended again, as a new one. */
    retry: (id: string, body: Schemas['RetryExecutionBody'] = {}, options: CallOptions = {}) =>
      bodyOf(request('post', '/executions/{id}/retry', { ...options, params: { id }, body })),

    cancel: (id: string, options: CallOptions = {}) =>
      bodyOf(request('post', '/executions/{id}/cancel', { ...options, params: { id } })),
  }
}
