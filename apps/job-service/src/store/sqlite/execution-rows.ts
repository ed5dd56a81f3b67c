import {
  type ExecutionStatus,
  executionStatuses,
  isFinal,
  type JobExecuteMessage,
  type JobStatusMessage,
} from '@belfry/contracts'
import type { SqlRow } from '@belfry/storage'
import {
  type Execution,
  type ExecutionDetail,
  plannedDetail,
  type SummaryUpdate,
  statusOf,
} from '../../domain/execution.ts'
import type { DueSend, ExecutionGlance, Trigger } from '../../domain/ports.ts'

const statusAt = (place: number): ExecutionStatus => executionStatuses[place] as ExecutionStatus
const placeOf = (message: JobStatusMessage): number => executionStatuses.indexOf(statusOf(message))

/** The columns that `readExecution` reads, with the tables under the names e (executions), j (jobs), o (owners). */
export const executionColumns = `e.id, j.id, j.name, o.id, e.jobType, e.version, e.fireAt, e.seq, e.status, e.reason,
  e.body`
type ExecutionRow = [
  id: string,
  jobId: string,
  jobName: string,
  ownerId: string,
  jobType: string,
  version: number,
  fireAt: number,
  seq: number,
  status: number,
  reason: string | null,
  body: string,
]

/** What `body` holds at seq 0: the command without what is a column. Later it is an `ExecutionDetail`. */
type CommandBody = Pick<JobExecuteMessage, 'cause' | 'plannedAt' | 'expiresAt' | 'priority' | 'policy' | 'params'>

export function readExecution(columns: SqlRow): Execution {
  const [id, jobId, jobName, ownerId, jobType, version, fireAt, seq, status, reason, body] =
    columns as unknown as ExecutionRow
  const stored: unknown = JSON.parse(body)
  const detail = seq === 0 ? plannedDetail((stored as CommandBody).plannedAt) : (stored as ExecutionDetail)
  return { id, jobId, jobName, ownerId, jobType, version, fireAt, seq, status: statusAt(status), reason, detail }
}

export const glanceColumns = 'n, id, jobType, fireAt, status, endedAt'

export function readGlance(columns: SqlRow): ExecutionGlance {
  const [handle, id, jobType, fireAt, status, endedAt] = columns as [
    number,
    string,
    string,
    number,
    number,
    number | null,
  ]
  return { handle, place: [fireAt, handle], id, jobType, fireAt, status: statusAt(status), endedAt }
}

/** Texts of a version's params and policy: many triggers share the job's objects (performance.md, 0.73 -> 0.15 µs). */
const texts = new WeakMap<object, string>()

function textOf(value: object): string {
  const known = texts.get(value)
  if (known !== undefined) return known
  const text = JSON.stringify(value)
  texts.set(value, text)
  return text
}

/** What a trigger's insert takes, in its order. */
export function triggerParams({ job, command, reason, nextSendAt }: Trigger): SqlRow {
  const { cause, plannedAt, expiresAt, priority, policy, params } = command
  const head = JSON.stringify({ cause, plannedAt, expiresAt, priority })
  const body = `${head.slice(0, -1)},"policy":${textOf(policy)},"params":${textOf(params)}}`
  return [command.executionId, command.fireAt, nextSendAt, command.jobType, reason, body, job, command.version]
}

/** What the insert of a copy takes, in its order. */
export function copyParams(message: JobStatusMessage): SqlRow {
  const { executionId, jobId, fireAt, seq, version, jobType, timeline } = message
  const final = isFinal(message) ? 1 : 0
  const { endedAt } = timeline
  return [executionId, fireAt, seq, version, placeOf(message), endedAt, jobType, detailText(message), jobId, final]
}

function detailText(message: JobStatusMessage): string {
  const { cause, runAt, epoch, attempts, failures, losses, blockedBy, retryOf } = message
  const { result = null, error, artifacts, timeline } = message
  const ended = { result, error, artifacts, timeline }
  const detail: ExecutionDetail = { cause, runAt, epoch, attempts, failures, losses, blockedBy, retryOf, ...ended }
  return JSON.stringify(detail)
}

/** What the upsert of a summary takes, in its order. */
export function summaryParams({ jobId, ended, scheduledAt }: SummaryUpdate): SqlRow {
  if (ended === null) return [null, null, null, null, null, scheduledAt, jobId]
  const { executionId, fireAt, seq, timeline } = ended
  return [executionId, fireAt, seq, placeOf(ended), timeline.endedAt, scheduledAt, jobId]
}

export const sendColumns = 'e.n, e.nextSendAt, e.tries, e.id, j.id, o.id, e.jobType, e.version, e.fireAt, e.body'
type SendRow = [
  n: number,
  nextSendAt: number,
  tries: number,
  executionId: string,
  jobId: string,
  ownerId: string,
  jobType: string,
  version: number,
  fireAt: number,
  body: string,
]

export function readSend(columns: SqlRow): DueSend {
  const [handle, nextSendAt, tries, executionId, jobId, ownerId, jobType, version, fireAt, body] =
    columns as unknown as SendRow
  const { cause, plannedAt, expiresAt, priority, policy, params } = JSON.parse(body) as CommandBody
  const rest = { cause, fireAt, params, policy, priority, expiresAt, ownerId, plannedAt }
  return { handle, nextSendAt, tries, command: { jobId, jobType, executionId, version, ...rest } }
}
