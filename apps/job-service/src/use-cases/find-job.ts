import { jobIdPattern, jobKey, type Refusal, refusal } from '@belfry/contracts'
import type { StoredJob } from '../store/ports.ts'
import type { JobContext } from './context.ts'

export const noSuchJob = refusal('not-found', 'there is no such job')

/** The owner's job by id or key. */
export async function findJob(
  { stores }: Pick<JobContext, 'stores'>,
  ownerId: string,
  ref: string,
): Promise<StoredJob | Refusal> {
  const isRef = jobIdPattern.test(ref) || jobKey.safeParse(ref).success
  return (isRef && (await stores.jobs.find(ownerId, ref))) || noSuchJob
}
