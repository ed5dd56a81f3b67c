import { type Batcher, createBatcher } from './batches.ts'
import type { Schemas } from './operations.ts'
import { ProblemError } from './problem-error.ts'
import type { Request } from './request.ts'
import type { Transport } from './transport.ts'

export interface BatchOptions {
  /** Calls of one batch at most, 1 to 1,000. Default: 1,000. */
  readonly mostItems: number
  /** What the calls of a batch may be long together as JSON, characters. Default: 1,000,000, which fits into 4 MiB in any script. */
  readonly mostCharacters: number
  /** Batches of one kind at a time. Default: 4. */
  readonly atWork: number
}

export const batchDefaults: BatchOptions = { mostItems: 1_000, mostCharacters: 1_000_000, atWork: 4 }

/** After everything that is ready to run now: the calls of many awaiting callers come together. */
const afterTurn = (callback: () => void): void => void setTimeout(callback, 0)

/** One trigger, as `POST /triggers/batch` takes it. */
export type TriggerItem = Schemas['TriggerBody'] & {
  /** The id of the job, or its key. */
  readonly job: string
}

interface Results {
  readonly results: readonly Readonly<Record<string, unknown> & { problem?: Schemas['Problem'] }>[]
}

/** Sends one batch under a random Idempotency-Key; `name` is the field of a result that holds what was made. */
async function sendBatch<T>(
  transport: Transport,
  path: string,
  body: readonly unknown[],
  name: string,
): Promise<(T | Error)[]> {
  const headers = { accept: 'application/json', 'idempotency-key': crypto.randomUUID() }
  const response = await transport.send({ method: 'POST', path, body, headers, isRepeatable: true })
  const { results } = (await response.json()) as Results
  return results.map((result) => (result.problem ? new ProblemError(result.problem) : (result[name] as T)))
}

export function batchCreates(
  transport: Transport,
  request: Request,
  options: BatchOptions,
): Batcher<Schemas['CreateJobBody'], Schemas['Job']> {
  return createBatcher({
    ...options,
    defer: afterTurn,
    send: async (bodies) => {
      const [body] = bodies
      if (bodies.length === 1 && body) return [(await request('post', '/jobs', { body })).body]
      return sendBatch<Schemas['Job']>(transport, '/jobs/batch', bodies, 'job')
    },
  })
}

const idPattern = /^job-[0-9a-f]{8}-/

export function batchTriggers(
  transport: Transport,
  request: Request,
  options: BatchOptions,
): Batcher<TriggerItem, Schemas['Execution']> {
  return createBatcher({
    ...options,
    defer: afterTurn,
    send: async (items) => {
      const [item] = items
      if (items.length === 1 && item) {
        const { job: id, ...body } = item
        return [(await request('post', '/jobs/{id}/trigger', { params: { id }, body })).body]
      }
      const named = items.map(({ job, ...rest }) => ({
        ...(idPattern.test(job) ? { jobId: job } : { key: job }),
        ...rest,
      }))
      return sendBatch<Schemas['Execution']>(transport, '/triggers/batch', named, 'execution')
    },
  })
}
