import { badChangesCursor, type ExecutionState, executionStates, paramsSize } from '@belfry/contracts'
import type { OnUnreadable } from '@belfry/storage'
import {
  type Call,
  changeCursor,
  type Database,
  readBounded,
  readChangePosition,
  readRow,
  readRows,
  type SqlRow,
} from '@belfry/storage/sqlite'
import { type Execution, executionSize, hasLargeParams, recordedStart } from '../../executions/execution.ts'
import type { ExecutionStore, ExecutionUpdate, OpenState, RowId, Stored } from '../ports.ts'
import { shardOf } from '../shard.ts'
import { createDueQueries } from './due.ts'
import {
  changesOutcome,
  commandText,
  doubtAt,
  idNumber,
  largeParamsText,
  outcomeText,
  poolNumber,
  stateNumber,
  storedColumns,
  storedOf,
} from './execution-row.ts'
import { nextOf } from './pages.ts'

/** What belongs to a row and stands apart from it. */
const beside = 'LEFT JOIN outcomes o ON o.n = e.n LEFT JOIN largeParams p ON p.n = e.n'
const from = `FROM executions e ${beside}`
/** Jobs may share a number, so the id is compared too. */
const isOfJob = "e.command ->> '$.jobId' = ?"

/** A job's executions of one state in order of `n`, for the parameters job number, job, after and limit. */
function openOf(state: OpenState, columns = 'e.n'): string {
  return `SELECT ${columns} FROM executions e INDEXED BY ofJob ${beside}
    WHERE e.jobNo = ?1 AND e.state < 2 AND e.state = ${stateNumber(state)} AND e.n > ?3 AND e.command ->> '$.jobId' = ?2
    ORDER BY e.n LIMIT ?4`
}

function prepare(db: Database) {
  return {
    insert: db.statement(`INSERT INTO executions
      (id, jobNo, ownerNo, shard, state, pool, priority, runAt, seq, epoch, owner, startedAt, cancelRequested, changedAt, command)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?) ON CONFLICT (id) DO NOTHING RETURNING n`),
    // After a statement that changed the row, and only then.
    insertParams: db.statement(`INSERT INTO largeParams (n, size, body)
      SELECT n, ?, ? FROM executions WHERE id = ? AND changes() = 1`),
    setParams: db.statement(`INSERT INTO largeParams (n, size, body) SELECT ?, ?, ? WHERE changes() = 1
      ON CONFLICT (n) DO UPDATE SET size = excluded.size, body = excluded.body`),
    dropParams: db.statement('DELETE FROM largeParams WHERE n = ? AND changes() = 1'),
    params: db.statement(`SELECT coalesce(p.body, e.command ->> '$.params') FROM executions e
      LEFT JOIN largeParams p ON p.n = e.n WHERE e.n = ?`),
    quarantine: db.statement('UPDATE executions SET runAt = ? WHERE n = ? AND state = 0'),
    swap: db.statement(`UPDATE executions SET state = ?, runAt = ?, seq = ?, epoch = ?, owner = ?, startedAt = ?,
      cancelRequested = ?, changedAt = ?, doubtAt = ? WHERE n = ? AND seq = ? AND epoch = ? AND state = ?`),
    replace: db.statement(`UPDATE executions SET state = ?, runAt = ?, seq = ?, epoch = ?, owner = ?, startedAt = ?,
      cancelRequested = ?, changedAt = ?, doubtAt = ?, pool = ?, priority = ?, command = ?
      WHERE n = ? AND seq = ? AND epoch = ? AND state = ?`),
    outcome: db.statement(`INSERT INTO outcomes (n, body) SELECT ?, ? WHERE changes() = 1
      ON CONFLICT (n) DO UPDATE SET body = excluded.body`),
    find: db.statement(`SELECT ${storedColumns} ${from} WHERE e.id = ?`),
    stateOf: db.statement('SELECT state FROM executions WHERE id = ?'),
    read: db.statement(`SELECT ${storedColumns} ${from} WHERE e.n = ?`),
    hasReady: db.statement('SELECT n FROM executions WHERE state < 2 AND state = 0 LIMIT 1'),
    heldBy: db.statement(
      'SELECT n, epoch, cancelRequested FROM executions WHERE state < 2 AND state = 1 AND owner = ?',
    ),
    hasOpen: db.statement(
      `SELECT 1 FROM executions e INDEXED BY ofJob WHERE e.jobNo = ? AND e.state < 2 AND ${isOfJob} LIMIT 1`,
    ),
    runningOwners: db.statement('SELECT DISTINCT owner FROM executions WHERE state < 2 AND state = 1'),
    runningOf: db.statement(`SELECT ${storedColumns} ${from} WHERE e.state < 2 AND e.state = 1
      AND e.owner IN (SELECT value FROM json_each(?)) LIMIT ?`),
    listOpen: db.statement(`SELECT ${storedColumns} FROM (SELECT * FROM (${openOf('ready')})
        UNION ALL SELECT * FROM (${openOf('running')}) ORDER BY n LIMIT ?4) page
      JOIN executions e ON e.n = page.n ${beside} ORDER BY page.n`),
    listReady: db.statement(openOf('ready', storedColumns)),
    listRunning: db.statement(openOf('running', storedColumns)),
    doubtfulOf: db.statement(
      `SELECT ${storedColumns} ${from} WHERE e.jobNo = ? AND ${isOfJob} AND e.doubtAt IS NOT NULL
        AND e.doubtAt >= ?`,
    ),
    mark: db.statement(`INSERT INTO outbox (n, seq) SELECT n, seq FROM executions WHERE n = ?
      ON CONFLICT (n) DO NOTHING`),
    changes: db.statement(`SELECT * FROM (SELECT * FROM (
        SELECT n, id, seq, changedAt FROM executions INDEXED BY ended WHERE state > 1 AND (changedAt, n) > (?, ?)
        ORDER BY changedAt, n LIMIT ?)
      UNION ALL SELECT * FROM (
        SELECT n, id, seq, changedAt FROM executions INDEXED BY live WHERE state < 2 AND (changedAt, n) > (?, ?)
        ORDER BY changedAt, n LIMIT ?)) ORDER BY changedAt, n LIMIT ?`),
    unpublished: db.statement(`SELECT ${storedColumns} FROM outbox x JOIN executions e ON e.n = x.n
      LEFT JOIN outcomes o ON o.n = x.n LEFT JOIN largeParams p ON p.n = x.n ORDER BY x.n LIMIT ?`),
    markPublished: db.statement('DELETE FROM outbox WHERE n = ? AND seq <= ?'),
    ended: db.statement(`SELECT e.n, e.seq, e.state, e.changedAt, x.n IS NULL
      FROM executions e INDEXED BY ended LEFT JOIN outbox x ON x.n = e.n
      WHERE e.state > 1 AND e.changedAt < ? AND (e.changedAt, e.n) > (?, ?)
      ORDER BY e.changedAt, e.n LIMIT ?`),
    // The newest row stays: SQLite would give its number to the next execution, and an attempt that was given up may still use it.
    purge:
      db.statement(`DELETE FROM executions WHERE n = ? AND seq = ? AND state > 1 AND n < (SELECT max(n) FROM executions)
      AND NOT EXISTS (SELECT 1 FROM outbox x WHERE x.n = executions.n)`),
    purgeRest: [
      'DELETE FROM outcomes WHERE n = ?1',
      'DELETE FROM largeParams WHERE n = ?1',
      'DELETE FROM logs WHERE execution = ?1',
      'DELETE FROM artifacts WHERE execution = ?1',
    ].map((sql) => db.statement(`${sql} AND NOT EXISTS (SELECT 1 FROM executions e WHERE e.n = ?1)`)),
  }
}

type Statements = ReturnType<typeof prepare>

function insertRow(execution: Execution, command: string, at: number): SqlRow {
  return [
    execution.id,
    idNumber(execution.jobId),
    idNumber(execution.ownerId),
    shardOf(execution.id),
    stateNumber(execution.state),
    poolNumber(execution.pool),
    execution.priority,
    execution.runAt,
    execution.seq,
    execution.epoch,
    execution.owner,
    recordedStart(execution),
    at,
    command,
  ]
}

/** The statements of one compare-and-set: the row, and its outcome if the row was changed. */
function swapCalls(statements: Statements, { rowId, from: before, to }: ExecutionUpdate, at: number): Call[] {
  const columns = [
    stateNumber(to.state),
    to.runAt,
    to.seq,
    to.epoch,
    to.owner,
    recordedStart(to),
    to.cancelRequested ? 1 : 0,
    at,
    doubtAt(to),
  ]
  const where = [rowId, before.seq, before.epoch, stateNumber(before.state)]
  const isReplaced = before.version !== to.version
  const row: Call = isReplaced
    ? {
        statement: statements.replace,
        params: [...columns, poolNumber(to.pool), to.priority, commandText(to), ...where],
      }
    : { statement: statements.swap, params: [...columns, ...where] }
  const calls = [row]
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

/** The executions in SQLite. `INDEXED BY` keeps a query from falling back to a walk through the whole table unnoticed. */
export function createExecutionStore(db: Database, onUnreadable: OnUnreadable): ExecutionStore {
  const statements = prepare(db)
  const table = 'executions'
  const storedOrNot = (row: SqlRow | undefined) => readRow(table, row, storedOf, onUnreadable)
  const allStored = (rows: readonly SqlRow[]) => readRows(table, rows, storedOf, onUnreadable)

  async function insertSmall(executions: readonly Execution[], at: number): Promise<(SqlRow | undefined)[]> {
    const rows = executions.map((one) => insertRow(one, commandText(one), at))
    return [...(await db.writeEach('executions.insert', statements.insert, rows))]
  }

  async function insertLarge(executions: readonly Execution[], at: number): Promise<(SqlRow | undefined)[]> {
    const calls = executions.flatMap((one): Call[] => [
      { statement: statements.insert, params: insertRow(one, commandText(one), at) },
      { statement: statements.insertParams, params: [paramsSize(one.params), largeParamsText(one) ?? '', one.id] },
    ])
    const results = await db.write('executions.insert', calls)
    return executions.map((_, index) => results[2 * index]?.rows[0])
  }

  return {
    ...createDueQueries(db),
    async insertMany(executions, at) {
      const large = executions.filter(hasLargeParams)
      const small = large.length === 0 ? executions : executions.filter((one) => !hasLargeParams(one))
      const [smallRows, largeRows] = await Promise.all([insertSmall(small, at), insertLarge(large, at)])
      return executions.map((execution): Stored | undefined => {
        const row = (hasLargeParams(execution) ? largeRows : smallRows).shift()
        return row && { rowId: row[0] as RowId, execution, size: executionSize(execution) }
      })
    },
    async compareAndSetMany(step, swaps, at) {
      const calls = swaps.map((one) => swapCalls(statements, one, at))
      const results = await db.write(`executions.${step}`, calls.flat())
      let index = 0
      return calls.map((ofOne) => {
        const isChanged = results[index]?.changes === 1
        index += ofOne.length
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
    async listChanges({ limit, ...query }) {
      const position = readChangePosition(query)
      if (position === null) return badChangesCursor
      const params = [...position, limit]
      type Row = [number, string, number, number]
      const rows = (await db.read(statements.changes, [...params, ...params, limit])) as unknown as Row[]
      const last = rows.length === limit ? rows.at(-1) : undefined
      return {
        rows: rows.map(([, id, seq, changedAt]) => ({ id, seq, changedAt })),
        next: last ? changeCursor(last[3], last[0]) : null,
      }
    },
    listUnpublished: (page) => readBounded(db, statements.unpublished, [], page, allStored),
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
