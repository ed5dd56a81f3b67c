import { isRefusal, type JobExecuteMessage, paramsSize, type Refusal, refusal } from '@belfry/contracts'
import type { Clock } from '@belfry/service'
import { triggerCommand, triggeredExecution, triggerId, type WholeExecution } from './execution.ts'
import { checkTrigger } from './job.ts'
import { type Jobs, noTypesYet } from './jobs.ts'
import type { CommandSender, ExecutionStore, StoredJob, TypeList } from './ports.ts'
import { refuseSize } from './spec.ts'

export interface TriggersContext {
  readonly jobs: Jobs
  readonly executions: ExecutionStore
  readonly types: TypeList
  readonly sender: CommandSender
  readonly clock: Clock
  /** When a command that nobody answered is sent again for the first time, milliseconds. */
  readonly resendMs: number
  /** How many jobs are remembered from their last trigger, and bytes of them. */
  readonly remembered: { readonly jobs: number; readonly bytes: number }
  /** The execution of a command is stored for the first time. */
  readonly onCreated: (command: JobExecuteMessage) => void
}

interface TriggerJob {
  readonly ownerId: string
  /** Id or key. */
  readonly ref: string
  /** The UUID that the execution's id is made of; the same in every try of one request. */
  readonly minted: string
  readonly params?: Record<string, unknown> | undefined
  readonly reason?: string | undefined
}

const backlogFull = refusal('too-many-requests', 'too many triggers wait to be sent', { retryAfterS: 1 })
const keepsChanging = refusal('conflict', 'the job changed again and again meanwhile')
/** How often a trigger is tried on the newest version when the job changed meanwhile. */
const triggerTries = 5

/** Runs a job now, once: the answer comes when the execution is durable, and its command is on its way then. */
export type TriggerUseCase = (request: TriggerJob) => Promise<WholeExecution | Refusal>

/**
 * The hot path of triggers: one write, no read. Jobs are remembered from their last trigger, and the write itself checks
 * that the version it was made of is still the job's (protocol.md, step 3).
 */
export function createTrigger(context: TriggersContext): TriggerUseCase {
  const { executions, sender, clock } = context
  const remembered = createMemory(context.remembered)

  return async ({ ownerId, ref, minted, params, reason }) => {
    if (sender.isFull()) return backlogFull
    const executionId = triggerId(minted)
    const memory = `${ownerId} ${ref}`
    for (let tries = 0; tries < triggerTries; tries++) {
      const job = remembered.get(memory) ?? (await context.jobs.find(ownerId, ref))
      if (isRefusal(job)) return job
      const refused = checkTrigger(job) ?? (params && (await checkParams(context.types, job, params)))
      if (refused) return (await executions.find(ownerId, executionId)) ?? refused
      const plannedAt = clock.now()
      const command = triggerCommand(job, { executionId, plannedAt, params })
      const nextSendAt = plannedAt + context.resendMs
      if (
        await executions.insertTrigger({
          job: job.handle,
          command,
          hasOwnParams: params !== undefined,
          reason: reason ?? null,
          nextSendAt,
        })
      ) {
        remembered.set(memory, job)
        context.onCreated(command)
        sender.send(command)
        return triggeredExecution(job, command, reason ?? null)
      }
      remembered.delete(memory)
      const stored = await executions.find(ownerId, executionId)
      if (stored) return stored
    }
    return keepsChanging
  }
}

/** Params of one trigger must fit the type like those of the job. */
async function checkParams(
  types: TypeList,
  job: StoredJob,
  params: Record<string, unknown>,
): Promise<Refusal | undefined> {
  const tooLarge = refuseSize(params)
  if (tooLarge) return tooLarge
  const type = (await types.knowing(job.spec.jobType))?.get(job.spec.jobType)
  if (!type) return noTypesYet
  const errors = type.checkParams(params)
  return errors.length > 0 ? refusal('impossible', 'the params do not fit the job type', { errors }) : undefined
}

/** What a job takes up besides its params, bytes. */
const bareJobBytes = 2048

/** The jobs that were used last, within the limits. */
function createMemory(limits: { readonly jobs: number; readonly bytes: number }) {
  const jobs = new Map<string, StoredJob>()
  let bytes = 0
  const sizeOf = ({ spec }: StoredJob) => bareJobBytes + paramsSize(spec.params)
  const forget = (name: string) => {
    const known = jobs.get(name)
    if (known && jobs.delete(name)) bytes -= sizeOf(known)
  }
  return {
    get: (name: string): StoredJob | undefined => jobs.get(name),
    delete: forget,
    set(name: string, job: StoredJob) {
      forget(name)
      jobs.set(name, job)
      bytes += sizeOf(job)
      while (jobs.size > limits.jobs || bytes > limits.bytes) forget(jobs.keys().next().value as string)
    },
  }
}
