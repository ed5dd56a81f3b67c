import { fenceReply, jobType } from '@belfry/contracts'
import type { RestClient } from '@belfry/discovery'
import { z } from 'zod'
import type { Executors } from './domain/ports.ts'

const jobTypesReply = z.object({ data: z.array(jobType) })

interface Question<T> {
  readonly method: 'GET' | 'POST' | 'PUT'
  readonly path: string
  readonly body?: unknown
  readonly reply: z.ZodType<T>
  readonly deadlineMs?: number
}

/** The executors over REST: their internal routes, through the guarded balancer. Rejects on every answer but a good one. */
export function createExecutors(rest: RestClient, { fenceTimeoutMs }: { fenceTimeoutMs: number }): Executors {
  const ask = async <T>({ reply, ...request }: Question<T>): Promise<T> => {
    const { status, body } = await rest.request({ service: 'executor-service', ...request })
    if (status !== 200) throw new Error(`executor-service answered ${status} to ${request.method} ${request.path}`)
    return reply.parse(body)
  }

  return {
    fence(jobId, changes) {
      const path = `/internal/admissions/${jobId}`
      return ask({ method: 'PUT', path, body: { changes }, reply: fenceReply, deadlineMs: fenceTimeoutMs })
    },
    async jobTypes() {
      return (await ask({ method: 'GET', path: '/internal/job-types', reply: jobTypesReply })).data
    },
  }
}
