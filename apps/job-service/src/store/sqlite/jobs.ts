import { jobIdPattern, jobStates } from '@belfry/contracts'
import type { OnUnreadable, RowId } from '@belfry/storage'
import {
  type Call,
  createChangeNumbers,
  type Database,
  nextOf,
  readBounded,
  readRows,
  type SqlRow,
  type SqlValue,
  type Statement,
} from '@belfry/storage/sqlite'
import { dueFromOf, type Job, toJobChanges } from '../../domain/job.ts'
import type { JobScope } from '../../domain/reach.ts'
import { jobBodyText } from '../job-body.ts'
import type { CreatedJob, JobStore, JobsQuery, ListPosition } from '../ports.ts'
import {
  dueSummaryColumns,
  fenceColumns,
  jobColumns,
  knownTables,
  listedColumns,
  pauseEndColumns,
  readAge,
  readDueSummary,
  readFence,
  readJob,
  readListedJob,
  readPauseEnd,
  readStoredJob,
  readSummary,
  readUnpublished,
  storedColumns,
  summaryColumns,
} from './job-rows.ts'
import { afterParams, cursorAfter, isRowOfNumbers } from './positions.ts'

/** Of a row: what it was given with its last change, or, in a file of the time before change numbers, its own number. */
const changeNo = 'coalesce(changeNo, n)'
const newestChange = `SELECT max(${changeNo}) FROM jobs INDEXED BY jobsByChangeNo`

const ownerNo = '(SELECT n FROM owners WHERE id = ?)'
const withOwner = 'JOIN owners o ON o.n = j.ownerNo'
const selectJob = `SELECT ${storedColumns} FROM jobs j ${withOwner} ${knownTables}`

function prepare(db: Database) {
  return {
    knowOwner: db.statement('INSERT INTO owners (id) VALUES (?) ON CONFLICT DO NOTHING'),
    // A trigger of the schema marks the row as unpublished. An owner with as many jobs as may be gives no ownerNo, and OR IGNORE
    // leaves a row out that lacks one. A SELECT with ON CONFLICT would make SQLite keep a statement journal: 9.9 µs a row instead of 6.8 (batches of 200).
    insert: db.statement(`INSERT OR IGNORE INTO jobs (id, ownerNo, key, version, state, runAt, createdAt, changedAt,
        fencedVersion, name, jobType, body, params, changeNo, dueFrom)
      VALUES (?1, (SELECT n FROM owners WHERE id = ?2 AND jobs < ?14), ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13,
        ?15, ?16) RETURNING n`),
    markUnpublished: db.statement(`INSERT INTO outbox (n, seq) SELECT n, version FROM jobs WHERE id = ? AND version = ?
      ON CONFLICT (n) DO UPDATE SET seq = excluded.seq`),
    rowIdOf: db.statement('SELECT n FROM jobs WHERE id = ?'),
    change: db.statement(`UPDATE jobs SET version = ?, state = ?, runAt = ?, pauseUntil = ?, changedAt = ?, name = ?,
        jobType = ?, body = ?, params = ?, fenceAt = ?, fenceTries = 0, changeNo = ?, dueFrom = ?
      WHERE n = ? AND version = ?`),
    byId: db.statement(`${selectJob} WHERE j.id = ? AND j.ownerNo = ${ownerNo}`),
    byIdOfAny: db.statement(`${selectJob} WHERE j.id = ?`),
    byKey: db.statement(`${selectJob} WHERE j.key = ? AND j.ownerNo = ${ownerNo} AND j.state < 2`),
    byFormerKey: db.statement(`${selectJob} WHERE j.key = ? AND j.ownerNo = ${ownerNo} AND j.state >= 2
      ORDER BY j.n DESC LIMIT 1`),
    countLive: db.statement('SELECT jobs FROM owners WHERE id = ?'),
    byRowId: db.statement(`SELECT ${listedColumns} FROM jobs j ${withOwner} ${knownTables} WHERE j.n = ?2`),
    byAnyId: db.statement(`SELECT ${jobColumns} FROM jobs j ${withOwner} WHERE j.id = ?`),
    summaries: db.statement(`SELECT ${summaryColumns} FROM jobs j ${knownTables}
      WHERE j.ownerNo = (SELECT n FROM owners WHERE id = ?3) AND j.state < 3 AND j.n < ?4 ORDER BY j.n DESC LIMIT ?5`),
    summariesOfViewer: db.statement(`SELECT ${summaryColumns} FROM viewers v JOIN jobs j ON j.n = v.jobNo ${knownTables}
      WHERE v.viewerNo = (SELECT n FROM owners WHERE id = ?3) AND v.jobNo < ?4 AND j.state < 3
      ORDER BY v.jobNo DESC LIMIT ?5`),
    summariesOfAll: db.statement(`SELECT ${summaryColumns} FROM jobs j ${knownTables}
      WHERE ?3 IS NULL AND j.state < 3 AND j.n < ?4 ORDER BY j.n DESC LIMIT ?5`),
    summariesByDue: db.statement(`SELECT ${dueSummaryColumns} FROM jobs j ${knownTables}
      WHERE j.ownerNo = (SELECT n FROM owners WHERE id = ?3) AND (j.dueFrom, j.n) > (?4, ?5) AND j.dueFrom <= ?6
      ORDER BY j.dueFrom, j.n LIMIT ?7`),
    raiseDue: db.statement('UPDATE jobs SET dueFrom = ? WHERE n = ? AND version = ? AND dueFrom = ?'),
    clearViewers: db.statement(`DELETE FROM viewers WHERE jobNo = ?1
      AND EXISTS (SELECT 1 FROM jobs WHERE n = ?1 AND changeNo = ?2)`),
    addViewer: db.statement(`INSERT INTO viewers (viewerNo, jobNo)
      SELECT (SELECT n FROM owners WHERE id = ?1), n FROM jobs WHERE id = ?2 AND changeNo = ?3
      ON CONFLICT DO NOTHING`),
    purgeViewers: db.statement(`DELETE FROM viewers WHERE jobNo = ?1
      AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.n = ?1)`),
    unpublished: db.statement(`SELECT ${jobColumns} FROM (SELECT n FROM outbox ORDER BY n LIMIT ?) u
      JOIN jobs j ON j.n = u.n ${withOwner}`),
    published: db.statement('DELETE FROM outbox WHERE n = ? AND seq <= ?'),
    dueFences: db.statement(`SELECT ${fenceColumns} FROM jobs WHERE fenceAt <= ? AND (fenceAt, n) > (?, ?)
      ORDER BY fenceAt, n LIMIT ?`),
    pauseEnds: db.statement(`SELECT ${pauseEndColumns} FROM jobs j ${withOwner}
      WHERE j.pauseUntil <= ? AND (j.pauseUntil, j.n) > (?, ?) ORDER BY j.pauseUntil, j.n LIMIT ?`),
    fenced: db.statement(`UPDATE jobs SET fencedVersion = max(fencedVersion, ?1),
        fenceAt = CASE WHEN version <= max(fencedVersion, ?1) THEN NULL ELSE fenceAt END
      WHERE n = ?2`),
    postpone: db.statement('UPDATE jobs SET fenceAt = ?, fenceTries = fenceTries + 1 WHERE n = ? AND fenceAt = ?'),
    changes: db.statement(`SELECT j.id, j.version, ${changeNo} FROM jobs j WHERE ${changeNo} > ?1
        AND NOT (j.state = 0 AND j.runAt IS NOT NULL AND max(j.runAt, j.changedAt) < ?3
          AND EXISTS (SELECT 1 FROM summaries s WHERE s.jobNo = j.n AND (s.fireAt >= j.runAt OR s.scheduledAt >= j.runAt))
          AND NOT EXISTS (SELECT 1 FROM outbox x WHERE x.n = j.n))
      ORDER BY ${changeNo} LIMIT ?2`),
    ages: db.statement(`SELECT j.n, j.version, j.state, j.runAt, j.changedAt, s.fireAt, s.endedAt
      FROM jobs j LEFT JOIN summaries s ON s.jobNo = j.n WHERE j.n > ? ORDER BY j.n LIMIT ?`),
    // The newest row stays: SQLite gives the number of a deleted last row to the next one, and a rowId names one job for ever.
    // So does the row that changed last: its change number would be given to the next change.
    purge: db.statement(`DELETE FROM jobs WHERE n = ? AND version = ? AND fenceAt IS NULL
      AND n < (SELECT max(n) FROM jobs) AND ${changeNo} < (${newestChange})
      AND NOT EXISTS (SELECT 1 FROM outbox x WHERE x.n = jobs.n)
      AND NOT EXISTS (SELECT 1 FROM executions e WHERE e.jobNo = jobs.n)`),
    purgeSummary: db.statement(`DELETE FROM summaries WHERE jobNo = ?1
      AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.n = ?1)`),
  }
}

/** What `insert` takes, in its order; a new job counts as confirmed, since a creation closes nothing. */
function jobParams(job: Job): SqlRow {
  const { id, ownerId, key, version, createdAt, changedAt, spec } = job
  const state = jobStates.indexOf(job.state)
  const tail = [version, spec.name, spec.jobType, jobBodyText(job), JSON.stringify(spec.params)]
  return [id, ownerId, key, version, state, runAtOf(job), createdAt, changedAt, ...tail]
}

/** What `change` sets, in its order. */
function changeParams(job: Job): SqlRow {
  const { version, changedAt, spec } = job
  const texts = [spec.name, spec.jobType, jobBodyText(job), JSON.stringify(spec.params)]
  return [version, jobStates.indexOf(job.state), runAtOf(job), job.pauseUntil, changedAt, ...texts]
}

function runAtOf({ spec }: Job): number | null {
  return spec.schedule.kind === 'once' ? spec.schedule.runAt : null
}

/** Owners whose row is known to be there; beyond it they are asked for again. */
const knownOwnersLimit = 10_000

/**
 * `JobStore` on the tables `jobs`, `owners`, `viewers`, `outbox` and `summaries`. The file belongs to one process, so every share is all
 * of it.
 */
export function createJobStore(db: Database, onUnreadable: OnUnreadable): JobStore {
  const sql = prepare(db)
  const changeNumbers = createChangeNumbers(db, newestChange)
  const knownOwners = new Set<string>()
  const flagsOf = ({ fields, withTags }: JobsQuery) => [fields.includes('params') ? 1 : 0, withTags ? 1 : 0]
  /** Of a version that this write has stored. A user without jobs gets a row of `owners` too. */
  const viewerCalls = ({ id, viewers }: Job, changeNo: number): Call[] =>
    viewers.flatMap((viewer) => [
      { statement: sql.knowOwner, params: [viewer.id] },
      { statement: sql.addViewer, params: [viewer.id, id, changeNo] },
    ])
  const scoped = (scope: JobScope): [Statement, SqlValue] => {
    if (scope === 'all') return [sql.summariesOfAll, null]
    return 'ownerId' in scope ? [sql.summaries, scope.ownerId] : [sql.summariesOfViewer, scope.viewerId]
  }
  const present = (rows: readonly (SqlRow | undefined)[]) => rows.filter((row) => row !== undefined)

  /**
   * The row of each job that was stored by this call. The thread works calls off in the order in which they are sent, so that the
   * owners are there before their jobs. A job with viewers is a list of statements of its own.
   */
  async function insert(newJobs: readonly Job[], mostJobs: number): Promise<readonly (RowId | undefined)[]> {
    const opened = changeNumbers.opened()
    if (opened) await opened
    const rows = newJobs.map((job) => {
      const changeNo = changeNumbers.take()
      return { job, changeNo, params: [...jobParams(job), mostJobs, changeNo, dueFromOf(job)] }
    })
    const owners = [...new Set(newJobs.map(({ ownerId }) => ownerId))].filter((id) => !knownOwners.has(id))
    const known = db.writeEach(
      'owners.know',
      sql.knowOwner,
      owners.map((id) => [id]),
    )
    const alone = rows.filter(({ job }) => job.viewers.length === 0)
    const inserted = db.writeEach(
      'jobs.create',
      sql.insert,
      alone.map(({ params }) => params),
    )
    const shared = rows.map(async ({ job, changeNo, params }) => {
      if (job.viewers.length === 0) return null
      const [result] = await db.write('jobs.create', [{ statement: sql.insert, params }, ...viewerCalls(job, changeNo)])
      return result?.rows[0]
    })
    const [aloneRows, sharedRows] = await Promise.all([inserted, Promise.all(shared), known])
    if (knownOwners.size >= knownOwnersLimit) knownOwners.clear()
    for (const id of owners) knownOwners.add(id)
    const left = aloneRows.values()
    const stored = sharedRows.map((row) => (row === null ? left.next().value : row))
    for (const [index, { changeNo }] of rows.entries()) if (stored[index]) changeNumbers.wrote(changeNo)
    return stored.map((row) => row?.[0] as RowId | undefined)
  }

  /** Why a job was not stored: it is there already, another one has its key, or its owner has too many. */
  async function whyNot({ id, key, ownerId }: Job): Promise<CreatedJob> {
    const [row] = await db.read(sql.rowIdOf, [id])
    if (row) return { rowId: row[0] as RowId, isNew: false }
    const holder = key === null ? [] : await db.read(sql.byKey, [key, ownerId])
    return holder.length > 0 ? 'key-taken' : 'too-many'
  }

  async function createMany(newJobs: readonly Job[], mostJobs: number): Promise<readonly CreatedJob[]> {
    const rowIds = await insert(newJobs, mostJobs)
    const created = newJobs.map((job, index) => {
      const rowId = rowIds[index]
      return rowId === undefined ? whyNot(job) : { rowId, isNew: true }
    })
    return Promise.all(created)
  }

  return {
    async create(job, mostJobs = Number.MAX_SAFE_INTEGER) {
      return (await createMany([job], mostJobs))[0] as CreatedJob
    },
    createMany: (newJobs, mostJobs = Number.MAX_SAFE_INTEGER) => createMany(newJobs, mostJobs),
    async compareAndSet(rowId, from, job, fenceAt) {
      const opened = changeNumbers.opened()
      if (opened) await opened
      const changeNo = changeNumbers.take()
      const [result] = await db.write('jobs.change', [
        { statement: sql.change, params: [...changeParams(job), fenceAt, changeNo, dueFromOf(job), rowId, from] },
        { statement: sql.markUnpublished, params: [job.id, job.version] },
        { statement: sql.clearViewers, params: [rowId, changeNo] },
        ...viewerCalls(job, changeNo),
      ])
      const isChanged = result?.changes === 1
      if (isChanged) changeNumbers.wrote(changeNo)
      return isChanged
    },
    async countLive(ownerId, limit) {
      const [row] = await db.read(sql.countLive, [ownerId])
      return Math.min(Number(row?.[0] ?? 0), limit)
    },
    async findById(id) {
      const [row] = await db.read(sql.byIdOfAny, [id])
      return row && readStoredJob(row)
    },
    async find(ownerId, ref) {
      const ways = jobIdPattern.test(ref) ? [sql.byId] : [sql.byKey, sql.byFormerKey]
      for (const way of ways) {
        const [row] = await db.read(way, [ref, ownerId])
        if (row) return readStoredJob(row)
      }
      return undefined
    },
    async readMany(rowIds, fields) {
      const withParams = fields.includes('params') ? 1 : 0
      const rows = await db.readEach(
        sql.byRowId,
        rowIds.map((rowId) => [withParams, rowId]),
      )
      return rows.map((row) => row && readListedJob(row))
    },
    async listSummaries(scope, query) {
      const below = query.after?.[0] ?? Number.MAX_SAFE_INTEGER
      const [statement, whose] = scoped(scope)
      return (await db.read(statement, [...flagsOf(query), whose, below, query.limit])).map(readSummary)
    },
    async listByDue(ownerId, query) {
      const params = [...flagsOf(query), ownerId, ...(query.after ?? [-1, 0]), query.until, query.limit]
      return (await db.read(sql.summariesByDue, params)).map(readDueSummary)
    },
    async raiseDue(rows) {
      const params = rows.map(({ rowId, version, dueFrom, next }) => [next, rowId, version, dueFrom])
      await db.writeEach('jobs.raise-due', sql.raiseDue, params)
    },
    isDuePosition: (value): value is ListPosition => isRowOfNumbers(value, 2),
    isPosition: (value): value is ListPosition => isRowOfNumbers(value, 1),
    listUnpublished: (page) =>
      readBounded(db, sql.unpublished, [], page, (rows) => readRows('jobs', rows, readUnpublished, onUnreadable)),
    async markPublished(rows) {
      const params = rows.map(({ rowId, seq }) => [rowId, seq])
      await db.writeEach('jobs.mark-published', sql.published, params)
    },
    async listDueFences(until, limit, _share, after) {
      const rows = await db.read(sql.dueFences, [until, ...afterParams(after), limit])
      const next = rows.length === limit ? cursorAfter(rows.at(-1)) : null
      return { rows: readRows('jobs', rows, readFence, onUnreadable), next }
    },
    async markFenced(rowId, version) {
      await db.write('jobs.fenced', [{ statement: sql.fenced, params: [version, rowId] }])
    },
    async postponeFenceIfUnchanged(fence, nextAt) {
      await db.write('jobs.postpone-fence', [{ statement: sql.postpone, params: [nextAt, fence.rowId, fence.nextAt] }])
    },
    async listPauseEnds(until, limit, _share, after) {
      const rows = await db.read(sql.pauseEnds, [until, ...afterParams(after), limit])
      return { rows: rows.map(readPauseEnd), next: rows.length === limit ? cursorAfter(rows.at(-1)) : null }
    },
    async listChanges({ after, limit, unlistedBefore }) {
      await changeNumbers.opened()
      const head = changeNumbers.head()
      type Row = [id: string, version: number, changeNo: number]
      const rows = (await db.read(sql.changes, [after, limit, unlistedBefore])) as unknown as Row[]
      const listed = rows.map(([id, version, changeNo]) => ({ id, version, changeNo }))
      return { rows: listed, head, hasMore: rows.length === limit }
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
    async listAges(after, limit) {
      const rows = await db.read(sql.ages, [after ?? 0, limit])
      return { rows: rows.map(readAge), next: nextOf(rows, limit) }
    },
    async purgeMany(rows) {
      const calls = rows.flatMap(({ rowId, version }): Call[] => [
        { statement: sql.purge, params: [rowId, version] },
        { statement: sql.purgeSummary, params: [rowId] },
        { statement: sql.purgeViewers, params: [rowId] },
      ])
      const results = await db.write('jobs.purge', calls)
      return results.filter(({ changes }, index) => index % 3 === 0 && changes === 1).length
    },
  }
}
