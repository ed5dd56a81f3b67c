import { isRefusal, type Refusal, refusal } from '@belfry/contracts'
import { allowedOn, type WholeExecution } from '../domain/execution.ts'
import type { Caller } from '../domain/reach.ts'
import { storeStatuses } from './apply-statuses.ts'
import type { JobContext } from './context.ts'
import { type FoundExecution, findExecution, noSuchExecution } from './find-execution.ts'

/** The executors may have taken the cancel although no answer came: the same call again is answered alike. */
const notConfirmed = refusal('unavailable', 'the executors did not confirm the cancel: send it again', {
  retryAfterS: 1,
})

/** The refusal of an execution that has ended; null for others. */
export function checkCancel({ status }: Pick<WholeExecution, 'status'>): Refusal | null {
  const allowed = allowedOn({ status })
  // One that a change of its job has closed may be opened again; whether it may the executors know.
  const mayBeAtRest = status === 'CANCELLED' || status === 'SUPERSEDED'
  if (!allowed.includes('retry') || mayBeAtRest) return null
  return refusal('illegal-transition', `the execution has ended: it is ${status}`, { allowed })
}

/**
 * `POST /executions/:id/cancel`: the executors end it, or ask the run to stop; nothing starts it again afterwards. With a command that
 * no executor has answered they store it as cancelled before it arrives. Their answer is stored at once.
 */
export async function cancelExecution(
  context: Pick<JobContext, 'stores' | 'executors' | 'waiters' | 'clock' | 'log'>,
  caller: Caller,
  id: string,
): Promise<FoundExecution | Refusal> {
  const { executors, log } = context
  const { executions } = context.stores
  const reached = await findExecution(context, caller, id, 'operate')
  if (isRefusal(reached)) return reached
  const found = reached.execution
  const ended = checkCancel(found)
  if (ended) return ended
  const command = found.seq === 0 ? ((await executions.readCommand(id)) ?? null) : null
  const answer = await executors.cancelExecution(id, command).catch((err: unknown) => {
    log.warn({ err, executionId: id }, 'the executors did not confirm the cancel of an execution')
    return notConfirmed
  })
  if (isRefusal(answer)) return answer
  await storeStatuses(context, [answer])
  const after = await executions.find(found.ownerId, id)
  return after ? { execution: after, rights: reached.rights } : noSuchExecution
}
