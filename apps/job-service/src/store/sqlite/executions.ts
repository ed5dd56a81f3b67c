import type { OnUnreadable } from '@belfry/storage'
import {
  type Database,
  readBounded,
  readRows,
  type SqlRow,
  type SqlValue,
  type Statement,
} from '@belfry/storage/sqlite'
import { newestPerExecution, summaryUpdates, type WholeExecution } from '../../domain/execution.ts'
import type { ExecutionScope, ExecutionStore, LongField, Place } from '../../domain/ports.ts'
import {
  copyParams,
  executionColumns,
  glanceColumns,
  readExecution,
  readGlance,
  readSend,
  sendColumns,
  summaryParams,
  triggerParams,
} from './execution-rows.ts'
import { afterParams } from './repeated-rows.ts'

const ownerNo = '(SELECT n FROM owners WHERE id = ?3)'
const selectExecution = `SELECT ${executionColumns} FROM executions e JOIN jobs j ON j.n = e.jobNo
  JOIN owners o ON o.n = e.ownerNo`

/** By one index each, newest fire time first; the row number parts what is due at the same millisecond. */
const glanceOf = (scope: string) => `SELECT ${glanceColumns} FROM executions
  WHERE ${scope} AND (fireAt, n) < (?4, ?5) ORDER BY fireAt DESC, n DESC LIMIT ?6`

/** Whether a summary's new row names an execution, and that is newer than the one which is there. */
const isNewer = `(excluded.executionId IS NOT NULL AND (summaries.executionId IS NULL
  OR (excluded.fireAt, excluded.executionId, excluded.seq) > (summaries.fireAt, summaries.executionId, summaries.seq)))`
const newer = (column: string) => `${column} = iif(${isNewer}, excluded.${column}, summaries.${column})`

function prepare(db: Database) {
  return {
    insertTrigger: db.statement(`INSERT INTO executions (id, jobNo, ownerNo, fireAt, seq, version, status, nextSendAt,
        jobType, reason, body, ownParams, params)
      SELECT ?1, n, ownerNo, ?2, 0, version, 0, ?3, ?4, ?5, ?6, ?9, ?10 FROM jobs WHERE n = ?7 AND version = ?8
      ON CONFLICT DO NOTHING RETURNING n`),
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
    byHandle: db.statement(`${selectExecution} WHERE e.n = ?3`),
    ofOwner: db.statement(glanceOf(`ownerNo = ${ownerNo}`)),
    failedOfOwner: db.statement(glanceOf(`status = 4 AND ownerNo = ${ownerNo}`)),
    ofJob: db.statement(glanceOf('jobNo = ?3')),
    dueSends: db.statement(`SELECT ${sendColumns} FROM executions e JOIN jobs j ON j.n = e.jobNo
        JOIN owners o ON o.n = e.ownerNo
      WHERE e.nextSendAt <= ? AND (e.nextSendAt, e.n) > (?, ?) ORDER BY e.nextSendAt, e.n LIMIT ?`),
    claimSend: db.statement(`UPDATE executions SET nextSendAt = ?, tries = tries + 1 WHERE n = ? AND nextSendAt = ?
      RETURNING n`),
    seq: db.statement('SELECT seq FROM executions WHERE id = ?'),
    // Ids begin with the fire time, before which nothing ends: so the index of ids finds the old ones.
    purge: db.statement(`DELETE FROM executions WHERE n IN (SELECT n FROM executions
      WHERE id < ? AND endedAt < ? AND seq > 0 AND nextSendAt IS NULL ORDER BY id LIMIT ?)`),
  }
}

/** `ExecutionStore` on the tables `executions` and `summaries`. */
export function createExecutionStore(db: Database, onUnreadable: OnUnreadable): ExecutionStore {
  const sql = prepare(db)
  const flags = (fields: readonly LongField[]) => [fields.includes('params') ? 1 : 0, fields.includes('result') ? 1 : 0]
  const from = (place: Place | null): SqlValue[] => [place?.[0] ?? Number.MAX_SAFE_INTEGER, place?.[1] ?? 0]

  const scoped = (scope: ExecutionScope): [Statement, SqlValue] => {
    if ('job' in scope) return [sql.ofJob, scope.job]
    return ['failed' in scope ? sql.failedOfOwner : sql.ofOwner, scope.ownerId]
  }

  return {
    async insertTrigger(trigger) {
      const [row] = await db.writeEach('executions.trigger', sql.insertTrigger, [triggerParams(trigger)])
      return row !== undefined
    },
    async keep(messages) {
      // Sent in this order in one turn, so the execution is never behind the summary that names it.
      await Promise.all([
        db.writeEach('executions.copy', sql.copy, newestPerExecution(messages).map(copyParams)),
        db.writeEach('summaries.raise', sql.summarise, summaryUpdates(messages).map(summaryParams)),
      ])
    },
    async find(ownerId, id) {
      const [row] = await db.read(sql.byId, [1, 1, ownerId, id])
      return row && (readExecution(row) as WholeExecution)
    },
    async read(handles, fields) {
      const rows = await db.readEach(
        sql.byHandle,
        handles.map((handle) => [...flags(fields), handle]),
      )
      return rows.map((row) => row && readExecution(row))
    },
    async glance(scope, { place, limit, fields }) {
      const [statement, whose] = scoped(scope)
      return (await db.read(statement, [...flags(fields), whose, ...from(place), limit])).map(readGlance)
    },
    dueSends: (until, page, after) =>
      readBounded(db, sql.dueSends, [until, ...afterParams(after)], page, (rows) =>
        readRows('executions', rows, readSend, onUnreadable),
      ),
    async claimSends(claims) {
      const params: SqlRow[] = claims.map(({ send, nextSendAt }) => [nextSendAt, send.handle, send.nextAt])
      const claimed = await db.writeEach('executions.resend', sql.claimSend, params)
      return claims.flatMap(({ send }, place) => (claimed[place] ? [send] : []))
    },
    async seqs(ids) {
      const rows = await db.readEach(
        sql.seq,
        ids.map((id) => [id]),
      )
      return rows.map((row) => row?.[0] as number | undefined)
    },
    async purge(before, limit) {
      const params = [`exe-${before.toString(36)}`, before, limit]
      const [result] = await db.write('executions.purge', [{ statement: sql.purge, params }])
      return result?.changes === limit
    },
  }
}
