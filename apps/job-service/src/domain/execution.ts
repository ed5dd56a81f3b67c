import { hash } from 'node:crypto'
import {
  type ExecutionPolicy,
  type ExecutionStatus,
  executionStatuses,
  executionStatusOf,
  isFinal,
  type JobExecuteMessage,
  type JobSpec,
  type JobStatusMessage,
  triggeredExecutionId,
} from '@belfry/contracts'
import type { Job } from './job.ts'

/** What an execution's copy holds beyond what lists and indexes need. */
export type ExecutionDetail = Pick<
  JobStatusMessage,
  | 'cause'
  | 'runAt'
  | 'epoch'
  | 'attempts'
  | 'failures'
  | 'losses'
  | 'blockedBy'
  | 'retryOf'
  | 'error'
  | 'artifacts'
  | 'timeline'
>

/** job-service's copy of an execution; at `seq` 0 a trigger without a job-status. */
export interface Execution {
  readonly id: string
  readonly jobId: string
  /** The job's name now, not when it ran. */
  readonly jobName: string
  readonly ownerId: string
  readonly jobType: string
  readonly version: number
  readonly fireAt: number
  readonly seq: number
  readonly status: ExecutionStatus
  /** The reason that its trigger gave. */
  readonly reason: string | null
  /** The params are its trigger's own, not the job's. */
  readonly hasOwnParams: boolean
  /** The first execution that ran this one again, by hand or by a redrive. */
  readonly retriedBy: string | null
  /** Undefined where they were not asked for, like `result`. */
  readonly params?: Record<string, unknown>
  readonly result?: unknown
  readonly detail: ExecutionDetail
}

/** An execution with its long fields. */
export type WholeExecution = Execution & Required<Pick<Execution, 'params'>>

/** What a trigger asks for. Times are epoch milliseconds. */
export interface TriggerRequest {
  readonly executionId: string
  readonly plannedAt: number
  /** Replace the job's for this one execution. */
  readonly params?: Record<string, unknown> | undefined
  /** The execution that is run again. */
  readonly retryOf?: string | undefined
  /** The fire time that a backfill runs, epoch milliseconds. */
  readonly backfillOf?: number | undefined
}

/** Policies of jobs as their manual triggers have them: one object for each, so that a store may cache its text. */
const triggerPolicies = new WeakMap<ExecutionPolicy, ExecutionPolicy>()

/** A trigger is limited only by an overlap that the owner set (docs/jobs.md, "Overlap"): else it takes no overlap place. */
function triggerPolicy({ policy, isOverlapSet }: JobSpec): ExecutionPolicy {
  if (isOverlapSet || policy.overlap.policy === 'allow') return policy
  const known = triggerPolicies.get(policy)
  if (known) return known
  const allowing: ExecutionPolicy = { ...policy, overlap: { policy: 'allow', limit: 1 } }
  triggerPolicies.set(policy, allowing)
  return allowing
}

/**
 * The overlap of a backfill: its executions run one after the other, as many at once as the job's limit says, and wait for each other;
 * else all but the first ones would be skipped.
 */
function backfillPolicy({ policy }: JobSpec): ExecutionPolicy {
  const { policy: name, limit, isLimited } = policy.overlap
  if (name === 'allow' && !isLimited) return policy
  return { ...policy, overlap: { policy: 'allow', limit, isLimited: true } }
}

const causeOf = ({ retryOf, backfillOf }: TriggerRequest) =>
  backfillOf !== undefined ? 'backfill' : retryOf === undefined ? 'manual' : 'retry'

/**
 * The command of a manual trigger: due at once, at the job's version now (docs/protocol.md step 3). Where nothing is
 * replaced, params and policy are the same objects in every command of a job, so that a store may cache their text.
 */
export function triggerCommand(job: Job, request: TriggerRequest): JobExecuteMessage {
  const { executionId, plannedAt, retryOf, backfillOf } = request
  return {
    jobId: job.id,
    jobType: job.spec.jobType,
    executionId,
    version: job.version,
    cause: causeOf(request),
    fireAt: backfillOf ?? plannedAt,
    params: request.params ?? job.spec.params,
    policy: backfillOf === undefined ? triggerPolicy(job.spec) : backfillPolicy(job.spec),
    priority: job.spec.priority,
    expiresAt: null,
    ownerId: job.ownerId,
    plannedAt,
    ...(retryOf !== undefined && { retryOf }),
  }
}

/**
 * The id of the execution that a trigger makes, out of the minted UUID of version 7 alone, whose time it begins with: so
 * a request that is tried again after a crash finds what the first try has stored.
 */
export function triggerId(minted: string): string {
  const mintedAt = Number.parseInt(minted.slice(0, 8) + minted.slice(9, 13), 16)
  return triggeredExecutionId(mintedAt, minted)
}

/**
 * The id of the execution that a redrive makes of a dead letter: always the same one, so that however often and from wherever it
 * is redriven one execution is made. It begins with the time of the dead letter, before which it cannot end.
 */
export function redriveId(deadLetterId: string): string {
  const time = deadLetterId.slice(0, -'-'.length - uuidLength)
  return `${time}-${uuidOf(`redrive ${deadLetterId}`)}`
}

/**
 * The id of the execution that a backfill makes of a fire time: always the same one of a job, so that however often and from wherever it
 * is asked for one execution is made; with `again` the same one within one request.
 */
export function backfillId(jobId: string, fireAt: number, again?: string): string {
  return triggeredExecutionId(fireAt, uuidOf(`backfill ${jobId} ${fireAt} ${again ?? ''}`))
}

/** Digits in the form of a UUID that follow from a text. */
function uuidOf(text: string): string {
  const digits = hash('sha256', text, 'hex')
  const parts = [
    digits.slice(0, 8),
    digits.slice(8, 12),
    digits.slice(12, 16),
    digits.slice(16, 20),
    digits.slice(20, 32),
  ]
  return parts.join('-')
}
const uuidLength = 36

const endedStatuses: readonly ExecutionStatus[] = executionStatuses.filter(
  (status) => status !== 'SCHEDULED' && status !== 'RUNNING' && status !== 'RETRYING',
)

/** Whether nothing of it runs or waits to run. */
export function hasEnded({ status }: Pick<Execution, 'status'>): boolean {
  return endedStatuses.includes(status)
}

const neverRan: readonly ExecutionStatus[] = ['SUPERSEDED', 'SKIPPED', 'EXPIRED']

/** Whether it has run, runs, or is going to: one that was closed before it started did not. */
export function hasRun({
  status,
  detail,
}: Pick<Execution, 'status'> & { readonly detail: Pick<ExecutionDetail, 'timeline'> }): boolean {
  return status === 'CANCELLED' ? detail.timeline.startedAt !== null : !neverRan.includes(status)
}

/** Whether it is a status of what did not succeed: FAILED and all that stand behind it in `executionStatuses`. */
export function isUnwell(status: ExecutionStatus): boolean {
  return executionStatuses.indexOf(status) >= executionStatuses.indexOf('FAILED')
}

/** What may be done with an execution. */
export function allowedOn({ status }: Pick<Execution, 'status'>): readonly ('retry' | 'cancel')[] {
  return hasEnded({ status }) ? ['retry'] : ['cancel']
}

/** What the trigger's execution looks like as soon as it is stored. */
export function triggeredExecution(
  job: Job,
  command: JobExecuteMessage,
  { reason, hasOwnParams }: { readonly reason: string | null; readonly hasOwnParams: boolean },
): WholeExecution {
  const { jobId, jobType, ownerId, version, fireAt } = command
  const about = { id: command.executionId, jobId, jobName: job.spec.name, ownerId, jobType, version, fireAt, reason }
  return {
    ...about,
    params: command.params,
    hasOwnParams,
    retriedBy: null,
    result: null,
    seq: 0,
    status: 'SCHEDULED',
    detail: plannedDetail(command),
  }
}

type Plan = Pick<JobExecuteMessage, 'plannedAt' | 'cause'> & { readonly retryOf?: string | null | undefined }

/** What is known of a trigger before its first job-status. */
export function plannedDetail({ plannedAt, cause, retryOf = null }: Plan): ExecutionDetail {
  const notYet = { sentAt: null, admittedAt: null, startedAt: null, endedAt: null }
  return {
    cause,
    runAt: plannedAt,
    epoch: 0,
    attempts: [],
    failures: 0,
    losses: 0,
    blockedBy: null,
    retryOf,
    error: null,
    artifacts: [],
    timeline: { plannedAt, ...notYet, topic: null, partition: null, offset: null },
  }
}

/**
 * Whether an execution that is due waits for a slot: an executor has it, and has not started it for `sinceMs` after its
 * time. Before that it may have started already, and its status is on the way here.
 */
export function waitsForSlot({ status, seq, detail }: Execution, now: number, sinceMs: number): boolean {
  return (status === 'SCHEDULED' || status === 'RETRYING') && seq > 0 && now - detail.runAt > sinceMs
}

/** Whether an execution waits for an overlap place that another execution of its job holds. */
export function waitsForPlace({ status, detail }: Execution): boolean {
  return status === 'SCHEDULED' && detail.blockedBy !== null
}

/** The status under which a message's execution is stored, listed and counted. */
export function statusOf(message: JobStatusMessage): ExecutionStatus {
  return executionStatusOf(message)
}

/** What a batch of messages changes in a job's progress. */
export interface ProgressUpdate {
  readonly jobId: string
  /** Of the newest execution that has ended for good; null when there is none in the batch. */
  readonly ended: JobStatusMessage | null
  /** The newest fire time of the schedule, epoch milliseconds; null when there is none in the batch. */
  readonly scheduledAt: number | null
}

/** What a batch changes in the progress of jobs: of each job one update, with the newest by fire time, then id, then seq. */
export function progressUpdates(messages: readonly JobStatusMessage[]): ProgressUpdate[] {
  const updates = new Map<string, ProgressUpdate>()
  for (const message of messages) {
    const { jobId, cause, fireAt } = message
    const isEnd = isFinal(message)
    const isScheduled = cause === 'schedule'
    if (!isEnd && !isScheduled) continue
    const { ended, scheduledAt } = updates.get(jobId) ?? { ended: null, scheduledAt: null }
    updates.set(jobId, {
      jobId,
      ended: isEnd && (!ended || isNewer(message, ended)) ? message : ended,
      scheduledAt: isScheduled ? Math.max(fireAt, scheduledAt ?? fireAt) : scheduledAt,
    })
  }
  return [...updates.values()]
}

/** Of each execution, the message with the highest seq in this batch. */
export function newestPerExecution(messages: readonly JobStatusMessage[]): JobStatusMessage[] {
  const newest = new Map<string, JobStatusMessage>()
  for (const message of messages) {
    const other = newest.get(message.executionId)
    if (!other || message.seq > other.seq) newest.set(message.executionId, message)
  }
  return [...newest.values()]
}

function isNewer(a: JobStatusMessage, b: JobStatusMessage): boolean {
  if (a.fireAt !== b.fireAt) return a.fireAt > b.fireAt
  if (a.executionId !== b.executionId) return a.executionId > b.executionId
  return a.seq > b.seq
}
