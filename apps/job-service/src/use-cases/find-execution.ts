import { type Refusal, refusal } from '@belfry/contracts'
import type { WholeExecution } from '../domain/execution.ts'
import { type Caller, checkNeed, type Need, ownersRights, type Rights, rightsOf } from '../domain/reach.ts'
import type { JobContext } from './context.ts'

export const noSuchExecution = refusal('not-found', 'there is no such execution')

/** An execution, and what its caller may do with it. */
export interface FoundExecution {
  readonly execution: WholeExecution
  readonly rights: Rights
}

/**
 * An execution that is in the caller's reach, whole. Its job decides: the job is read only where the execution is of another
 * owner. The refusal is `forbidden` where the caller sees the execution and the call needs more.
 */
export async function findExecution(
  { stores }: Pick<JobContext, 'stores'>,
  caller: Caller,
  id: string,
  need: Need = 'see',
): Promise<FoundExecution | Refusal> {
  const execution = await stores.executions.findById(id)
  if (!execution) return noSuchExecution
  if (execution.ownerId === caller.userId) return { execution, rights: ownersRights }
  const job = await stores.jobs.findById(execution.jobId)
  const rights = job && rightsOf(caller, job)
  return rights ? (checkNeed(rights, need) ?? { execution, rights }) : noSuchExecution
}
