import { isEnded } from '@belfry/contracts'
import type { RowId } from '@belfry/storage'
import { shardOf } from '@belfry/storage'
import { type Execution, executionSize, recordedStart, startsUntil } from '../../executions/execution.ts'
import { changesOutcome, commandText, doubtAt, emptyOutcomeText, executionOf, outcomeText } from '../execution-text.ts'
import type { Stored } from '../ports.ts'
import { endedKey, keyWithin, readyKey, runningKey, timeText, typeKey } from './keys.ts'
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

/** Of a record that is in the indexes by type or by expiry, or was: hardly any is. */
function rareFields(from: Execution | null, to: Execution): Partial<ExecutionRecord> {
  const { id, state, pool, jobType, runAt } = to
  const isReady = state === 'ready'
  const isOther = pool === 'other' || from?.pool === 'other'
  const expires = (to.expiresAt ?? from?.expiresAt ?? null) !== null
  return {
    ...(isOther && { otherOf: isReady && pool === 'other' ? typeKey(jobType, runAt, id) : null }),
    ...(expires && { expiryAt: isReady ? startsUntil(to) : null }),
  }
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
    ...rareFields(null, execution),
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
    ...rareFields(from, to),
    ...(from.pool !== to.pool && { pool: to.pool }),
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
