import type { Database } from '@belfry/storage'
import type { Admission } from '../../domain/admission.ts'
import type { AdmissionStore } from '../../domain/ports.ts'

type Body = Pick<Admission, 'minVersion' | 'floors' | 'places'>

/** The admissions in SQLite: one row per job that has ever been fenced or held an overlap place. */
export function createAdmissionStore(db: Database): AdmissionStore {
  const read = db.statement('SELECT rev, body FROM admissions WHERE jobId = ?')
  const put = db.statement(`INSERT INTO admissions (jobId, rev, body) VALUES (?, ?, ?)
    ON CONFLICT (jobId) DO UPDATE SET rev = excluded.rev, body = excluded.body WHERE rev = ? RETURNING n`)

  return {
    async read(jobIds) {
      const rows = await db.readEach(
        read,
        jobIds.map((jobId) => [jobId]),
      )
      return rows.map((row, index) => {
        if (row === undefined) return undefined
        const body = JSON.parse(row[1] as string) as Body
        return { jobId: jobIds[index] as string, rev: row[0] as number, ...body }
      })
    },
    async put(step, changes) {
      const rows = changes.map(({ from, to: { jobId, rev, minVersion, floors, places } }) => {
        const body: Body = { minVersion, floors, places }
        return [jobId, rev, JSON.stringify(body), from.rev]
      })
      return (await db.writeEach(`admissions.${step}`, put, rows)).map((row) => row !== undefined)
    },
  }
}
