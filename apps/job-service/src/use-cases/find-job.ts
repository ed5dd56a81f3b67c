import { jobIdPattern, jobKey, type Refusal, refusal } from '@belfry/contracts'
import type { StoredJob } from '../store/ports.ts'
import type { JobContext } from './context.ts'

export const noSuchJob = refusal('not-found', 'there is no such job')

/** The owner's job by id or key. A deleted one is not found. */
export async function findJob(
  context: Pick<JobContext, 'stores'>,
  ownerId: string,
  ref: string,
): Promise<StoredJob | Refusal> {
  const job = await findJobOrTombstone(context, ownerId, ref)
  return !isDeleted(job) ? job : noSuchJob
}

/** The same, and what a delete has left of a job. */
export async function findJobOrTombstone(
  { stores }: Pick<JobContext, 'stores'>,
  ownerId: string,
  ref: string,
): Promise<StoredJob | Refusal> {
  const isRef = jobIdPattern.test(ref) || jobKey.safeParse(ref).success
  return (isRef && (await stores.jobs.find(ownerId, ref))) || noSuchJob
}

const isDeleted = (job: StoredJob | Refusal) => 'state' in job && job.state === 'deleted'
