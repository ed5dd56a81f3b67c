import type { Database, SqlRow } from '@belfry/storage/sqlite'
import type { Admission } from '../../admission/admission.ts'
import type { AdmissionStore } from '../ports.ts'
import { idNumber } from './execution-row.ts'

type Body = Pick<Admission, 'minVersion' | 'floors' | 'places'>

function admissionOf(row: SqlRow): Admission {
  const [, jobId, rev, unsettled, body] = row as [number, string, number, number, string]
  return { jobId, rev, unsettled, ...(JSON.parse(body) as Body) }
}

/** The admissions in SQLite: one row per job that has ever been fenced or held an overlap place. */
export function createAdmissionStore(db: Database): AdmissionStore {
  const read = db.statement('SELECT n, jobId, rev, unsettled, body FROM admissions WHERE jobId = ?')
  const put = db.statement(`INSERT INTO admissions (jobId, rev, neededAt, unsettled, body) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (jobId) DO UPDATE SET rev = excluded.rev, neededAt = excluded.neededAt,
      unsettled = excluded.unsettled, body = excluded.body
    WHERE rev = ? RETURNING n`)
  const unsettled = db.statement(`SELECT n, jobId, rev, unsettled, body FROM admissions INDEXED BY unsettledAdmissions
    WHERE unsettled > 0 AND n > ? ORDER BY n LIMIT ?`)
  const touch = db.statement('UPDATE admissions SET neededAt = ?1 WHERE jobId = ?2 AND neededAt < ?1')
  const page = db.statement('SELECT n, jobId, rev, neededAt FROM admissions WHERE n > ? ORDER BY n LIMIT ?')
  const purge = db.statement(`DELETE FROM admissions WHERE n = ? AND rev = ? AND neededAt = ?
    AND NOT EXISTS (SELECT 1 FROM executions WHERE jobNo = ? AND state < 2) RETURNING n`)

  return {
    async read(jobIds) {
      const rows = await db.readEach(
        read,
        jobIds.map((jobId) => [jobId]),
      )
      return rows.map((row) => row && admissionOf(row))
    },
    async compareAndSetMany(step, changes, at) {
      const rows = changes.map(({ from, to: { jobId, rev, minVersion, floors, places, unsettled } }) => {
        const body: Body = { minVersion, floors, places }
        return [jobId, rev, at, unsettled, JSON.stringify(body), from.rev]
      })
      return (await db.writeEach(`admissions.${step}`, put, rows)).map((row) => row !== undefined)
    },
    async listUnsettled(after, limit) {
      const rows = await db.read(unsettled, [after, limit])
      return rows.map((row) => ({ rowId: row[0] as number, admission: admissionOf(row) }))
    },
    async touch(jobIds, at) {
      await db.writeEach(
        'admissions.touch',
        touch,
        jobIds.map((jobId) => [at, jobId]),
      )
    },
    async list(after, limit) {
      const rows = await db.read(page, [after, limit])
      return rows.map((row) => {
        const [n, jobId, rev, neededAt] = row as [number, string, number, number]
        return { rowId: n, jobId, rev, neededAt }
      })
    },
    async purgeMany(rows) {
      if (rows.length === 0) return 0
      const params = rows.map(({ rowId: n, jobId, rev, neededAt }) => [n, rev, neededAt, idNumber(jobId)])
      return (await db.writeEach('admissions.purge', purge, params)).filter((row) => row !== undefined).length
    },
  }
}
