import type { Database } from '@belfry/storage/sqlite'
import type { OpenState } from '../ports.ts'
import { stateNumber, storedColumns } from './execution-row.ts'

/** What belongs to a row and stands apart from it. */
const beside = 'LEFT JOIN outcomes o ON o.n = e.n LEFT JOIN largeParams p ON p.n = e.n'
const from = `FROM executions e ${beside}`
const ofOutbox = `FROM outbox x JOIN executions e ON e.n = x.n ${beside}`
/** Jobs may share a number, so the id is compared too. */
const isOfJob = "e.command ->> '$.jobId' = ?"

/** Of a row: what it was given with its last change, or, in a file of the time before change numbers, its own number. */
const changeNo = 'coalesce(changeNo, n)'
const newestEnded = `SELECT max(${changeNo}) FROM executions INDEXED BY changes WHERE state > 1`
/** Walks through all that is open: for the start of a process. */
export const newestChange = `SELECT max(coalesce((${newestEnded}), 0),
  coalesce((SELECT max(${changeNo}) FROM executions INDEXED BY live WHERE state < 2), 0))`

/** A job's executions of one state in order of `n`, for the parameters job number, job, after and limit. */
function openOf(state: OpenState, columns = 'e.n'): string {
  return `SELECT ${columns} FROM executions e INDEXED BY ofJob ${beside}
    WHERE e.jobNo = ?1 AND e.state < 2 AND e.state = ${stateNumber(state)} AND e.n > ?3 AND e.command ->> '$.jobId' = ?2
    ORDER BY e.n LIMIT ?4`
}

const insert = `INSERT INTO executions
  (id, jobNo, ownerNo, shard, state, pool, priority, runAt, seq, epoch, owner, startedAt, cancelRequested, changedAt, command, changeNo, expiryAt)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`

/** The statements over the executions. `INDEXED BY` keeps a query from falling back to a walk through the table unnoticed. */
export function prepareStatements(db: Database) {
  return {
    insert: db.statement(insert),
    // With statements after it, which ask for what it has changed.
    insertFirst: db.statement(`${insert} RETURNING n`),
    // After a statement that changed the row, and only then.
    insertParams: db.statement(`INSERT INTO largeParams (n, size, body)
      SELECT n, ?, ? FROM executions WHERE id = ? AND changes() = 1`),
    insertOutcome: db.statement(`INSERT INTO outcomes (n, body)
      SELECT n, ? FROM executions WHERE id = ? AND changes() = 1`),
    setParams: db.statement(`INSERT INTO largeParams (n, size, body) SELECT ?, ?, ? WHERE changes() = 1
      ON CONFLICT (n) DO UPDATE SET size = excluded.size, body = excluded.body`),
    dropParams: db.statement('DELETE FROM largeParams WHERE n = ? AND changes() = 1'),
    params: db.statement(`SELECT coalesce(p.body, e.command ->> '$.params') FROM executions e
      LEFT JOIN largeParams p ON p.n = e.n WHERE e.n = ?`),
    quarantine: db.statement('UPDATE executions SET runAt = ? WHERE n = ? AND state = 0'),
    swap: db.statement(`UPDATE executions SET state = ?, runAt = ?, seq = ?, epoch = ?, owner = ?, startedAt = ?,
      cancelRequested = ?, changedAt = ?, doubtAt = ?, changeNo = ?, expiryAt = ?, pool = ? WHERE n = ? AND seq = ? AND epoch = ? AND state = ?`),
    replace: db.statement(`UPDATE executions SET state = ?, runAt = ?, seq = ?, epoch = ?, owner = ?, startedAt = ?,
      cancelRequested = ?, changedAt = ?, doubtAt = ?, changeNo = ?, expiryAt = ?, pool = ?, priority = ?, command = ?
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
        SELECT ${changeNo} AS no, id, seq FROM executions INDEXED BY changes WHERE state > 1 AND ${changeNo} > ?1
        ORDER BY ${changeNo} LIMIT ?2)
      UNION ALL SELECT * FROM (
        SELECT ${changeNo} AS no, id, seq FROM executions INDEXED BY live WHERE state < 2 AND ${changeNo} > ?1
        ORDER BY ${changeNo} LIMIT ?2)) ORDER BY no LIMIT ?2`),
    unpublished: db.statement(`SELECT ${storedColumns} ${ofOutbox} ORDER BY x.n LIMIT ?`),
    unpublishedOfShare: db.statement(`SELECT ${storedColumns} ${ofOutbox}
      WHERE e.shard % ? = ? OR e.changedAt <= ? ORDER BY x.n LIMIT ?`),
    markPublished: db.statement('DELETE FROM outbox WHERE n = ? AND seq <= ?'),
    ended: db.statement(`SELECT e.n, e.seq, e.state, e.changedAt, x.n IS NULL
      FROM executions e INDEXED BY ended LEFT JOIN outbox x ON x.n = e.n
      WHERE e.state > 1 AND e.changedAt < ? AND (e.changedAt, e.n) > (?, ?)
      ORDER BY e.changedAt, e.n LIMIT ?`),
    // The newest row stays: SQLite would give its number to the next execution, and an attempt that was given up may still use it.
    // So does the one that ended last: its change number may be the newest.
    purge:
      db.statement(`DELETE FROM executions WHERE n = ? AND seq = ? AND state > 1 AND n < (SELECT max(n) FROM executions)
      AND ${changeNo} < (${newestEnded}) AND NOT EXISTS (SELECT 1 FROM outbox x WHERE x.n = executions.n)`),
    purgeRest: [
      'DELETE FROM outcomes WHERE n = ?1',
      'DELETE FROM largeParams WHERE n = ?1',
      'DELETE FROM logs WHERE execution = ?1',
      'DELETE FROM artifacts WHERE execution = ?1',
    ].map((sql) => db.statement(`${sql} AND NOT EXISTS (SELECT 1 FROM executions e WHERE e.n = ?1)`)),
  }
}

export type Statements = ReturnType<typeof prepareStatements>
