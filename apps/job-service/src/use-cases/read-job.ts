import { isRefusal, type Refusal } from '@belfry/contracts'
import type { StoredJob } from '../store/ports.ts'
import type { JobContext } from './context.ts'
import { findJob } from './find-job.ts'
import { markEnded } from './mark-ended.ts'

/** A job as answers show it: with what the scheduler says about the end of its schedule. */
export async function readJob(
  context: Pick<JobContext, 'stores' | 'scheduler' | 'log'>,
  ownerId: string,
  ref: string,
): Promise<StoredJob | Refusal> {
  const job = await findJob(context, ownerId, ref)
  if (isRefusal(job)) return job
  const [marked = job] = await markEnded(context, [job])
  return marked
}
