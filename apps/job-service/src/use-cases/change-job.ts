import { isRefusal, type Refusal } from '@belfry/contracts'
import type { Scheduler } from '../clients/scheduler.ts'
import { changesLimit, type Job, newestVersion, trimChanges } from '../domain/job.ts'
import type { Precondition } from '../domain/precondition.ts'
import type { StoredJob } from '../store/ports.ts'
import { type ConfirmContext, confirmChanges, type FencedJob } from './confirm-changes.ts'
import type { JobContext } from './context.ts'
import { findJob } from './find-job.ts'
import { onNewestVersion, orLost } from './retry.ts'

export type ChangeContext = ConfirmContext &
  Pick<JobContext, 'relay' | 'clock' | 'config'> & { readonly scheduler: Pick<Scheduler, 'versionOf'> }

/** Which job a change is for, and at which version. */
export interface ChangeTarget {
  readonly ownerId: string
  /** Id or key. */
  readonly ref: string
  readonly ifMatch: Precondition
}

/** What a change makes of a job: the job at its next version, the very same job, or a refusal (domain/job.ts). */
export type Decide = (job: StoredJob) => Job | Refusal | Promise<Job | Refusal>

/**
 * Changes a job: one compare-and-set on its version, then the fence (protocol.md, steps 1 and 2). After a lost answer the next try
 * finds the job changed, or changes it. A change that finds the job as it would make it stores nothing, and asks the executors
 * again what is in flight.
 */
export function changeJob(
  context: ChangeContext,
  { ownerId, ref }: Pick<ChangeTarget, 'ownerId' | 'ref'>,
  decide: Decide,
  find = findJob,
): Promise<FencedJob | Refusal> {
  return onNewestVersion<FencedJob | Refusal>(async (isLastTry) => {
    const found = await find(context, ownerId, ref)
    return isRefusal(found) ? found : changeFound(context, found, decide, isLastTry)
  })
}

/** One try at changing a job that was read; undefined when another change was first, or the answer of the write was lost. */
export async function changeFound(
  context: ChangeContext,
  found: StoredJob,
  decide: Decide,
  isLastTry: boolean,
): Promise<FencedJob | Refusal | undefined> {
  const { stores, relay, clock, config } = context
  const before = await withRoom(context, found)
  const next = await decide(before)
  if (isRefusal(next)) return next
  if (next === before) return confirmChanges(context, found)
  const fenceAt = clock.now() + config.jobResendMs
  const write = stores.jobs.compareAndSet(found.rowId, found.version, next, fenceAt)
  if ((await orLost(write, isLastTry)) !== true) return undefined
  const job = { ...found, ...next, isPublished: false }
  relay.offer([{ rowId: job.rowId, ...newestVersion(job) }])
  return confirmChanges(context, job)
}

/** A job whose list of changes is full loses those that the executors and the scheduler are past (protocol.md, step 1). */
async function withRoom({ scheduler, log }: ChangeContext, job: StoredJob): Promise<StoredJob> {
  if (job.changes.length < changesLimit) return job
  try {
    return { ...job, ...trimChanges(job, job.fencedVersion, await scheduler.versionOf(job.id)) }
  } catch (err) {
    log.warn({ err, jobId: job.id }, 'the scheduler did not say how far it has come with a job')
    return job
  }
}
