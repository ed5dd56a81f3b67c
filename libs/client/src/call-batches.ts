import { type Batcher, createBatcher } from './batches.ts'
import type { Schemas } from './operations.ts'
import { ProblemError } from './problem-error.ts'
import type { Request } from './request.ts'

export interface BatchOptions {
  /** Calls of one batch at most, 1 to 1,000. Default: 1,000. */
  readonly mostItems: number
  /** What the calls of a batch may be long together as JSON, characters. Default: 1,000,000, which fits into 4 MiB in any script. */
  readonly mostCharacters: number
  /** Batches of one kind at a time. Default: 4. */
  readonly atWork: number
}

export const batchDefaults: BatchOptions = { mostItems: 1_000, mostCharacters: 1_000_000, atWork: 4 }

/**
 * After everything that is ready to run now: the calls of many awaiting callers come together. A timer waits for a millisecond at
 * least; only Node has what comes before it.
 */
const afterTurn = (callback: () => void): void =>
  void (typeof setImmediate === 'function' ? setImmediate(callback) : setTimeout(callback, 0))

/** One trigger of a batch. */
export type TriggerItem = Schemas['TriggerBody'] & {
  /** The id of the job, or its key. */
  readonly job: string
}

interface Result {
  readonly problem?: Schemas['Problem']
}

/** What was made, or the refusal, of each item. */
function outcomesOf<R extends Result, T>(results: readonly R[], made: (result: R) => T | undefined): (T | Error)[] {
  return results.map((result) => {
    const one = made(result)
    if (result.problem) return new ProblemError(result.problem)
    return one ?? new Error('the answer to the batch lacks what an item made')
  })
}

/** Sends the calls under one random Idempotency-Key; one alone as a call of its own. */
export function batchCreates(
  request: Request,
  options: BatchOptions,
): Batcher<Schemas['CreateJobBody'], Schemas['Job']> {
  return createBatcher({
    ...options,
    defer: afterTurn,
    send: async (items) => {
      const [body] = items
      if (items.length === 1 && body) return [(await request('post', '/jobs', { body })).body]
      const { results } = (await request('post', '/jobs/batch', { body: [...items] })).body
      return outcomesOf(results, ({ job }) => job)
    },
  })
}

const idPattern = /^job-[0-9a-f]{8}-/

function triggerItem({ job, ...rest }: TriggerItem): Schemas['TriggerItem'] {
  return { ...(idPattern.test(job) ? { jobId: job } : { key: job }), ...rest }
}

/** Like `batchCreates`, for triggers. */
export function batchTriggers(request: Request, options: BatchOptions): Batcher<TriggerItem, Schemas['Execution']> {
  return createBatcher({
    ...options,
    defer: afterTurn,
    send: async (items) => {
      const [item] = items
      if (items.length === 1 && item) {
        const { job: id, ...body } = item
        return [(await request('post', '/jobs/{id}/trigger', { params: { id }, body })).body]
      }
      const { results } = (await request('post', '/triggers/batch', { body: items.map(triggerItem) })).body
      return outcomesOf(results, ({ execution }) => execution)
    },
  })
}
