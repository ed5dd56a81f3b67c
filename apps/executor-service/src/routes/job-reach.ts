import { jobReachReply, type Role, tolerant } from '@belfry/contracts'
import type { RestClient } from '@belfry/discovery'
import type { Clock } from '@belfry/service'
import { LRUCache } from 'lru-cache'

/** Who asks for what an execution has left. */
export interface JobCaller {
  readonly userId: string
  readonly roles: readonly Role[]
}

/** Whether a caller who does not own a job may see the logs and artifacts of its executions. Rejects when job-service does not answer. */
export type SeesDetails = (jobId: string, caller: JobCaller) => Promise<boolean>

export interface JobReachOptions {
  readonly rest: RestClient
  readonly clock: Clock
  /** How long job-service may take, milliseconds. */
  readonly timeoutMs: number
  /** How long its answer holds, milliseconds. */
  readonly holdsMs: number
}

/** Answers that are cached. */
const answersLimit = 10_000

const reply = tolerant(jobReachReply)

/**
 * Asks job-service, which alone stores who a job is shared with. An answer holds for a few seconds, so that a page of logs after
 * the other costs no call; a viewer that a change leaves out sees logs for that long.
 */
export function createSeesDetails({ rest, clock, timeoutMs, holdsMs }: JobReachOptions): SeesDetails {
  // With `max` the cache would take the memory of all its places when it is made.
  const answers = new LRUCache<string, { readonly sees: boolean; readonly until: number }>({
    maxSize: answersLimit,
    sizeCalculation: () => 1,
  })
  return async (jobId, { userId, roles }) => {
    const name = `${jobId} ${userId} ${roles.join()}`
    const known = answers.get(name)
    if (known && clock.monotonic() < known.until) return known.sees
    const request = { service: 'job-service', method: 'POST', path: '/internal/jobs/reach' } as const
    const answer = await rest.request({ ...request, body: { jobId, userId, roles: [...roles] }, deadlineMs: timeoutMs })
    if (answer.status !== 200)
      throw new Error(`job-service answered ${answer.status} when a job's viewers were asked for`)
    const sees = reply.parse(answer.body).seesDetails
    answers.set(name, { sees, until: clock.monotonic() + holdsMs })
    return sees
  }
}
