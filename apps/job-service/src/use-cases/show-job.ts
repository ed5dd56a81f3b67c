import { isRefusal, type Refusal } from '@belfry/contracts'
import type { Caller } from '../domain/reach.ts'
import type { ExecutionSummary, StoredJob } from '../store/ports.ts'
import type { JobContext } from './context.ts'
import type { LastMissed } from './last-missed.ts'
import { readJob } from './read-job.ts'

/** A job with its newest executions, newest first. */
export interface JobInDetail {
  readonly job: StoredJob
  readonly recent: readonly ExecutionSummary[]
  /** False while the executors that are there have no handler for its type. */
  readonly isTypeKnown: boolean
  readonly lastMissed: Awaited<ReturnType<LastMissed>>
}

/** `GET /jobs/:id/status`: the job and its newest `jobStatusRows` executions. */
export async function showJob(
  context: Pick<JobContext, 'stores' | 'types' | 'lastMissed' | 'scheduler' | 'schedules' | 'clock' | 'log' | 'config'>,
  caller: Caller,
  ref: string,
): Promise<JobInDetail | Refusal> {
  const job = await readJob(context, caller, ref)
  if (isRefusal(job)) return job
  const newest = { after: null, limit: context.config.jobStatusRows, fields: [] }
  const [recent, types, lastMissed] = await Promise.all([
    context.stores.executions.listSummaries({ jobRowId: job.rowId }, newest),
    context.types.knowing(job.spec.jobType),
    context.lastMissed(job),
  ])
  return { job, recent, isTypeKnown: types?.has(job.spec.jobType) ?? true, lastMissed }
}
