import { isFinal, type JobExecuteMessage, type JobStatusMessage } from '@belfry/contracts'
import { shardOf } from '@belfry/storage'
import { type Condition, where } from '@belfry/storage/mongo'
import { type Execution, type ExecutionDetail, plannedDetail, statusOf } from '../../domain/execution.ts'
import type { DueCommand, ExecutionSummary, ListPosition, LongField, Trigger } from '../ports.ts'
import type { ExecutionRecord } from './collections.ts'
import { stageOf } from './known.ts'
import { positionOf, rowIdOf } from './positions.ts'

/** What `body` holds at seq 0: the command without the fields of the record. Later it is an `ExecutionDetail`. */
type CommandBody = Pick<JobExecuteMessage, 'cause' | 'plannedAt' | 'expiresAt' | 'priority' | 'policy' | 'retryOf'>

/** The record of a trigger that no job-status has answered. */
export function triggerRecord({ command, hasOwnParams, reason, nextSendAt }: Trigger): ExecutionRecord {
  const { executionId, jobId, ownerId, jobType, fireAt, version } = command
  const { cause, plannedAt, expiresAt, priority, policy, retryOf } = command
  const plan: CommandBody = { cause, plannedAt, expiresAt, priority, policy, ...(retryOf !== undefined && { retryOf }) }
  const body = JSON.stringify(plan)
  const params = JSON.stringify(command.params)
  const paramsBytes = Buffer.byteLength(params)
  return {
    ...{ _id: executionId, jobId, ownerId, jobType, fireAt, seq: 0, version, status: 'SCHEDULED', endedAt: null },
    ...{ reason, nextSendAt, tries: 0, shard: shardOf(executionId), body, params, hasOwnParams },
    ...{ bytes: Buffer.byteLength(body) + paramsBytes, resultBytes: 0, paramsBytes },
  }
}

/** The stored record as far as a job-status needs it. */
export const storedFields = [
  '_id',
  'seq',
  'version',
  'hasOwnParams',
  'paramsBytes',
  'retriedBy',
] as const satisfies (keyof ExecutionRecord)[]
export type StoredExecution = Pick<ExecutionRecord, (typeof storedFields)[number]>

/** Whether the message is newer than what is stored. */
export function isNewer(message: JobStatusMessage, stored: StoredExecution): boolean {
  return message.seq > stored.seq && (message.version >= stored.version || isFinal(message))
}

/** `isNewer` as the condition of a write. */
export function olderThan(message: JobStatusMessage): { seq: Condition<number>; version?: Condition<number> } {
  const seq = where({ $lt: message.seq })
  return isFinal(message) ? { seq } : { seq, version: where({ $lte: message.version }) }
}

function detailText(message: JobStatusMessage): string {
  const { cause, runAt, epoch, attempts, failures, losses, blockedBy, retryOf } = message
  const { error, artifacts, timeline } = message
  const ended = { error, artifacts, timeline }
  const detail: ExecutionDetail = { cause, runAt, epoch, attempts, failures, losses, blockedBy, retryOf, ...ended }
  return JSON.stringify(detail)
}

/** What a message sets in the record; `paramsBytes`: of the params that stay. */
function copyFields(message: JobStatusMessage, paramsBytes: number, isRetried = false) {
  const { jobType, seq, version, ownerId } = message
  const status = statusOf(message)
  const stage = stageOf(message)
  const body = detailText(message)
  const result = message.result == null ? undefined : JSON.stringify(message.result)
  const resultBytes = result === undefined ? 0 : Buffer.byteLength(result)
  return {
    ...{ jobType, seq, version, status, endedAt: message.timeline.endedAt, body, resultBytes, paramsBytes },
    bytes: Buffer.byteLength(body) + resultBytes + paramsBytes,
    ...(status === 'FAILED' && !isRetried && { failedOf: ownerId }),
    ...(stage !== undefined && { stage }),
    ...(result !== undefined && { result }),
  }
}

/** The record of an execution that was not stored before. */
export function copyRecord(message: JobStatusMessage): ExecutionRecord {
  const { executionId, jobId, ownerId, fireAt } = message
  const about = { _id: executionId, jobId, ownerId, fireAt, reason: null, tries: 0, shard: shardOf(executionId) }
  return { ...about, hasOwnParams: false, ...copyFields(message, 0) }
}

/** The update of a stored record: its command is answered, so it keeps only params of its own. */
export function copyUpdate(message: JobStatusMessage, stored: StoredExecution) {
  const paramsBytes = stored.hasOwnParams ? stored.paramsBytes : 0
  const fields = copyFields(message, paramsBytes, stored.retriedBy !== undefined)
  const gone = ['failedOf', 'stage', 'result'].filter((name) => !Object.hasOwn(fields, name))
  const params = stored.hasOwnParams ? [] : ['params']
  const unset = [...gone, ...params, 'nextSendAt'].map((name) => [name, 1])
  return { $set: fields, $unset: Object.fromEntries(unset) as Record<string, 1> }
}

/** The fields that `readExecution` reads. */
export function executionFields(fields: readonly LongField[]): (keyof ExecutionRecord)[] {
  const about = ['_id', 'jobId', 'ownerId', 'jobType', 'version', 'fireAt', 'seq', 'status', 'reason', 'body'] as const
  return [...about, 'hasOwnParams', 'retriedBy', ...fields]
}

/** What is read of an execution's job: its name, and its params where they are asked for. */
export interface JobOfExecution {
  readonly name: string
  /** JSON. */
  readonly params?: string
}

/** An execution without params of its own has its job's. */
export function readExecution(record: ExecutionRecord, job: JobOfExecution, fields: readonly LongField[]): Execution {
  const { _id: id, jobId, ownerId, jobType, version, fireAt, seq, status, reason, body, result } = record
  const stored: unknown = JSON.parse(body)
  const detail = seq === 0 ? plannedDetail(stored as CommandBody) : (stored as ExecutionDetail)
  const params = record.params ?? job.params
  return {
    ...{ id, jobId, jobName: job.name, ownerId, jobType, version, fireAt, seq, status, reason, detail },
    ...{ hasOwnParams: record.hasOwnParams, retriedBy: record.retriedBy ?? null },
    ...(fields.includes('params') && params !== undefined && { params: JSON.parse(params) }),
    ...(fields.includes('result') && { result: result === undefined ? null : JSON.parse(result) }),
  }
}

export const summaryFields = [
  '_id',
  'jobId',
  'jobType',
  'fireAt',
  'status',
  'endedAt',
  'bytes',
  'resultBytes',
  'paramsBytes',
] as const satisfies (keyof ExecutionRecord)[]

/** `jobParamsBytes`: of the job's params, which count where they are asked for and the execution has none of its own. */
export function readSummary(
  record: ExecutionRecord,
  jobParamsBytes: number,
  fields: readonly LongField[],
): Omit<ExecutionSummary, 'job'> {
  const { _id: id, jobId, jobType, fireAt, status, endedAt, bytes, resultBytes, paramsBytes } = record
  const params = fields.includes('params') ? paramsBytes || jobParamsBytes : 0
  const result = fields.includes('result') ? resultBytes : 0
  return {
    rowId: rowIdOf(id),
    position: positionOf<ListPosition>(fireAt, id),
    bytes: bytes - resultBytes - paramsBytes + params + result,
    ...{ jobRowId: rowIdOf(jobId), id, jobType, fireAt, status, endedAt },
  }
}

export const commandFields = [
  '_id',
  'nextSendAt',
  'tries',
  'jobId',
  'ownerId',
  'jobType',
  'version',
  'fireAt',
  'body',
  'params',
] as const satisfies (keyof ExecutionRecord)[]

export function readDueCommand(record: ExecutionRecord): DueCommand {
  const { _id: executionId, nextSendAt = 0, tries, jobId, ownerId, jobType, version, fireAt, body, params } = record
  const { cause, plannedAt, expiresAt, priority, policy, retryOf } = JSON.parse(body) as CommandBody
  const rest = { cause, fireAt, params: JSON.parse(params ?? ''), policy, priority, expiresAt, ownerId, plannedAt }
  return {
    rowId: rowIdOf(executionId),
    nextAt: nextSendAt,
    tries,
    command: { jobId, jobType, executionId, version, ...rest, ...(retryOf !== undefined && { retryOf }) },
  }
}
