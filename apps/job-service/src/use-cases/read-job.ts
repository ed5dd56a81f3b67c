import { isRefusal, type Refusal } from '@belfry/contracts'
import type { Caller } from '../domain/reach.ts'
import type { StoredJob } from '../store/ports.ts'
import type { JobContext } from './context.ts'
import { findJob } from './find-job.ts'
import { markLastRun } from './mark-last-run.ts'

/** A job as answers show it: with what the scheduler says about its last run. */
export async function readJob(
  context: Pick<JobContext, 'stores' | 'scheduler' | 'schedules' | 'clock' | 'log'>,
  caller: Caller,
  ref: string,
): Promise<StoredJob | Refusal> {
  const job = await findJob(context, caller, ref)
  if (isRefusal(job)) return job
  const [marked = job] = await markLastRun(context, [job])
  return marked
}
