import {
  type ExecutionStatus,
  executionStatuses,
  isFinal,
  type JobExecuteMessage,
  type JobStatusMessage,
} from '@belfry/contracts'
import type { RowId } from '@belfry/storage'
import type { SqlRow } from '@belfry/storage/sqlite'
import {
  type Execution,
  type ExecutionDetail,
  type ProgressUpdate,
  plannedDetail,
  statusOf,
} from '../../domain/execution.ts'
import type { DueCommand, ExecutionSummary, ListPosition, Trigger } from '../ports.ts'

const statusAt = (index: number): ExecutionStatus => executionStatuses[index] as ExecutionStatus
const statusNumber = (message: JobStatusMessage): number => executionStatuses.indexOf(statusOf(message))

/**
 * The columns that `readExecution` reads, with the tables under the names e (executions), j (jobs), o (owners). The first
 * two parameters say whether params and result are read (1 or 0). An execution without params of its own has its job's.
 */
export const executionColumns = `e.id, j.id, j.name, o.id, e.jobType, e.version, e.fireAt, e.seq, e.status, e.reason,
  e.ownParams, (SELECT retriedBy FROM retries WHERE n = e.n), e.body, ?2, iif(?2, e.result, NULL), iif(?1, coalesce(e.params, j.params), NULL)`
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
  ownParams: number,
  retriedBy: string | null,
  body: string,
  withResult: number,
  result: string | null,
  params: string | null,
]

/** What `body` holds at seq 0: the command without what is a column. Later it is an `ExecutionDetail`. */
type CommandBody = Pick<JobExecuteMessage, 'cause' | 'plannedAt' | 'expiresAt' | 'priority' | 'policy' | 'retryOf'>

export function readExecution(columns: SqlRow): Execution {
  const [id, jobId, jobName, ownerId, jobType, version, fireAt, seq, status, reason, ...more] =
    columns as unknown as ExecutionRow
  const [ownParams, retriedBy, body, ...long] = more
  const stored: unknown = JSON.parse(body)
  const detail = seq === 0 ? plannedDetail(stored as CommandBody) : (stored as ExecutionDetail)
  const about = { id, jobId, jobName, ownerId, jobType, version, fireAt, seq, status: statusAt(status), reason }
  const [withResult, result, params] = long
  return {
    ...{ ...about, hasOwnParams: ownParams === 1, retriedBy, detail },
    ...(params === null ? {} : { params: JSON.parse(params) }),
    ...(withResult ? { result: result === null ? null : JSON.parse(result) } : {}),
  }
}

/**
 * The last but one is what reading the row costs, bytes: with params and result where the first two parameters are 1. The last one: what
 * filters ask about its job, where the eighth parameter is 1.
 */
export const summaryColumns = `executions.n, jobNo, id, jobType, fireAt, status, endedAt, octet_length(body)
  + iif(?1, coalesce(octet_length(params), (SELECT octet_length(j.params) FROM jobs j WHERE j.n = jobNo)), 0)
  + iif(?2, coalesce(octet_length(result), 0), 0),
  iif(?8, (SELECT json_array(j.name, j.key, json_extract(j.body, '$.tags')) FROM jobs j WHERE j.n = jobNo), NULL)`

function readJobSummary(text: string): ExecutionSummary['job'] {
  const [name, key, tags] = JSON.parse(text) as [string, string | null, string[] | null]
  return { name, key, tags: tags ?? [] }
}

export function readSummary(columns: SqlRow): ExecutionSummary {
  const [rowId, jobRowId, id, jobType, fireAt, status, endedAt, bytes, jobText] = columns as [
    RowId,
    RowId,
    string,
    string,
    number,
    number,
    number | null,
    number,
    string | null,
  ]
  const position = [fireAt, rowId] as readonly number[] as ListPosition
  const about = { rowId, position, bytes, jobRowId, id, jobType, fireAt, status: statusAt(status), endedAt }
  return { ...about, job: jobText === null ? null : readJobSummary(jobText) }
}

/** Texts of a version's params and policy: many triggers share the job's objects (0.15 µs instead of 0.73). */
const texts = new WeakMap<object, string>()

function textOf(value: object): string {
  const known = texts.get(value)
  if (known !== undefined) return known
  const text = JSON.stringify(value)
  texts.set(value, text)
  return text
}

/** What a trigger's insert takes, in its order. */
export function triggerParams({ jobRowId, command, hasOwnParams, reason, nextSendAt }: Trigger): SqlRow {
  const { cause, plannedAt, expiresAt, priority, policy, params, retryOf } = command
  const head = JSON.stringify({ cause, plannedAt, expiresAt, priority, retryOf })
  const body = `${head.slice(0, -1)},"policy":${textOf(policy)}}`
  const about = [command.executionId, command.fireAt, nextSendAt, command.jobType, reason, body]
  return [...about, jobRowId, command.version, hasOwnParams ? 1 : 0, textOf(params)]
}

/** What the insert of a copy takes, in its order. */
export function copyParams(message: JobStatusMessage): SqlRow {
  const { executionId, jobId, fireAt, seq, version, jobType, timeline } = message
  const final = isFinal(message) ? 1 : 0
  const { endedAt } = timeline
  const result = message.result == null ? null : JSON.stringify(message.result)
  return [
    executionId,
    fireAt,
    seq,
    version,
    statusNumber(message),
    endedAt,
    jobType,
    detailText(message),
    jobId,
    final,
    result,
  ]
}

function detailText(message: JobStatusMessage): string {
  const { cause, runAt, epoch, attempts, failures, losses, blockedBy, retryOf } = message
  const { error, artifacts, timeline } = message
  const ended = { error, artifacts, timeline }
  const detail: ExecutionDetail = { cause, runAt, epoch, attempts, failures, losses, blockedBy, retryOf, ...ended }
  return JSON.stringify(detail)
}

/** What the upsert of a job's progress takes, in its order. */
export function progressParams({ jobId, ended, scheduledAt }: ProgressUpdate): SqlRow {
  if (ended === null) return [null, null, null, null, null, scheduledAt, jobId]
  const { executionId, fireAt, seq, timeline } = ended
  return [executionId, fireAt, seq, statusNumber(ended), timeline.endedAt, scheduledAt, jobId]
}

export const dueCommandColumns =
  'e.n, e.nextSendAt, e.tries, e.id, j.id, o.id, e.jobType, e.version, e.fireAt, e.body, e.params'
type DueCommandRow = [
  n: RowId,
  nextSendAt: number,
  tries: number,
  executionId: string,
  jobId: string,
  ownerId: string,
  jobType: string,
  version: number,
  fireAt: number,
  body: string,
  params: string,
]

export function readDueCommand(columns: SqlRow): DueCommand {
  const [rowId, nextAt, tries, executionId, jobId, ownerId, jobType, version, fireAt, body, params] =
    columns as unknown as DueCommandRow
  const { cause, plannedAt, expiresAt, priority, policy, retryOf } = JSON.parse(body) as CommandBody
  const rest = { cause, fireAt, params: JSON.parse(params), policy, priority, expiresAt, ownerId, plannedAt }
  const command = { jobId, jobType, executionId, version, ...rest, ...(retryOf !== undefined && { retryOf }) }
  return { rowId, nextAt, tries, command }
}
