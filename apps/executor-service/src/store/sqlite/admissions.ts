import { type Call, type Database, nextOf, type SqlRow } from '@belfry/storage/sqlite'
import type { Admission } from '../../admission/admission.ts'
import type { AdmissionStore, RowId } from '../ports.ts'

/** Earlier versions wrote no `waiting`. */
type Body = Pick<Admission, 'minVersion' | 'floors' | 'places'> & Partial<Pick<Admission, 'waiting'>>

function admissionOf(row: SqlRow): Admission {
  const [, jobId, rev, unsettled, body] = row as [number, string, number, number, string]
  return { jobId, rev, unsettled, waiting: [], ...(JSON.parse(body) as Body) }
}

/** The admissions in SQLite: one row per job that has ever been fenced or held an overlap place. */
export function createAdmissionStore(db: Database): AdmissionStore {
  const read = db.statement('SELECT n, jobId, rev, unsettled, body FROM admissions WHERE jobId = ?')
  const insert = db.statement(`INSERT INTO admissions (rev, neededAt, unsettled, body, jobId) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (jobId) DO NOTHING`)
  const update = db.statement(`UPDATE admissions SET rev = ?, neededAt = ?, unsettled = ?, body = ?
    WHERE jobId = ? AND rev = ?`)
  const unsettled = db.statement(`SELECT n, jobId, rev, unsettled, body FROM admissions INDEXED BY unsettledAdmissions
    WHERE unsettled > 0 AND n > ? ORDER BY n LIMIT ?`)
  const touch = db.statement('UPDATE admissions SET neededAt = ?1 WHERE jobId = ?2 AND neededAt < ?1')
  const page = db.statement('SELECT n, jobId, rev, neededAt FROM admissions WHERE n > ? ORDER BY n LIMIT ?')
  const purge = db.statement(`DELETE FROM admissions WHERE n = ? AND rev = ? AND neededAt = ? RETURNING n`)

  return {
    async read(jobIds) {
      const rows = await db.readEach(
        read,
        jobIds.map((jobId) => [jobId]),
      )
      return rows.map((row) => row && admissionOf(row))
    },
    async compareAndSetMany(step, updates, at) {
      const calls = updates.map(
        ({ from, to: { jobId, rev, minVersion, floors, places, waiting, unsettled } }): Call => {
          const body: Body = { minVersion, floors, places, waiting }
          const columns = [rev, at, unsettled, JSON.stringify(body), jobId]
          if (from.rev === 0) return { statement: insert, params: columns }
          return { statement: update, params: [...columns, from.rev] }
        },
      )
      return (await db.write(`admissions.${step}`, calls)).map(({ changes }) => changes === 1)
    },
    async listUnsettled(after, limit) {
      const rows = await db.read(unsettled, [after ?? 0, limit])
      return { rows: rows.map(admissionOf), next: nextOf(rows, limit) }
    },
    async touch(jobIds, at) {
      await db.writeEach(
        'admissions.touch',
        touch,
        jobIds.map((jobId) => [at, jobId]),
      )
    },
    async list(after, limit) {
      const rows = await db.read(page, [after ?? 0, limit])
      const summaries = rows.map((row) => {
        const [rowId, jobId, rev, neededAt] = row as unknown as [RowId, string, number, number]
        return { rowId, jobId, rev, neededAt }
      })
      return { rows: summaries, next: nextOf(rows, limit) }
    },
    async purgeMany(rows) {
      const params = rows.map(({ rowId, rev, neededAt }) => [rowId, rev, neededAt])
      return (await db.writeEach('admissions.purge', purge, params)).filter((row) => row !== undefined).length
    },
  }
}
