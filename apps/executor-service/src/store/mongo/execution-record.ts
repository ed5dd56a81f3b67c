import { isEnded } from '@belfry/contracts'
import type { RowId } from '@belfry/storage'
import { shardOf } from '@belfry/storage'
import { type Execution, executionSize, recordedStart } from '../../executions/execution.ts'
import { changesOutcome, commandText, doubtAt, emptyOutcomeText, executionOf, outcomeText } from '../execution-text.ts'
import type { Stored } from '../ports.ts'
import { endedKey, keyWithin, readyKey, runningKey, timeText } from './keys.ts'
import type { ExecutionRecord } from './records.ts'

export const rowIdOf = (id: string) => id as unknown as RowId
export const idOf = (rowId: RowId) => rowId as unknown as string

function phaseOf({ id, state, pool, priority, runAt, owner }: Execution, shard: number, at: number): string {
  if (state === 'ready') return readyKey(pool, priority, runAt, shard, id)
  return state === 'running' ? runningKey(owner ?? '', id) : endedKey(at, id)
}

/** What of the record follows from its state. */
function fieldsOfState(execution: Execution, shard: number, at: number, changeNo: number) {
  const { id, jobId, state, runAt, seq, epoch, owner, cancelRequested } = execution
  const ofJob = keyWithin(jobId, id)
  const lostAt = doubtAt(execution)
  return {
    state,
    runAt,
    seq,
    epoch,
    owner,
    startedAt: recordedStart(execution),
    cancelRequested,
    changedAt: at,
    changeNo,
    unpublishedAt: at,
    phase: phaseOf(execution, shard, at),
    openOf: isEnded(state) ? null : ofJob,
    runningOf: state === 'running' ? ofJob : null,
    doubtOf: lostAt === null ? null : keyWithin(jobId, timeText(lostAt), id),
  } satisfies Partial<ExecutionRecord>
}

/** Where large params are stored: their id and size. */
export interface ApartParams {
  readonly paramsId: string | null
  readonly paramsSize: number | null
}

/** What of the record follows from its command. */
function fieldsOfCommand(execution: Execution, params: ApartParams) {
  const { ownerId, pool, priority } = execution
  const command = commandText(execution)
  return { ownerId, pool, priority, command, commandSize: command.length, ...params } satisfies Partial<ExecutionRecord>
}

function fieldsOfOutcome(execution: Execution) {
  const text = outcomeText(execution)
  const outcome = text === emptyOutcomeText ? null : text
  return { outcome, outcomeSize: outcome?.length ?? 0 } satisfies Partial<ExecutionRecord>
}

/** A record that is not stored yet. */
export function newRecord(execution: Execution, params: ApartParams, at: number, changeNo: number): ExecutionRecord {
  const shard = shardOf(execution.id)
  return {
    _id: execution.id,
    jobId: execution.jobId,
    shard,
    ...fieldsOfCommand(execution, params),
    ...fieldsOfState(execution, shard, at, changeNo),
    ...fieldsOfOutcome(execution),
  }
}

/** The fields that a change writes; `params` of a new version's command, null when the version stays. */
export function changedFields(
  from: Execution,
  to: Execution,
  params: ApartParams | null,
  at: number,
  changeNo: number,
): Partial<ExecutionRecord> {
  return {
    ...fieldsOfState(to, shardOf(to.id), at, changeNo),
    ...(params && fieldsOfCommand(to, params)),
    ...(changesOutcome(from, to) && fieldsOfOutcome(to)),
  }
}

/** Throws when the record is not what was written. */
export function storedOf(record: ExecutionRecord): Stored {
  const { _id: id, state, pool, priority, runAt, seq, epoch, owner, startedAt, cancelRequested } = record
  const { command, outcome, paramsSize } = record
  const fields = { id, state, pool, priority, runAt, seq, epoch, owner, startedAt, cancelRequested, command, outcome }
  const execution = executionOf(fields)
  return { rowId: rowIdOf(id), execution, size: executionSize(execution) + (paramsSize ?? 0) }
}
