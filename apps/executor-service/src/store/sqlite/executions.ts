import { type ExecutionState, executionStates, paramsSize } from '@belfry/contracts'
import type { OnUnreadable } from '@belfry/storage'
import { shardOf } from '@belfry/storage'
import {
  type Call,
  createChangeNumbers,
  type Database,
  nextOf,
  readBounded,
  readRow,
  readRows,
  type SqlRow,
} from '@belfry/storage/sqlite'
import {
  type Execution,
  executionSize,
  hasLargeParams,
  recordedStart,
  startsUntil,
} from '../../executions/execution.ts'
import { changesOutcome, commandText, doubtAt, largeParamsText, outcomeText } from '../execution-text.ts'
import type { ExecutionStore, ExecutionUpdate, RowId, Stored } from '../ports.ts'
import { createDueQueries } from './due.ts'
import { idNumber, poolNumberOf, stateNumber, storedOf } from './execution-row.ts'
import { newestChange, prepareStatements, type Statements } from './execution-statements.ts'

function insertRow(execution: Execution, command: string, at: number, changeNo: number): SqlRow {
  return [
    execution.id,
    idNumber(execution.jobId),
    idNumber(execution.ownerId),
    shardOf(execution.id),
    stateNumber(execution.state),
    poolNumberOf(execution),
    execution.priority,
    execution.runAt,
    execution.seq,
    execution.epoch,
    execution.owner,
    recordedStart(execution),
    execution.cancelRequested ? 1 : 0,
    at,
    command,
    changeNo,
    startsUntil(execution),
  ]
}

/** An execution that has ended when it is stored has an outcome. */
const isStoredApart = (execution: Execution) => hasLargeParams(execution) || execution.endedAt !== null

/** The statements of one insert: the row, and what is stored apart from it if the row was inserted. */
function insertCalls(statements: Statements, execution: Execution, at: number, changeNo: number): Call[] {
  const { id, params, endedAt } = execution
  const calls: Call[] = [
    { statement: statements.insertFirst, params: insertRow(execution, commandText(execution), at, changeNo) },
  ]
  const text = largeParamsText(execution)
  if (text !== null) calls.push({ statement: statements.insertParams, params: [paramsSize(params), text, id] })
  if (endedAt !== null) calls.push({ statement: statements.insertOutcome, params: [outcomeText(execution), id] })
  return calls
}

/** The statements of one compare-and-set: the row, and its outcome if the row was changed. */
function swapCalls(
  statements: Statements,
  { rowId, from: before, to }: ExecutionUpdate,
  at: number,
  changeNo: number,
): Call[] {
  const row: (number | string | null)[] = [
    stateNumber(to.state),
    to.runAt,
    to.seq,
    to.epoch,
    to.owner,
    recordedStart(to),
    to.cancelRequested ? 1 : 0,
    at,
    doubtAt(to),
    changeNo,
    startsUntil(to),
    poolNumberOf(to),
  ]
  const isReplaced = before.version !== to.version
  if (isReplaced) row.push(to.priority, commandText(to))
  row.push(rowId as number, before.seq, before.epoch, stateNumber(before.state))
  const calls: Call[] = [{ statement: isReplaced ? statements.replace : statements.swap, params: row }]
  if (changesOutcome(before, to)) calls.push({ statement: statements.outcome, params: [rowId, outcomeText(to)] })
  if (isReplaced) calls.push(replaceParams(statements, rowId, to))
  return calls
}

/** Comes last: it may change nothing, and what follows it would take that for a lost race. */
function replaceParams(statements: Statements, rowId: RowId, to: Execution): Call {
  const text = largeParamsText(to)
  if (text === null) return { statement: statements.dropParams, params: [rowId] }
  return { statement: statements.setParams, params: [rowId, paramsSize(to.params), text] }
}

/** Earlier than every change. */
const beforeAll = Number.MIN_SAFE_INTEGER

/** No bound: for records that are in memory already. */
const unbounded = Number.MAX_SAFE_INTEGER

/** The executions in SQLite. */
export function createExecutionStore(db: Database, onUnreadable: OnUnreadable): ExecutionStore {
  const statements = prepareStatements(db)
  const changeNumbers = createChangeNumbers(db, newestChange)
  const table = 'executions'
  const storedOrNot = (row: SqlRow | undefined) => readRow(table, row, storedOf, onUnreadable)
  const allStored = (rows: readonly SqlRow[]) => readRows(table, rows, storedOf, onUnreadable)

  async function insertSmall(executions: readonly Execution[], at: number): Promise<(RowId | undefined)[]> {
    const numbers = executions.map(changeNumbers.take)
    const rows = executions.map((one, index) => insertRow(one, commandText(one), at, numbers[index] ?? 0))
    const inserted = await db.insertEach('executions.insert', statements.insert, rows)
    return inserted.map((rowId, index) => noteWritten(rowId as RowId | undefined, numbers[index]))
  }

  /** Those with something that is stored apart from the row. */
  async function insertWhole(executions: readonly Execution[], at: number): Promise<(RowId | undefined)[]> {
    const numbers = executions.map(changeNumbers.take)
    const calls = executions.map((one, index) => insertCalls(statements, one, at, numbers[index] ?? 0))
    const results = await db.write('executions.insert', calls.flat())
    let position = 0
    return calls.map((ofOne, index) => {
      const [row] = results[position]?.rows ?? []
      position += ofOne.length
      return noteWritten(row?.[0] as RowId | undefined, numbers[index])
    })
  }

  function noteWritten(rowId: RowId | undefined, changeNo = 0): RowId | undefined {
    if (rowId !== undefined) changeNumbers.wrote(changeNo)
    return rowId
  }

  return {
    ...createDueQueries(db),
    async insertMany(executions, at) {
      const opened = changeNumbers.opened()
      if (opened) await opened
      const whole = executions.filter(isStoredApart)
      const small = whole.length === 0 ? executions : executions.filter((one) => !isStoredApart(one))
      const [smallRows, wholeRows] = await Promise.all([insertSmall(small, at), insertWhole(whole, at)])
      return executions.map((execution): Stored | undefined => {
        const rowId = (isStoredApart(execution) ? wholeRows : smallRows).shift()
        return rowId === undefined ? undefined : { rowId, execution, size: executionSize(execution) }
      })
    },
    async compareAndSetMany(step, swaps, at) {
      const opened = changeNumbers.opened()
      if (opened) await opened
      const numbers = swaps.map(changeNumbers.take)
      const calls = swaps.map((one, index) => swapCalls(statements, one, at, numbers[index] ?? 0))
      const results = await db.write(`executions.${step}`, calls.flat())
      let position = 0
      return calls.map((ofOne, index) => {
        const isChanged = results[position]?.changes === 1
        position += ofOne.length
        if (isChanged) changeNumbers.wrote(numbers[index] ?? 0)
        return isChanged
      })
    },
    async find(ids, bytes = unbounded) {
      const params = ids.map((id) => [id])
      return (await db.readEachPage(statements.find, params, bytes)).map(storedOrNot)
    },
    async readStates(ids) {
      const rows = await db.readEach(
        statements.stateOf,
        ids.map((id) => [id]),
      )
      return rows.map((row) => row && executionStates[row[0] as number])
    },
    async read(rowIds, bytes = unbounded) {
      const params = rowIds.map((rowId) => [rowId])
      return (await db.readEachPage(statements.read, params, bytes)).map(storedOrNot)
    },
    async readParams(rowIds, bytes) {
      const keys = rowIds.map((rowId) => [rowId])
      const rows = await db.readEachPage(statements.params, keys, bytes)
      const read = (row: SqlRow) => JSON.parse(row[0] as string) as Record<string, unknown>
      const onBad =
        (rowId: RowId | undefined): OnUnreadable =>
        (_table, _row, error) =>
          onUnreadable('largeParams', rowId, error)
      return rows.map((row, index) => readRow('largeParams', row, read, onBad(rowIds[index])))
    },
    async quarantineMany(rowIds, until) {
      const rows = rowIds.map((rowId): SqlRow => [until, rowId])
      await db.writeEach('executions.put-aside', statements.quarantine, rows)
    },
    async hasReady() {
      return (await db.read(statements.hasReady, [])).length > 0
    },
    async listHeld(owner) {
      const rows = await db.read(statements.heldBy, [owner])
      return rows.map(([n, epoch, cancelRequested]) => ({
        rowId: n as RowId,
        epoch: epoch as number,
        cancelRequested: cancelRequested === 1,
      }))
    },
    async hasOpen(jobIds) {
      const params = jobIds.map((jobId) => [idNumber(jobId), jobId])
      return (await db.readEach(statements.hasOpen, params)).map((row) => row !== undefined)
    },
    async listRunningOwners() {
      return (await db.read(statements.runningOwners, [])).map(([owner]) => owner as string)
    },
    listRunningOf: (owners, page) => readBounded(db, statements.runningOf, [JSON.stringify(owners)], page, allStored),
    async listOpen(jobId, state, after, limit) {
      const statement = { ready: statements.listReady, running: statements.listRunning, open: statements.listOpen }[
        state ?? 'open'
      ]
      const rows = await db.read(statement, [idNumber(jobId), jobId, after ?? 0, limit])
      return { rows: rows.map(storedOf), next: nextOf(rows, limit) }
    },
    async listInDoubt(jobId, since) {
      return (await db.read(statements.doubtfulOf, [idNumber(jobId), jobId, since])).map(storedOf)
    },
    async markUnpublished(stored) {
      await db.writeEach(
        'executions.republish',
        statements.mark,
        stored.map((one) => [one.rowId]),
      )
    },
    async listChanges({ after, limit }) {
      await changeNumbers.opened()
      const head = changeNumbers.head()
      type Row = [changeNo: number, id: string, seq: number]
      const rows = (await db.read(statements.changes, [after, limit])) as unknown as Row[]
      return { rows: rows.map(([changeNo, id, seq]) => ({ id, seq, changeNo })), head, hasMore: rows.length === limit }
    },
    listUnpublished: (page, { index, instances, overdueAt }) =>
      instances === 1
        ? readBounded(db, statements.unpublished, [], page, allStored)
        : readBounded(db, statements.unpublishedOfShare, [instances, index, overdueAt], page, allStored),
    async markPublished(states) {
      await db.writeEach(
        'outbox.mark',
        statements.markPublished,
        states.map(({ rowId, seq }) => [rowId, seq]),
      )
    },
    async listEnded(before, after, limit) {
      const rows = await db.read(statements.ended, [before, after?.changedAt ?? beforeAll, after?.rowId ?? 0, limit])
      const ended = rows.map(([n, seq, state, changedAt, isPublished]) => ({
        rowId: n as RowId,
        seq: seq as number,
        state: executionStates[state as number] as ExecutionState,
        changedAt: changedAt as number,
        isPublished: isPublished === 1,
      }))
      const last = rows.length === limit ? ended.at(-1) : undefined
      return { rows: ended, next: last ? { changedAt: last.changedAt, rowId: last.rowId } : null }
    },
    async purgeMany(rows) {
      if (rows.length === 0) return 0
      const calls = rows.map(({ rowId, seq }): Call[] => [
        { statement: statements.purge, params: [rowId, seq] },
        ...statements.purgeRest.map((statement) => ({ statement, params: [rowId] })),
      ])
      const results = await db.write('executions.purge', calls.flat())
      const perRow = 1 + statements.purgeRest.length
      return results.filter(({ changes }, index) => index % perRow === 0 && changes === 1).length
    },
    // What stands apart from a row goes with it in one transaction.
    purgeOrphans: async () => ({ purged: 0, next: null }),
  }
}
