import { jobIdPattern } from '@belfry/contracts'
import { type Call, type Database, type OnUnreadable, readRows, type SqlRow } from '@belfry/storage'
import { toJobChanges } from '../../domain/job.ts'
import type { JobStore } from '../../domain/ports.ts'
import {
  changeParams,
  fenceColumns,
  glanceColumns,
  jobColumns,
  jobParams,
  readFence,
  readGlance,
  readJob,
  readUntold,
} from './job-rows.ts'

const ownerNo = '(SELECT n FROM owners WHERE id = ?)'
const surroundings = `JOIN owners o ON o.n = j.ownerNo LEFT JOIN outbox x ON x.n = j.n
  LEFT JOIN summaries s ON s.jobNo = j.n`
const selectJob = `SELECT ${jobColumns} FROM jobs j ${surroundings}`

function prepare(db: Database) {
  return {
    knowOwner: db.statement('INSERT INTO owners (id) VALUES (?) ON CONFLICT DO NOTHING'),
    insert:
      db.statement(`INSERT INTO jobs (id, ownerNo, key, version, state, runAt, createdAt, changedAt, fencedVersion,
        name, jobType, body)
      VALUES (?, ${ownerNo}, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`),
    markUntold: db.statement(`INSERT INTO outbox (n, seq) SELECT n, version FROM jobs WHERE id = ? AND version = ?
      ON CONFLICT (n) DO UPDATE SET seq = excluded.seq`),
    handleOf: db.statement('SELECT n FROM jobs WHERE id = ?'),
    change: db.statement(`UPDATE jobs SET version = ?, state = ?, runAt = ?, changedAt = ?, name = ?, jobType = ?,
        body = ?, fenceAt = ?, fenceTries = 0
      WHERE n = ? AND version = ?`),
    byId: db.statement(`${selectJob} WHERE j.id = ? AND j.ownerNo = ${ownerNo}`),
    byKey: db.statement(`${selectJob} WHERE j.key = ? AND j.ownerNo = ${ownerNo}`),
    byHandle: db.statement(`${selectJob} WHERE j.n = ?`),
    byAnyId: db.statement(`${selectJob} WHERE j.id = ?`),
    glance: db.statement(`SELECT ${glanceColumns} FROM jobs j LEFT JOIN outbox x ON x.n = j.n
        LEFT JOIN summaries s ON s.jobNo = j.n
      WHERE j.ownerNo = ${ownerNo} AND j.n < ? ORDER BY j.n DESC LIMIT ?`),
    untold: db.statement(`SELECT ${jobColumns} FROM (SELECT n FROM outbox ORDER BY n LIMIT ?) u
      JOIN jobs j ON j.n = u.n ${surroundings}`),
    told: db.statement('DELETE FROM outbox WHERE n = ? AND seq <= ?'),
    dueFences: db.statement(`SELECT ${fenceColumns} FROM jobs WHERE fenceAt <= ? ORDER BY fenceAt LIMIT ?`),
    fenced: db.statement(`UPDATE jobs SET fencedVersion = max(fencedVersion, ?1),
        fenceAt = CASE WHEN version <= max(fencedVersion, ?1) THEN NULL ELSE fenceAt END
      WHERE n = ?2`),
    postpone: db.statement('UPDATE jobs SET fenceAt = ?1, fenceTries = fenceTries + 1 WHERE n = ?2 AND fenceAt < ?1'),
    changes: db.statement(`SELECT id, version, changedAt, n FROM jobs WHERE (changedAt, n) > (?, ?)
      ORDER BY changedAt, n LIMIT ?`),
  }
}

/** Owners whose row is known to be there; beyond it they are asked for again. */
const knownOwnersLimit = 10_000

/** `JobStore` on the tables `jobs`, `owners`, `outbox` and `summaries`. */
export function createJobStore(db: Database, onUnreadable: OnUnreadable): JobStore {
  const sql = prepare(db)
  const knownOwners = new Set<string>()
  const eachHandle = (handles: readonly number[]) => handles.map((handle) => [handle])
  const present = (rows: readonly (SqlRow | undefined)[]) => rows.filter((row) => row !== undefined)

  return {
    async create(job) {
      const calls: Call[] = [
        { statement: sql.insert, params: jobParams(job) },
        { statement: sql.markUntold, params: [job.id, job.version] },
        { statement: sql.handleOf, params: [job.id] },
      ]
      if (!knownOwners.has(job.ownerId)) calls.unshift({ statement: sql.knowOwner, params: [job.ownerId] })
      const results = await db.write('jobs.create', calls)
      if (knownOwners.size >= knownOwnersLimit) knownOwners.clear()
      knownOwners.add(job.ownerId)
      const row = results.at(-1)?.rows[0]
      return row ? { handle: row[0] as number, fresh: results.at(-3)?.changes === 1 } : 'key-taken'
    },
    async change(handle, from, job, fenceAt) {
      const [result] = await db.write('jobs.change', [
        { statement: sql.change, params: [...changeParams(job), fenceAt, handle, from] },
        { statement: sql.markUntold, params: [job.id, job.version] },
      ])
      return result?.changes === 1
    },
    async find(ownerId, ref) {
      const [row] = await db.read(jobIdPattern.test(ref) ? sql.byId : sql.byKey, [ref, ownerId])
      return row && readJob(row)
    },
    async read(handles) {
      return present(await db.readEach(sql.byHandle, eachHandle(handles))).map(readJob)
    },
    async glance(ownerId, place, limit) {
      const below = place?.[0] ?? Number.MAX_SAFE_INTEGER
      return (await db.read(sql.glance, [ownerId, below, limit])).map(readGlance)
    },
    async untold(page) {
      const { rows, isCut } = await db.readPage(sql.untold, [page.rows], page.bytes)
      return { rows: readRows('jobs', rows, readUntold, onUnreadable), hasMore: isCut || rows.length === page.rows }
    },
    async markTold(rows) {
      const params = rows.map(({ n, seq }) => [n, seq])
      await db.writeEach('jobs.told', sql.told, params)
    },
    async dueFences(now, limit) {
      return readRows('jobs', await db.read(sql.dueFences, [now, limit]), readFence, onUnreadable)
    },
    async markFenced(handle, version) {
      await db.write('jobs.fenced', [{ statement: sql.fenced, params: [version, handle] }])
    },
    async postponeFence(handle, nextAt) {
      await db.write('jobs.postpone-fence', [{ statement: sql.postpone, params: [nextAt, handle] }])
    },
    async changes({ since, after, limit }) {
      const rows = (await db.read(sql.changes, [since, after, limit])) as unknown as [string, number, number, number][]
      return rows.map(([id, version, changedAt, n]) => ({ id, version, changedAt, n }))
    },
    async fetch(ids, bytes) {
      const rows = await db.readEachPage(
        sql.byAnyId,
        ids.map((id) => [id]),
        bytes,
      )
      const unreadable: string[] = []
      const onBad: OnUnreadable = (table, row, error) => {
        unreadable.push(String(rows.find((one) => one?.[0] === row)?.[1]))
        onUnreadable(table, row, error)
      }
      const data = readRows('jobs', present(rows), readJob, onBad).map(toJobChanges)
      return { data, left: ids.slice(rows.length), unreadable }
    },
  }
}
