import type { Database, SqlRow } from '@belfry/storage'
import type { DuePage, ScheduleStore, ScheduleWrite, StoredSchedule, UnreadableSchedule } from '../../domain/ports.ts'
import type { ScheduleRecord } from '../../domain/schedule-record.ts'

/** What changes with a version only, in a column of its own. */
type Spec = Pick<ScheduleRecord, 'ownerId' | 'spec' | 'olderSpecs'>
/** What changes with every fire time. */
type Body = Omit<ScheduleRecord, keyof Spec | 'jobId' | 'version' | 'endedAt'>

const columns = 'n, id, version, rev, body, spec, dueAt, endedAt'
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

/** What an idle and a busy scheduler ask again and again: both must read the one index of what is due. */
export const polls = {
  nextDue: 'SELECT min(dueAt) FROM schedules WHERE dueAt IS NOT NULL',
  due: `SELECT ${columns} FROM schedules WHERE (dueAt, n) > (?, ?) AND dueAt <= ? ORDER BY dueAt, n LIMIT ?`,
}

function bodyText({ state, nextFireAt, lastFireAt, fired, pending, undelivered, aside }: ScheduleRecord): string {
  const body: Body = { state, nextFireAt, lastFireAt, fired, pending, undelivered, aside }
  return JSON.stringify(body)
}

function specText({ ownerId, spec, olderSpecs }: ScheduleRecord): string {
  const text: Spec = { ownerId, spec, olderSpecs }
  return JSON.stringify(text)
}

function hasSameSpec(a: ScheduleRecord, b: ScheduleRecord): boolean {
  return a.version === b.version && a.spec === b.spec && a.olderSpecs === b.olderSpecs && a.ownerId === b.ownerId
}

function toStored(row: SqlRow): StoredSchedule | UnreadableSchedule {
  const [n, jobId, version, rev, body, spec, dueAt, endedAt] = row as unknown as Row
  try {
    const texts = { ...(JSON.parse(spec) as Spec), ...(JSON.parse(body) as Body) }
    const record: ScheduleRecord = { jobId, version, endedAt, ...texts }
    return { handle: { n, rev }, record, dueAt }
  } catch (error) {
    return { n, jobId, unreadable: error instanceof Error ? error.message : String(error) }
  }
}

const isWritten = (row: SqlRow | undefined) => row !== undefined

/** The schedules in SQLite. */
export function createScheduleStore(db: Database): ScheduleStore {
  const selectNextDue = db.statement(polls.nextDue)
  const selectDue = db.statement(polls.due)
  const selectWaitingOf = db.statement(
    `SELECT ${columns} FROM schedules WHERE n > ?1 AND n <= ?1 + ?2 AND waiting > 0 ORDER BY n`,
  )
  const selectLast = db.statement('SELECT max(n) FROM schedules')
  const selectOne = db.statement(`SELECT ${columns} FROM schedules WHERE id = ?`)
  const selectWaiting = db.statement(`SELECT ${columns} FROM schedules WHERE id = ? AND waiting > 0`)
  const selectVersion = db.statement('SELECT version FROM schedules WHERE id = ?')
  const insertOne = db.statement(
    `INSERT INTO schedules (id, version, dueAt, endedAt, waiting, rev, body, spec) VALUES (?, ?, ?, ?, ?, 1, ?, ?)
     ON CONFLICT (id) DO NOTHING RETURNING n`,
  )
  const saveBody = db.statement(
    `UPDATE schedules SET dueAt = ?, waiting = ?, endedAt = ?, body = ?, rev = rev + 1 WHERE n = ? AND rev = ?
     RETURNING n`,
  )
  const saveAll = db.statement(
    `UPDATE schedules SET dueAt = ?, waiting = ?, body = ?, rev = rev + 1, version = ?, endedAt = ?, spec = ?
     WHERE n = ? AND rev = ? RETURNING n`,
  )
  const setDueAt = db.statement('UPDATE schedules SET dueAt = ? WHERE n = ?')
  const selectPage = db.statement('SELECT n, rev, dueAt, endedAt FROM schedules WHERE n > ? ORDER BY n LIMIT ?')
  const purgeOne = db.statement('DELETE FROM schedules WHERE n = ? AND rev = ? RETURNING n')

  const readEach = async (statement: typeof selectOne, jobIds: readonly string[]) => {
    const rows = await db.readEach(
      statement,
      jobIds.map((id) => [id]),
    )
    return rows.map((row) => row && toStored(row))
  }

  type Save = ScheduleWrite & { readonly before: StoredSchedule }
  const bodyRow = ({ before, record, dueAt }: Save): SqlRow => {
    const { n, rev } = before.handle
    return [dueAt, record.pending.length, record.endedAt, bodyText(record), n, rev]
  }
  const wholeRow = ({ before, record, dueAt }: Save): SqlRow => {
    const { n, rev } = before.handle
    const { version, endedAt, pending } = record
    return [dueAt, pending.length, bodyText(record), version, endedAt, specText(record), n, rev]
  }

  return {
    async nextDueAt() {
      const [row] = await db.read(selectNextDue, [])
      return (row?.[0] as number | null | undefined) ?? null
    },
    async readDue(dueBefore, cursor, limit): Promise<DuePage> {
      const from = cursor ?? { dueAt: Number.MIN_SAFE_INTEGER, n: 0 }
      const rows = await db.read(selectDue, [from.dueAt, from.n, dueBefore, limit])
      const last = rows.length === limit ? (rows.at(-1) as unknown as Row) : null
      return { rows: rows.map(toStored), next: last && { dueAt: last[6] ?? 0, n: last[0] } }
    },
    async waitingAfter(after, span) {
      const [rows, [last]] = await Promise.all([db.read(selectWaitingOf, [after, span]), db.read(selectLast, [])])
      const isMore = ((last?.[0] as number | null | undefined) ?? 0) > after + span
      return { rows: rows.map(toStored), next: isMore ? after + span : null }
    },
    read: (jobIds) => readEach(selectOne, jobIds),
    readWaiting: (jobIds) => readEach(selectWaiting, jobIds),
    async versions(jobIds) {
      const rows = await db.readEach(
        selectVersion,
        jobIds.map((id) => [id]),
      )
      return rows.map((row) => row?.[0] as number | undefined)
    },
    async insert(writes) {
      const rows = writes.map(({ record, dueAt }): SqlRow => {
        const { jobId, version, endedAt, pending } = record
        return [jobId, version, dueAt, endedAt, pending.length, bodyText(record), specText(record)]
      })
      return (await db.writeEach('schedules.insert', insertOne, rows)).map(isWritten)
    },
    async save(writes) {
      const [bodies, wholes] = [[] as Save[], [] as Save[]]
      for (const write of writes) (hasSameSpec(write.before.record, write.record) ? bodies : wholes).push(write)
      const [bodyRows, wholeRows] = await Promise.all([
        db.writeEach('schedules.save', saveBody, bodies.map(bodyRow)),
        db.writeEach('schedules.change', saveAll, wholes.map(wholeRow)),
      ])
      const written = new Map<Save, boolean>()
      for (const [index, write] of bodies.entries()) written.set(write, isWritten(bodyRows[index]))
      for (const [index, write] of wholes.entries()) written.set(write, isWritten(wholeRows[index]))
      return writes.map((write) => written.get(write) === true)
    },
    async postpone(n, dueAt) {
      await db.writeEach('schedules.postpone', setDueAt, [[dueAt, n]])
    },
    async glance(after, limit) {
      const rows = await db.read(selectPage, [after, limit])
      return rows.map((row) => {
        const [n, rev, dueAt, endedAt] = row as [number, number, number | null, number | null]
        return { n, rev, dueAt, endedAt }
      })
    },
    async purge(rows) {
      const params = rows.map(({ n, rev }): SqlRow => [n, rev])
      return (await db.writeEach('schedules.purge', purgeOne, params)).filter(isWritten).length
    },
  }
}
