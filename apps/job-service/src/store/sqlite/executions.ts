import type { OnUnreadable, RowId } from '@belfry/storage'
import { type Database, readRows, type SqlRow } from '@belfry/storage/sqlite'
import { newestPerExecution, progressUpdates, type WholeExecution } from '../../domain/execution.ts'
import type { ExecutionStore, ListPosition, LongField } from '../ports.ts'
import { createExecutionLists } from './execution-lists.ts'
import {
  copyParams,
  dueCommandColumns,
  executionColumns,
  progressParams,
  readDueCommand,
  readExecution,
  triggerParams,
} from './execution-rows.ts'
import { afterParams, cursorAfter, isRowOfNumbers } from './positions.ts'

const ownerNo = '(SELECT n FROM owners WHERE id = ?3)'
const selectExecution = `SELECT ${executionColumns} FROM executions e JOIN jobs j ON j.n = e.jobNo
  JOIN owners o ON o.n = e.ownerNo`

/** Whether the new row names an execution that is newer than the stored one. */
const isNewer = `(excluded.executionId IS NOT NULL AND (summaries.executionId IS NULL
  OR (excluded.fireAt, excluded.executionId, excluded.seq) > (summaries.fireAt, summaries.executionId, summaries.seq)))`
const newer = (column: string) => `${column} = iif(${isNewer}, excluded.${column}, summaries.${column})`

function prepare(db: Database) {
  return {
    insertTrigger: db.statement(`INSERT INTO executions (id, jobNo, ownerNo, fireAt, seq, version, status, nextSendAt,
        jobType, reason, body, ownParams, params)
      SELECT ?1, n, ownerNo, ?2, 0, version, 0, ?3, ?4, ?5, ?6, ?9, ?10 FROM jobs WHERE n = ?7 AND version = ?8
      ON CONFLICT DO NOTHING`),
    copy: db.statement(`INSERT INTO executions (id, jobNo, ownerNo, fireAt, seq, version, status, endedAt, jobType, body,
        result)
      SELECT ?1, n, ownerNo, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?11 FROM jobs WHERE id = ?9
      ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, version = excluded.version, status = excluded.status,
        endedAt = excluded.endedAt, jobType = excluded.jobType, body = excluded.body, result = excluded.result,
        params = iif(executions.ownParams, executions.params, NULL), nextSendAt = NULL
      WHERE excluded.seq > executions.seq AND (excluded.version >= executions.version OR ?10)`),
    summarise: db.statement(`INSERT INTO summaries (jobNo, executionId, fireAt, seq, status, endedAt, scheduledAt)
      SELECT n, ?1, ?2, ?3, ?4, ?5, ?6 FROM jobs WHERE id = ?7
      ON CONFLICT (jobNo) DO UPDATE SET ${['executionId', 'fireAt', 'seq', 'status', 'endedAt'].map(newer).join(', ')},
        scheduledAt = max(coalesce(excluded.scheduledAt, summaries.scheduledAt),
          coalesce(summaries.scheduledAt, excluded.scheduledAt))
      WHERE ${isNewer} OR excluded.scheduledAt > coalesce(summaries.scheduledAt, -1)`),
    byId: db.statement(`${selectExecution} WHERE e.id = ?4 AND e.ownerNo = ${ownerNo}`),
    byIdOfAny: db.statement(`${selectExecution} WHERE e.id = ?3`),
    byRowId: db.statement(`${selectExecution} WHERE e.n = ?3`),
    running: db.statement(`SELECT count(*) FROM (SELECT 1 FROM executions INDEXED BY executionsRunning
      WHERE status = 1 AND ownerNo = (SELECT n FROM owners WHERE id = ?) LIMIT ?)`),
    dueCommands: db.statement(`SELECT ${dueCommandColumns} FROM executions e JOIN jobs j ON j.n = e.jobNo
        JOIN owners o ON o.n = e.ownerNo
      WHERE e.nextSendAt <= ? AND (e.nextSendAt, e.n) > (?, ?) ORDER BY e.nextSendAt, e.n LIMIT ?`),
    postpone: db.statement(`UPDATE executions SET nextSendAt = ?, tries = tries + 1 WHERE n = ? AND nextSendAt = ?
      RETURNING n`),
    rowId: db.statement('SELECT n FROM executions WHERE id = ?'),
    command: db.statement(`SELECT ${dueCommandColumns} FROM executions e JOIN jobs j ON j.n = e.jobNo
        JOIN owners o ON o.n = e.ownerNo
      WHERE e.id = ? AND e.seq = 0`),
    retried: db.statement(`INSERT INTO retries (n, retriedBy) SELECT n, ?2 FROM executions WHERE id = ?1
      ON CONFLICT DO NOTHING`),
    markRetried: db.statement('UPDATE executions SET isRetried = 1 WHERE id = ? AND isRetried IS NULL'),
    seq: db.statement('SELECT seq FROM executions WHERE id = ?'),
    // Ids begin with the fire time, before which nothing ends: so the index of ids finds the old ones.
    purge: db.statement(`DELETE FROM executions WHERE n IN (SELECT n FROM executions
      WHERE id < ? AND endedAt < ? AND seq > 0 AND nextSendAt IS NULL ORDER BY id LIMIT ?)`),
  }
}

/** `ExecutionStore` on the tables `executions` and `summaries`. The file belongs to one process, so every share is all of it. */
export function createExecutionStore(db: Database, onUnreadable: OnUnreadable): ExecutionStore {
  const sql = prepare(db)
  const flags = (fields: readonly LongField[]) => [fields.includes('params') ? 1 : 0, fields.includes('result') ? 1 : 0]

  return {
    async insertTrigger(trigger) {
      const [number] = await db.insertEach('executions.trigger', sql.insertTrigger, [triggerParams(trigger)])
      return number !== undefined
    },
    async insertTriggers(triggers) {
      const numbers = await db.insertEach('executions.trigger', sql.insertTrigger, triggers.map(triggerParams))
      return numbers.map((number) => number !== undefined)
    },
    async markRetried(retried) {
      const calls = retried.flatMap(({ id, by }) => [
        { statement: sql.retried, params: [id, by] },
        { statement: sql.markRetried, params: [id] },
      ])
      await db.write('executions.retried', calls)
    },
    async applyStatuses(messages) {
      // The thread works calls off in the order in which they were sent: an execution is never behind the progress that names it.
      await Promise.all([
        db.writeEach('executions.copy', sql.copy, newestPerExecution(messages).map(copyParams)),
        db.writeEach('summaries.raise', sql.summarise, progressUpdates(messages).map(progressParams)),
      ])
    },
    async find(ownerId, id) {
      const [row] = await db.read(sql.byId, [1, 1, ownerId, id])
      return row && (readExecution(row) as WholeExecution)
    },
    async findById(id) {
      const [row] = await db.read(sql.byIdOfAny, [1, 1, id])
      return row && (readExecution(row) as WholeExecution)
    },
    async readMany(rowIds, fields) {
      const rows = await db.readEach(
        sql.byRowId,
        rowIds.map((rowId) => [...flags(fields), rowId]),
      )
      return rows.map((row) => row && readExecution(row))
    },
    async readRowIds(ids) {
      const rows = await db.readEach(
        sql.rowId,
        ids.map((id) => [id]),
      )
      return rows.map((row) => row?.[0] as RowId | undefined)
    },
    async readCommand(id) {
      const [row] = await db.read(sql.command, [id])
      return row && readDueCommand(row).command
    },
    listSummaries: createExecutionLists(db),
    async countRunning(ownerId, limit) {
      const [row] = await db.read(sql.running, [ownerId, limit])
      return Number(row?.[0] ?? 0)
    },
    isPosition: (value): value is ListPosition => isRowOfNumbers(value, 2),
    async listDueCommands(until, page, _share, after) {
      const params = [until, ...afterParams(after), page.rows]
      const { rows, isCut } = await db.readPage(sql.dueCommands, params, page.bytes)
      const hasMore = isCut || rows.length === page.rows
      const due = readRows('executions', rows, readDueCommand, onUnreadable)
      return { rows: due, next: hasMore ? cursorAfter(rows.at(-1)) : null }
    },
    async postponeManyIfUnchanged(claims) {
      const params: SqlRow[] = claims.map(({ due, nextSendAt }) => [nextSendAt, due.rowId, due.nextAt])
      const postponed = await db.writeEach('executions.resend', sql.postpone, params)
      return claims.flatMap(({ due }, index) => (postponed[index] ? [due] : []))
    },
    async readSeqs(ids) {
      const rows = await db.readEach(
        sql.seq,
        ids.map((id) => [id]),
      )
      return rows.map((row) => row?.[0] as number | undefined)
    },
    async purgeEnded(before, limit) {
      const params = [`exe-${before.toString(36)}`, before, limit]
      const [result] = await db.write('executions.purge', [{ statement: sql.purge, params }])
      return result?.changes === limit
    },
  }
}
