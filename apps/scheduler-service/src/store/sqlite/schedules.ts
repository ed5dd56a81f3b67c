import type { RowId } from '@belfry/storage'
import { type Call, type Database, nextOf, type SqlRow } from '@belfry/storage/sqlite'
import type { ScheduleRecord } from '../../domain/schedule-record.ts'
import type { DueCursor, ScheduleStore, ScheduleSwap, SchedulesRow, ScheduleWrite } from '../ports.ts'
import { bodyText, hasSameSpec, readTexts, specText } from '../schedule-texts.ts'

const columns = 's.n, s.id, s.version, s.rev, s.body, coalesce(l.spec, s.spec), s.dueAt, s.endedAt'
const from = 'FROM schedules s LEFT JOIN largeSpecs l ON l.n = s.n'
type Row = readonly [
  n: number,
  id: string,
  version: number,
  rev: number,
  body: string,
  spec: string,
  dueAt: number | null,
  endedAt: number | null,
]

/** The polls of an idle and of a busy scheduler: both must read the one index of what is due. */
export const polls = {
  nextDue: 'SELECT min(dueAt) FROM schedules WHERE dueAt IS NOT NULL',
  due: `SELECT ${columns} ${from} WHERE (s.dueAt, s.n) > (?, ?) AND s.dueAt <= ? ORDER BY s.dueAt, s.n LIMIT ?`,
}

const rowIdOf = (n: number) => n as RowId
const numberOf = (rowId: RowId) => rowId as number

/** The last row of the page before. */
interface DueRow {
  readonly dueAt: number
  readonly n: number
}
const cursorOf = (last: DueRow) => last as unknown as DueCursor
const rowOf = (cursor: DueCursor) => cursor as unknown as DueRow

function toStored(row: SqlRow): SchedulesRow {
  const [n, jobId, version, rev, body, spec, dueAt, endedAt] = row as unknown as Row
  const ref = { rowId: rowIdOf(n), rev }
  try {
    const record: ScheduleRecord = { jobId, version, endedAt, ...readTexts(spec, body) }
    return { ...ref, record, dueAt }
  } catch (error) {
    return { ...ref, jobId, unreadable: error instanceof Error ? error.message : String(error) }
  }
}

const isWritten = (row: SqlRow | undefined) => row !== undefined

/** Characters of a spec above which it is in `largeSpecs`. */
const largeSpec = 4096

/** The schedules in SQLite. The file belongs to one process, so every share is all of it. */
export function createScheduleStore(db: Database): ScheduleStore {
  const selectNextDue = db.statement(polls.nextDue)
  const selectDue = db.statement(polls.due)
  const selectPendingAfter = db.statement(
    `SELECT ${columns} ${from} WHERE s.n > ?1 AND s.n <= ?1 + ?2 AND s.pending > 0 ORDER BY s.n`,
  )
  const selectLast = db.statement('SELECT max(n) FROM schedules')
  const selectOne = db.statement(`SELECT ${columns} ${from} WHERE s.id = ?`)
  const selectIfPending = db.statement(`SELECT ${columns} ${from} WHERE s.id = ? AND s.pending > 0`)
  const selectVersion = db.statement('SELECT version FROM schedules WHERE id = ?')
  const insertOne = db.statement(
    `INSERT INTO schedules (id, version, dueAt, endedAt, pending, rev, body, spec) VALUES (?, ?, ?, ?, ?, 1, ?, ?)
     ON CONFLICT (id) DO NOTHING RETURNING n`,
  )
  const saveBody = db.statement(
    `UPDATE schedules SET dueAt = ?, pending = ?, endedAt = ?, body = ?, rev = rev + 1 WHERE n = ? AND rev = ?
     RETURNING n`,
  )
  const saveAll = db.statement(
    `UPDATE schedules SET dueAt = ?, pending = ?, body = ?, rev = rev + 1, version = ?, endedAt = ?, spec = ?
     WHERE n = ? AND rev = ? RETURNING n`,
  )
  const setDueAt = db.statement('UPDATE schedules SET dueAt = ? WHERE n = ? AND rev = ?')
  const selectPage = db.statement('SELECT n, rev, dueAt, endedAt FROM schedules WHERE n > ? ORDER BY n LIMIT ?')
  const purgeOne = db.statement('DELETE FROM schedules WHERE n = ? AND rev = ?')
  // Each after a statement that changed the row, and only then.
  const insertSpec = db.statement(
    'INSERT INTO largeSpecs (n, spec) SELECT n, ? FROM schedules WHERE id = ? AND changes() = 1',
  )
  const setSpec = db.statement(`INSERT INTO largeSpecs (n, spec) SELECT ?, ? WHERE changes() = 1
    ON CONFLICT (n) DO UPDATE SET spec = excluded.spec`)
  const dropSpec = db.statement('DELETE FROM largeSpecs WHERE n = ? AND changes() = 1')

  const readEach = async (statement: typeof selectOne, jobIds: readonly string[], bytes: number) => {
    const params = jobIds.map((id): SqlRow => [id])
    const rows = await db.readEachPage(statement, params, bytes)
    return rows.map((row) => row && toStored(row))
  }

  const bodyRow = ({ before: { rowId, rev }, record, dueAt }: ScheduleSwap): SqlRow => {
    return [dueAt, record.pending.length, record.endedAt, bodyText(record), numberOf(rowId), rev]
  }
  /** Whether each is written. A version changes seldom, so the statements need no batch of their own. */
  async function saveWholes(swaps: readonly ScheduleSwap[]): Promise<boolean[]> {
    const calls = swaps.flatMap(({ before: { rowId, rev }, record, dueAt }): Call[] => {
      const n = numberOf(rowId)
      const { version, endedAt, pending } = record
      const spec = specText(record)
      const isLarge = spec.length > largeSpec
      const row = [dueAt, pending.length, bodyText(record), version, endedAt, isLarge ? '' : spec, n, rev]
      return [
        { statement: saveAll, params: row },
        isLarge ? { statement: setSpec, params: [n, spec] } : { statement: dropSpec, params: [n] },
      ]
    })
    const results = await db.write('schedules.change', calls)
    return swaps.map((_, index) => isWritten(results[2 * index]?.rows[0]))
  }

  interface Insert {
    readonly row: SqlRow
    readonly jobId: string
    /** Null for a spec that is in its row. */
    readonly largeSpec: string | null
  }
  function insertOf({ record, dueAt }: ScheduleWrite): Insert {
    const { jobId, version, endedAt, pending } = record
    const spec = specText(record)
    const isLarge = spec.length > largeSpec
    const row = [jobId, version, dueAt, endedAt, pending.length, bodyText(record), isLarge ? '' : spec]
    return { row, jobId, largeSpec: isLarge ? spec : null }
  }

  async function insertLarge(inserts: readonly Insert[]): Promise<boolean[]> {
    const calls = inserts.flatMap((one): Call[] => [
      { statement: insertOne, params: one.row },
      { statement: insertSpec, params: [one.largeSpec, one.jobId] },
    ])
    const results = await db.write('schedules.insert', calls)
    return inserts.map((_, index) => isWritten(results[2 * index]?.rows[0]))
  }

  return {
    async nextDueAt() {
      const [row] = await db.read(selectNextDue, [])
      return (row?.[0] as number | null | undefined) ?? null
    },
    async listDue(dueBefore, _share, after, page) {
      const from = after ? rowOf(after) : { dueAt: Number.MIN_SAFE_INTEGER, n: 0 }
      const params = [from.dueAt, from.n, dueBefore, page.rows]
      const { rows, isCut } = await db.readPage(selectDue, params, page.bytes)
      const last = isCut || rows.length === page.rows ? (rows.at(-1) as unknown as Row) : null
      return { rows: rows.map(toStored), next: last && cursorOf({ dueAt: last[6] ?? 0, n: last[0] }) }
    },
    async listPending(after, page) {
      // A page is a span of row numbers: that needs no index on `pending`.
      const begin = after === null ? 0 : numberOf(after)
      const [{ rows, isCut }, [last]] = await Promise.all([
        db.readPage(selectPendingAfter, [begin, page.rows], page.bytes),
        db.read(selectLast, []),
      ])
      const reached = isCut ? (rows.at(-1) as unknown as Row)[0] : begin + page.rows
      const isMore = ((last?.[0] as number | null | undefined) ?? 0) > reached
      return { rows: rows.map(toStored), next: isMore ? rowIdOf(reached) : null }
    },
    readMany: (jobIds, bytes) => readEach(selectOne, jobIds, bytes),
    readManyIfPending: (jobIds, bytes) => readEach(selectIfPending, jobIds, bytes),
    async readVersions(jobIds) {
      const rows = await db.readEach(
        selectVersion,
        jobIds.map((id) => [id]),
      )
      return rows.map((row) => row?.[0] as number | undefined)
    },
    async insertManyIfAbsent(writes) {
      const inserts = writes.map(insertOf)
      const small = inserts.filter((one) => one.largeSpec === null)
      const [rows, large] = await Promise.all([
        db.writeEach(
          'schedules.insert',
          insertOne,
          small.map(({ row }) => row),
        ),
        insertLarge(inserts.filter((one) => one.largeSpec !== null)),
      ])
      const [fromSmall, fromLarge] = [rows.map(isWritten).values(), large.values()]
      return inserts.map((one) => (one.largeSpec === null ? fromSmall : fromLarge).next().value === true)
    },
    async compareAndSetMany(swaps) {
      const [bodies, wholes] = [[] as ScheduleSwap[], [] as ScheduleSwap[]]
      for (const swap of swaps) (hasSameSpec(swap.before.record, swap.record) ? bodies : wholes).push(swap)
      const [bodyRows, wholesWritten] = await Promise.all([
        db.writeEach('schedules.save', saveBody, bodies.map(bodyRow)),
        saveWholes(wholes),
      ])
      const written = new Map<ScheduleSwap, boolean>()
      for (const [index, swap] of bodies.entries()) written.set(swap, isWritten(bodyRows[index]))
      for (const [index, swap] of wholes.entries()) written.set(swap, wholesWritten[index] === true)
      return swaps.map((swap) => written.get(swap) === true)
    },
    async postponeIfUnchanged({ rowId, rev }, dueAt) {
      await db.writeEach('schedules.postpone', setDueAt, [[dueAt, numberOf(rowId), rev]])
    },
    async listSummaries(after, limit) {
      const found = await db.read(selectPage, [after === null ? 0 : numberOf(after), limit])
      const rows = found.map((row) => {
        const [n, rev, dueAt, endedAt] = row as [number, number, number | null, number | null]
        return { rowId: rowIdOf(n), rev, dueAt, endedAt }
      })
      return { rows, next: nextOf(found, limit) }
    },
    async purgeManyIfUnchanged(rows) {
      const calls = rows.flatMap(({ rowId, rev }): Call[] => [
        { statement: purgeOne, params: [numberOf(rowId), rev] },
        { statement: dropSpec, params: [numberOf(rowId)] },
      ])
      const results = await db.write('schedules.purge', calls)
      return results.filter(({ changes }, index) => index % 2 === 0 && changes === 1).length
    },
  }
}
