import type { FireDecision } from '@belfry/contracts'
import type { Database } from '@belfry/storage/sqlite'
import type { FireLogStore } from '../ports.ts'

/** The fire log in SQLite. */
export function createFireLogStore(db: Database): FireLogStore {
  const upsertOne = db.statement(
    `INSERT INTO fireLog (jobId, fromAt, decision, toAt, count, reason, version, loggedAt)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (jobId, fromAt, decision) DO UPDATE
     SET toAt = excluded.toAt, count = excluded.count, reason = excluded.reason, version = excluded.version
     WHERE excluded.version > version OR (excluded.version = version AND excluded.count < count)`,
  )
  const selectOfJob = db.statement(
    `SELECT fromAt, toAt, count, decision, reason, version FROM fireLog
     WHERE jobId = ?1 AND (fromAt, decision) < (?2, ?3) AND fromAt <= ?4 AND toAt >= ?5 AND (?6 = '' OR decision = ?6)
     AND count > 0 ORDER BY fromAt DESC, decision DESC LIMIT ?7`,
  )
  const selectMissed = db.statement(
    `SELECT n, loggedAt, jobId, fromAt, toAt, count, reason, version FROM fireLog
     WHERE decision = 'missed' AND (loggedAt, n) > (?, ?) AND count > 0 ORDER BY loggedAt, n LIMIT ?`,
  )
  // Only the ranges that were stored first are looked at: that needs no index on `toAt`.
  const purgeOldest = db.statement(`DELETE FROM fireLog WHERE n IN (
     SELECT n FROM (SELECT n, toAt FROM fireLog ORDER BY n LIMIT ?) WHERE toAt < ?)`)
  return {
    async upsertMany(ranges, loggedAt = 0) {
      const rows = ranges.map(({ jobId, range }) => {
        const { from, to, count, decision, reason, version } = range
        return [jobId, from, decision, to, count, reason, version, loggedAt]
      })
      await db.writeEach('fire-log.upsert', upsertOne, rows)
    },
    async listOfJob(jobId, { limit, after = null, decision = '', from = 0, to = Number.MAX_SAFE_INTEGER }) {
      const position = after ?? { from: Number.MAX_SAFE_INTEGER, decision: '' }
      const rows = await db.read(selectOfJob, [jobId, position.from, position.decision, to, from, decision, limit])
      return rows.map((row) => {
        const [from, to, count, decision, reason, version] = row as [
          number,
          number,
          number,
          FireDecision,
          string,
          number,
        ]
        return { from, to, count, decision, reason, version }
      })
    },
    async listMissed({ at, id }, limit) {
      const rows = await db.read(selectMissed, [at, Number(id), limit])
      return rows.map((row) => {
        type Row = [n: number, loggedAt: number, jobId: string, number, number, number, string, number]
        const [n, loggedAt, jobId, from, to, count, reason, version] = row as Row
        return { at: loggedAt, id: String(n), jobId, range: { from, to, count, decision: 'missed', reason, version } }
      })
    },
    async purge(before, limit) {
      const [result] = await db.write('fire-log.purge', [{ statement: purgeOldest, params: [limit, before] }])
      return result?.changes === limit
    },
  }
}
