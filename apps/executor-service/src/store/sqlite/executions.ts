import { type ExecutionState, executionStates } from '@belfry/contracts'
import type { Call, Database, SqlRow } from '@belfry/storage'
import { type Execution, recordedStart } from '../../domain/execution.ts'
import type { ExecutionStore, OpenState, Swap } from '../../domain/ports.ts'
import { createDueQueries } from './due.ts'
import {
  changesOutcome,
  columnsWithoutParams,
  commandText,
  doubtAt,
  idNumber,
  outcomeText,
  poolNumber,
  stateNumber,
  storedColumns,
  storedOf,
} from './execution-row.ts'

const from = 'FROM executions e LEFT JOIN outcomes o ON o.n = e.n'
/** Jobs may share a number, so the id has the last word. */
const isOfJob = "e.command ->> '$.jobId' = ?"

/** A job's executions of one state in order of `n`, for the parameters job number, job, after and limit. */
function openOf(state: OpenState, columns = 'e.n'): string {
  return `SELECT ${columns} FROM executions e INDEXED BY ofJob LEFT JOIN outcomes o ON o.n = e.n
    WHERE e.jobNo = ?1 AND e.state < 2 AND e.state = ${stateNumber(state)} AND e.n > ?3 AND e.command ->> '$.jobId' = ?2
    ORDER BY e.n LIMIT ?4`
}

function prepare(db: Database) {
  return {
    insert: db.statement(`INSERT INTO executions
      (id, jobNo, ownerNo, state, pool, priority, runAt, seq, epoch, owner, startedAt, cancelRequested, changedAt, command)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?) ON CONFLICT (id) DO NOTHING RETURNING n`),
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
    abandoned: db.statement(`SELECT ${storedColumns} ${from} WHERE e.state < 2 AND e.state = 1
      AND e.owner NOT IN (SELECT instance FROM executors WHERE gone = 0) LIMIT ?`),
    openOf: db.statement(`SELECT ${columnsWithoutParams} FROM (SELECT * FROM (${openOf('ready')})
        UNION ALL SELECT * FROM (${openOf('running')}) ORDER BY n LIMIT ?4) p
      JOIN executions e ON e.n = p.n LEFT JOIN outcomes o ON o.n = p.n ORDER BY p.n`),
    readyOf: db.statement(openOf('ready', columnsWithoutParams)),
    runningOf: db.statement(openOf('running', columnsWithoutParams)),
    doubtfulOf: db.statement(
      `SELECT ${columnsWithoutParams} ${from} WHERE e.jobNo = ? AND ${isOfJob} AND e.doubtAt IS NOT NULL
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
    unpublished: db.statement(`SELECT ${columnsWithoutParams} FROM outbox x JOIN executions e ON e.n = x.n
      LEFT JOIN outcomes o ON o.n = x.n ORDER BY x.n LIMIT ?`),
    markPublished: db.statement('DELETE FROM outbox WHERE n = ? AND seq <= ?'),
    // The newest row stays: SQLite would give its number to the next execution, and a run that was given up may still use it.
    ended: db.statement(`SELECT e.n, e.seq, e.state, e.changedAt, x.n IS NULL
      FROM executions e INDEXED BY ended LEFT JOIN outbox x ON x.n = e.n
      WHERE e.state > 1 AND e.changedAt < ? AND (e.changedAt, e.n) > (?, ?) AND e.n < (SELECT max(n) FROM executions)
      ORDER BY e.changedAt, e.n LIMIT ?`),
    purge: db.statement(`DELETE FROM executions WHERE n = ? AND seq = ? AND state > 1
      AND NOT EXISTS (SELECT 1 FROM outbox x WHERE x.n = executions.n)`),
    purgeRest: [
      'DELETE FROM outcomes WHERE n = ?1',
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
function swapCalls(statements: Statements, { handle, from: before, to }: Swap, at: number): Call[] {
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
  const where = [handle, before.seq, before.epoch, stateNumber(before.state)]
  const isReplaced = before.version !== to.version
  const row: Call = isReplaced
    ? {
        statement: statements.replace,
        params: [...columns, poolNumber(to.pool), to.priority, commandText(to), ...where],
      }
    : { statement: statements.swap, params: [...columns, ...where] }
  if (!changesOutcome(before, to)) return [row]
  return [row, { statement: statements.outcome, params: [handle, outcomeText(to)] }]
}

const storedOrNot = (row: SqlRow | undefined) => row && storedOf(row)

/** The executions in SQLite. `INDEXED BY` keeps a query from falling back to a walk through the whole table unnoticed. */
export function createExecutionStore(db: Database): ExecutionStore {
  const statements = prepare(db)
  return {
    ...createDueQueries(db),
    async insert(executions, at) {
      const commands = executions.map(commandText)
      const rows = executions.map((one, index) => insertRow(one, commands[index] as string, at))
      const inserted = await db.writeEach('executions.insert', statements.insert, rows)
      return executions.map((execution, index) => {
        const row = inserted[index]
        return row && { handle: row[0] as number, execution, size: (commands[index] as string).length }
      })
    },
    async swap(step, swaps, at) {
      const calls = swaps.map((one) => swapCalls(statements, one, at))
      const results = await db.write(`executions.${step}`, calls.flat())
      let place = 0
      return calls.map((ofOne) => {
        const isChanged = results[place]?.changes === 1
        place += ofOne.length
        return isChanged
      })
    },
    async find(ids) {
      const rows = await db.readEach(
        statements.find,
        ids.map((id) => [id]),
      )
      return rows.map(storedOrNot)
    },
    async statesOf(ids) {
      const rows = await db.readEach(
        statements.stateOf,
        ids.map((id) => [id]),
      )
      return rows.map((row) => row && executionStates[row[0] as number])
    },
    async read(handles) {
      const rows = await db.readEach(
        statements.read,
        handles.map((handle) => [handle]),
      )
      return rows.map(storedOrNot)
    },
    async hasReady() {
      return (await db.read(statements.hasReady, [])).length > 0
    },
    async heldBy(owner) {
      const rows = await db.read(statements.heldBy, [owner])
      return rows.map(([n, epoch, cancelRequested]) => ({
        handle: n as number,
        epoch: epoch as number,
        cancelRequested: cancelRequested === 1,
      }))
    },
    async abandoned(limit) {
      return (await db.read(statements.abandoned, [limit])).map(storedOf)
    },
    async openOf(jobId, state, after, limit) {
      const statement = state === null ? statements.openOf : statements[`${state}Of`]
      return (await db.read(statement, [idNumber(jobId), jobId, after, limit])).map(storedOf)
    },
    async doubtfulOf(jobId, since) {
      return (await db.read(statements.doubtfulOf, [idNumber(jobId), jobId, since])).map(storedOf)
    },
    async republish(stored) {
      await db.writeEach(
        'executions.republish',
        statements.mark,
        stored.map((one) => [one.handle]),
      )
    },
    async changes(since, after, limit) {
      const place = [since, after, limit]
      const rows = await db.read(statements.changes, [...place, ...place, limit])
      return rows.map(([n, id, seq, changedAt]) => ({
        n: n as number,
        id: id as string,
        seq: seq as number,
        changedAt: changedAt as number,
      }))
    },
    async unpublished(limit) {
      return (await db.read(statements.unpublished, [limit])).map(storedOf)
    },
    async markPublished(rows) {
      await db.writeEach(
        'outbox.mark',
        statements.markPublished,
        rows.map(({ n, seq }) => [n, seq]),
      )
    },
    async ended(before, after, limit) {
      const rows = await db.read(statements.ended, [before, after.changedAt, after.handle, limit])
      return rows.map(([n, seq, state, changedAt, isPublished]) => ({
        handle: n as number,
        seq: seq as number,
        state: executionStates[state as number] as ExecutionState,
        changedAt: changedAt as number,
        isPublished: isPublished === 1,
      }))
    },
    async purge(rows) {
      if (rows.length === 0) return 0
      const calls = rows.map(({ handle, seq }): Call[] => [
        { statement: statements.purge, params: [handle, seq] },
        ...statements.purgeRest.map((statement) => ({ statement, params: [handle] })),
      ])
      const results = await db.write('executions.purge', calls.flat())
      const perRow = 1 + statements.purgeRest.length
      return results.filter(({ changes }, place) => place % perRow === 0 && changes === 1).length
    },
  }
}
