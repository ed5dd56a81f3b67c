import { isRefusal, jobIdPattern, jobKey, type Refusal, refusal } from '@belfry/contracts'
import { type Caller, checkNeed, type Need, rightsOf } from '../domain/reach.ts'
import type { StoredJob } from '../store/ports.ts'
import type { JobContext } from './context.ts'

export const noSuchJob = refusal('not-found', 'there is no such job')

/**
 * A job that is in the caller's reach, by id; by key among the caller's own. A deleted one is not found. The refusal is
 * `forbidden` where the caller sees the job and the call needs more.
 */
export async function findJob(
  context: Pick<JobContext, 'stores'>,
  caller: Caller,
  ref: string,
  need: Need = 'see',
): Promise<StoredJob | Refusal> {
  const job = await findJobOrTombstone(context, caller, ref, need)
  return !isDeleted(job) ? job : noSuchJob
}

/** The same, and what a delete has left of a job. */
export async function findJobOrTombstone(
  { stores }: Pick<JobContext, 'stores'>,
  caller: Caller,
  ref: string,
  need: Need = 'see',
): Promise<StoredJob | Refusal> {
  const isId = jobIdPattern.test(ref)
  if (!isId && !jobKey.safeParse(ref).success) return noSuchJob
  const job = await (isId ? stores.jobs.findById(ref) : stores.jobs.find(caller.userId, ref))
  const rights = job && rightsOf(caller, job)
  return job && rights ? (checkNeed(rights, need) ?? job) : noSuchJob
}

const isDeleted = (job: StoredJob | Refusal) => !isRefusal(job) && job.state === 'deleted'
