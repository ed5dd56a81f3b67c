import { isRefusal, paramsSize, type Refusal, refusal } from '@belfry/contracts'
import { debugEach } from '@belfry/service'
import { LRUCache } from 'lru-cache'
import type { JobConfig } from '../config.ts'
import {
  type TriggerRequest as AskedExecution,
  triggerCommand,
  triggeredExecution,
  triggerId,
  type WholeExecution,
} from '../domain/execution.ts'
import { checkAction } from '../domain/job.ts'
import { noTypesYet } from '../domain/job-types.ts'
import type { Caller } from '../domain/reach.ts'
import { refuseSize } from '../domain/spec.ts'
import type { StoredJob, Trigger } from '../store/ports.ts'
import type { JobContext } from './context.ts'
import { findJob } from './find-job.ts'
import { onNewestVersion, orLost } from './retry.ts'
import { secretIssues } from './secrets.ts'

export type TriggerContext = Pick<
  JobContext,
  'stores' | 'types' | 'commands' | 'intake' | 'triggered' | 'clock' | 'log' | 'config'
>

interface TriggerRequest {
  readonly caller: Caller
  /** Id or key. */
  readonly ref: string
  /** The UUID that the execution's id is made of; the same in every try of one request. */
  readonly minted: string
  readonly params?: Record<string, unknown> | undefined
  readonly reason?: string | undefined
}

export const backlogFull = refusal('too-many-requests', 'too many triggers wait to be sent', { retryAfterS: 1 })

/** What a job takes up besides its params, bytes. */
const bareJobBytes = 2048

/** The jobs that were triggered last, within the limits. */
export function createTriggeredJobs(config: JobConfig): JobContext['triggered'] {
  return new LRUCache({
    max: config.jobRememberedJobs,
    maxSize: config.jobRememberedBytes,
    sizeCalculation: ({ spec }: StoredJob) => bareJobBytes + paramsSize(spec.params),
  })
}

/** A new execution of a job with its command, which is sent again `resendMs` milliseconds after it was planned if nothing answers it. */
export function newTrigger(job: StoredJob, asked: AskedExecution, reason: string | null, resendMs: number): Trigger {
  return {
    jobRowId: job.rowId,
    command: triggerCommand(job, asked),
    hasOwnParams: asked.params !== undefined,
    reason,
    nextSendAt: asked.plannedAt + resendMs,
  }
}

/**
 * Runs a job now, once: the answer comes when the execution is durable, and its command is under way then. The hot path is
 * one write and no read: jobs are cached from their last trigger, and the write itself checks that the version it was
 * made of is still the job's (docs/protocol.md step 3).
 */
export async function triggerJob(context: TriggerContext, request: TriggerRequest): Promise<WholeExecution | Refusal> {
  if (context.commands.isFull()) return backlogFull
  const asked = { ownerId: request.caller.userId, items: 1, isSoon: false }
  return context.intake.triggers.run(asked, () => storeTrigger(context, request))
}

function storeTrigger(
  context: TriggerContext,
  { caller, ref, minted, params, ...more }: TriggerRequest,
): Promise<WholeExecution | Refusal> {
  const { stores, commands, triggered, clock, log, config } = context
  const executionId = triggerId(minted)
  const reason = more.reason ?? null
  const { userId: ownerId } = caller
  const name = `${ownerId} ${ref}`
  return onNewestVersion<WholeExecution | Refusal>(async (isLastTry) => {
    const job = triggered.get(name) ?? (await findJob(context, caller, ref, 'change'))
    if (isRefusal(job)) return job
    const refused = checkAction(job, 'trigger') ?? (params && (await checkParams(context, job, params)))
    if (refused) return (await stores.executions.find(ownerId, executionId)) ?? refused
    const trigger = newTrigger(job, { executionId, plannedAt: clock.now(), params }, reason, config.jobResendMs)
    const { command } = trigger
    if ((await orLost(stores.executions.insertTrigger(trigger), isLastTry)) === true) {
      triggered.set(name, job)
      debugEach(log, 'execution created', [command], ({ jobId }) => ({ jobId, executionId }))
      commands.enqueue(command)
      return triggeredExecution(job, command, trigger)
    }
    triggered.delete(name)
    // Of an earlier try of this request, or of a write whose answer was lost: its command is sent again from the store.
    return stores.executions.find(ownerId, executionId)
  })
}

/** Params of one trigger must fit the type like those of the job. */
export async function checkParams(
  context: Pick<JobContext, 'stores' | 'types' | 'config'>,
  { spec, ownerId }: StoredJob,
  params: Record<string, unknown>,
): Promise<Refusal | undefined> {
  const tooLarge = refuseSize(params)
  if (tooLarge) return tooLarge
  const type = (await context.types.knowing(spec.jobType))?.get(spec.jobType)
  if (!type) return noTypesYet
  const errors = [...type.checkParams(params), ...(await secretIssues(context, ownerId, params))]
  return errors.length > 0 ? refusal('impossible', 'the params do not fit the job type', { errors }) : undefined
}
