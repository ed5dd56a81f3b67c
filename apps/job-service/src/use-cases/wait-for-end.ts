import { isRefusal, type Refusal } from '@belfry/contracts'
import { hasEnded } from '../domain/execution.ts'
import type { Caller } from '../domain/reach.ts'
import { deriveStatus, isOutcome, statusInputOf } from '../domain/status.ts'
import type { JobContext } from './context.ts'
import { type FoundExecution, findExecution } from './find-execution.ts'
import { type JobInDetail, showJob } from './show-job.ts'

/** How long a call waits at most, milliseconds (0: not at all), and what ends it earlier. */
export interface WaitLimits {
  readonly maxMs: number
  readonly signal: AbortSignal
}

type WaitContext = Parameters<typeof showJob>[0] & Pick<JobContext, 'waiters'>

/** An outcome counts only once nothing that is due, like a trigger of a moment ago, is still to end. */
function isOver({ job, recent }: JobInDetail, now: number): boolean {
  if (!isOutcome(deriveStatus(statusInputOf(job)))) return false
  return job.state !== 'active' || recent.every((one) => hasEnded(one) || one.fireAt > now)
}

/** `GET /jobs/:id/status?until=terminal`: the job once it has an outcome and nothing of it runs or waits. */
export async function waitForJob(
  context: WaitContext,
  caller: Caller,
  ref: string,
  limits: WaitLimits,
): Promise<JobInDetail | Refusal> {
  const found = await showJob(context, caller, ref)
  if (isRefusal(found) || limits.maxMs === 0) return found
  const { id } = found.job
  return context.waiters.wait<JobInDetail | Refusal>({
    ...{ ...limits, userId: caller.userId, key: id },
    check: () => showJob(context, caller, id),
    isDone: (shown) => isRefusal(shown) || isOver(shown, context.clock.now()),
  })
}

/** `GET /executions/:id?until=terminal`: the execution once it has ended. */
export function waitForExecution(
  context: Pick<JobContext, 'stores' | 'waiters'>,
  caller: Caller,
  id: string,
  limits: WaitLimits,
): Promise<FoundExecution | Refusal> {
  return context.waiters.wait<FoundExecution | Refusal>({
    ...{ ...limits, userId: caller.userId, key: id },
    check: () => findExecution(context, caller, id),
    isDone: (found) => isRefusal(found) || hasEnded(found.execution),
  })
}
