import {
  type CancelExecutionBody,
  cancelExecutionReply,
  type FenceReply,
  fenceReply,
  type JobChange,
  type JobExecuteMessage,
  type JobStatusMessage,
  type JobType,
  jobType,
  problem,
  type Refusal,
  refusal,
  tolerant,
} from '@belfry/contracts'
import type { RestClient } from '@belfry/discovery'
import { z } from 'zod'

/** The executors, over REST. Every call rejects on a time-out, and on an answer that is an error. */
export interface Executors {
  /** Makes the changes firm (docs/protocol.md step 2); the reply lists what may still run. */
  fence(jobId: string, changes: readonly JobChange[]): Promise<FenceReply>
  /**
   * Cancels one execution; `command` of one that no executor may have yet. Answers its state, or the refusal of one that has ended
   * or is unknown.
   */
  cancelExecution(id: string, command: JobExecuteMessage | null): Promise<JobStatusMessage | Refusal>
  /** The job types of one instance. */
  jobTypes(instance: string): Promise<JobType[]>
}

/** A newer executor may answer with more. */
const replies = {
  fence: tolerant(fenceReply),
  jobTypes: tolerant(z.object({ data: z.array(jobType) })),
  cancelled: tolerant(cancelExecutionReply),
}
const refusals = problem.pick({ detail: true, allowed: true }).loose()

interface Call<T> {
  readonly method: 'GET' | 'POST' | 'PUT'
  readonly path: string
  readonly body?: unknown
  readonly reply: z.ZodType<T>
  readonly deadlineMs?: number
  readonly instance?: string
}

/** Calls the internal routes of the executors, through the guarded balancer. */
export function createExecutors(rest: RestClient, { fenceTimeoutMs }: { fenceTimeoutMs: number }): Executors {
  const call = async <T>({ reply, ...request }: Call<T>): Promise<T> => {
    const { status, body } = await rest.request({ service: 'executor-service', ...request })
    if (status !== 200) throw new Error(`executor-service answered ${status} to ${request.method} ${request.path}`)
    return reply.parse(body)
  }

  return {
    fence(jobId, changes) {
      const path = `/internal/admissions/${jobId}`
      return call({ method: 'PUT', path, body: { changes }, reply: replies.fence, deadlineMs: fenceTimeoutMs })
    },
    async cancelExecution(id, command) {
      const path = `/internal/executions/${id}/cancel`
      const request = { service: 'executor-service', method: 'PUT', path, deadlineMs: fenceTimeoutMs } as const
      const { status, body } = await rest.request({ ...request, body: { command } satisfies CancelExecutionBody })
      if (status === 200) return replies.cancelled.parse(body)
      if (status === 404) return refusal('conflict', 'the executors do not know the execution')
      if (status !== 409) throw new Error(`executor-service answered ${status} to PUT ${path}`)
      // Only one that has ended is refused.
      const { detail, allowed = ['retry'] } = refusals.parse(body)
      return refusal('illegal-transition', detail, { allowed })
    },
    async jobTypes(instance) {
      return (await call({ method: 'GET', path: '/internal/job-types', instance, reply: replies.jobTypes })).data
    },
  }
}
