import { type Database, type OnUnreadable, readRows, type SqlRow, type SqlValue, type Statement } from '@belfry/storage'
import { newestPerExecution, newestPerJob } from '../../domain/execution.ts'
import type { ExecutionScope, ExecutionStore, Place } from '../../domain/ports.ts'
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

const ownerNo = '(SELECT n FROM owners WHERE id = ?)'
const selectExecution = `SELECT ${executionColumns} FROM executions e JOIN jobs j ON j.n = e.jobNo
  JOIN owners o ON o.n = e.ownerNo`

/** By one index each, newest fire time first; the row number parts what is due at the same millisecond. */
const glanceOf = (scope: string) => `SELECT ${glanceColumns} FROM executions
  WHERE ${scope} AND (fireAt, n) < (?, ?) ORDER BY fireAt DESC, n DESC LIMIT ?`

function prepare(db: Database) {
  return {
    insertTrigger: db.statement(`INSERT INTO executions (id, jobNo, ownerNo, fireAt, seq, version, status, nextSendAt,
        jobType, reason, body)
      SELECT ?1, n, ownerNo, ?2, 0, version, 0, ?3, ?4, ?5, ?6 FROM jobs WHERE n = ?7 AND version = ?8
      ON CONFLICT DO NOTHING RETURNING n`),
    copy: db.statement(`INSERT INTO executions (id, jobNo, ownerNo, fireAt, seq, version, status, endedAt, jobType, body)
      SELECT ?1, n, ownerNo, ?2, ?3, ?4, ?5, ?6, ?7, ?8 FROM jobs WHERE id = ?9
      ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, version = excluded.version, status = excluded.status,
        endedAt = excluded.endedAt, jobType = excluded.jobType, body = excluded.body, nextSendAt = NULL
      WHERE excluded.seq > executions.seq AND (excluded.version >= executions.version OR ?10)`),
    summarise: db.statement(`INSERT INTO summaries (jobNo, executionId, fireAt, seq, status, endedAt)
      SELECT n, ?1, ?2, ?3, ?4, ?5 FROM jobs WHERE id = ?6
      ON CONFLICT (jobNo) DO UPDATE SET executionId = excluded.executionId, fireAt = excluded.fireAt,
        seq = excluded.seq, status = excluded.status, endedAt = excluded.endedAt
      WHERE (excluded.fireAt, excluded.executionId, excluded.seq)
        > (summaries.fireAt, summaries.executionId, summaries.seq)`),
    byId: db.statement(`${selectExecution} WHERE e.id = ? AND e.ownerNo = ${ownerNo}`),
    byHandle: db.statement(`${selectExecution} WHERE e.n = ?`),
    ofOwner: db.statement(glanceOf(`ownerNo = ${ownerNo}`)),
    failedOfOwner: db.statement(glanceOf(`status = 4 AND ownerNo = ${ownerNo}`)),
    ofJob: db.statement(glanceOf('jobNo = ?')),
    dueSends: db.statement(`SELECT ${sendColumns} FROM executions e JOIN jobs j ON j.n = e.jobNo
        JOIN owners o ON o.n = e.ownerNo
      WHERE e.nextSendAt <= ? ORDER BY e.nextSendAt LIMIT ?`),
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
        db.writeEach('summaries.raise', sql.summarise, newestPerJob(messages).map(summaryParams)),
      ])
    },
    async find(ownerId, id) {
      const [row] = await db.read(sql.byId, [id, ownerId])
      return row && readExecution(row)
    },
    async read(handles) {
      const rows = await db.readEach(
        sql.byHandle,
        handles.map((handle) => [handle]),
      )
      return rows.flatMap((row) => (row ? [readExecution(row)] : []))
    },
    async glance(scope, place, limit) {
      const [statement, whose] = scoped(scope)
      return (await db.read(statement, [whose, ...from(place), limit])).map(readGlance)
    },
    async dueSends(now, page) {
      const { rows, isCut } = await db.readPage(sql.dueSends, [now, page.rows], page.bytes)
      const sends = readRows('executions', rows, readSend, onUnreadable)
      return { rows: sends, hasMore: isCut || rows.length === page.rows }
    },
    async claimSends(claims) {
      const params: SqlRow[] = claims.map(({ send, nextSendAt }) => [nextSendAt, send.handle, send.nextSendAt])
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
