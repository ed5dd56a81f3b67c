import { isRefusal, type Refusal, refusal } from '@belfry/contracts'
import { allowedOn, type Execution, triggeredExecution, triggerId, type WholeExecution } from '../domain/execution.ts'
import { checkAction } from '../domain/job.ts'
import { asOwner, type Caller } from '../domain/reach.ts'
import type { StoredJob } from '../store/ports.ts'
import type { JobContext } from './context.ts'
import { type FoundExecution, findExecution } from './find-execution.ts'
import { findJobOrTombstone } from './find-job.ts'
import { onNewestVersion, orLost } from './retry.ts'
import { backlogFull, checkParams, newTrigger } from './trigger-job.ts'

type RetryContext = Pick<JobContext, 'stores' | 'types' | 'commands' | 'clock' | 'config'>

interface RetryRequest {
  readonly caller: Caller
  readonly id: string
  /** The UUID that the new execution's id is made of; the same in every try of one request. */
  readonly minted: string
  readonly params?: Record<string, unknown> | undefined
  readonly reason?: string | undefined
}

/** Null when an execution has ended. */
function checkEnded({ status }: Pick<Execution, 'status'>): Refusal | null {
  const allowed = allowedOn({ status })
  if (allowed.includes('retry')) return null
  return refusal('illegal-transition', `the execution is ${status} and has not ended yet`, { allowed })
}

/** The job of an execution, as far as it may run again. */
export async function jobToRunAgain(
  context: Pick<JobContext, 'stores'>,
  { ownerId, jobId }: Pick<Execution, 'ownerId' | 'jobId'>,
): Promise<StoredJob | Refusal> {
  const job = await findJobOrTombstone(context, asOwner(ownerId), jobId)
  return isRefusal(job) ? job : (checkAction(job, 'retry') ?? job)
}

/**
 * `POST /executions/:id/retry`: a new execution of the job as it is now, with the params that the original's trigger brought, if it
 * brought some. The original shows the first execution that ran it again, and is no dead letter any more.
 */
export async function retryExecution(context: RetryContext, request: RetryRequest): Promise<FoundExecution | Refusal> {
  const { stores, commands, clock, config } = context
  const { caller, id, minted } = request
  if (commands.isFull()) return backlogFull
  const found = await findExecution(context, caller, id, request.params ? 'change' : 'operate')
  if (isRefusal(found)) return found
  const { execution: original } = found
  const executionId = triggerId(minted)
  const params = request.params ?? (original.hasOwnParams ? original.params : undefined)
  const reason = request.reason ?? null
  const made = await onNewestVersion<WholeExecution | Refusal>(async (isLastTry) => {
    const job = await jobToRunAgain(context, original)
    const refused = checkEnded(original) ?? (isRefusal(job) ? job : params && (await checkParams(context, job, params)))
    if (refused || isRefusal(job)) return (await stores.executions.find(original.ownerId, executionId)) ?? refused
    const asked = { executionId, plannedAt: clock.now(), params, retryOf: id }
    const trigger = newTrigger(job, asked, reason, config.jobResendMs)
    // Of an earlier try of this request, or of a write whose answer was lost: its command is sent again from the store.
    if ((await orLost(stores.executions.insertTrigger(trigger), isLastTry)) !== true)
      return stores.executions.find(original.ownerId, executionId)
    commands.enqueue(trigger.command)
    return triggeredExecution(job, trigger.command, trigger)
  })
  if (isRefusal(made)) return made
  await stores.executions.markRetried([{ id, by: executionId }])
  return { execution: made, rights: found.rights }
}
