import { isRefusal, type Refusal } from '@belfry/contracts'
import { cancelledJob, newestVersion } from '../domain/job.ts'
import { type ConfirmContext, confirmChanges, type FencedJob } from './confirm-changes.ts'
import type { JobContext } from './context.ts'
import { findJob } from './find-job.ts'
import { onNewestVersion, orLost } from './retry.ts'

type CancelContext = ConfirmContext & Pick<JobContext, 'relay' | 'clock' | 'config'>

/**
 * `POST /jobs/:id/cancel`: one compare-and-set on the version. After a lost answer the next try finds the job cancelled, or
 * cancels it.
 */
export function cancelJob(context: CancelContext, ownerId: string, ref: string): Promise<FencedJob | Refusal> {
  const { stores, relay, clock, config } = context
  return onNewestVersion<FencedJob | Refusal>(async (isLastTry) => {
    const found = await findJob(context, ownerId, ref)
    if (isRefusal(found)) return found
    const next = cancelledJob(found, clock.now())
    if (isRefusal(next)) return next
    if (next === found) return confirmChanges(context, found)
    const fenceAt = clock.now() + config.jobResendMs
    const write = stores.jobs.compareAndSet(found.rowId, found.version, next, fenceAt)
    if ((await orLost(write, isLastTry)) !== true) return undefined
    const job = { ...found, ...next, isPublished: false }
    relay.offer([{ rowId: job.rowId, ...newestVersion(job) }])
    return confirmChanges(context, job)
  })
}
