import type { OnUnreadable } from '@belfry/storage'
import { type Database, readRows, type SqlRow, type SqlValue } from '@belfry/storage/sqlite'
import type { Swap } from '../notification-ports.ts'

/** A record that each write replaces as a whole. */
interface WholeRecord {
  readonly rev: number
}

export interface RecordTableOptions<T> {
  readonly table: string
  readonly idOf: (record: T) => string
  /** What the queries need besides `id`, `rev` and `body`: the columns, and their values of a record. */
  readonly columns: readonly string[]
  readonly valuesOf: (record: T) => readonly SqlValue[]
  readonly onUnreadable: OnUnreadable
}

/** A table whose rows hold a record as JSON in `body`, beside the columns that are searched. */
export interface RecordTable<T> {
  /** One entry per record: whether it was inserted. `condition`: SQL of what must hold, over further parameters. */
  insert(records: readonly T[]): Promise<boolean[]>
  /** One entry per swap: whether the stored row had the `rev` of `before`. */
  swap(swaps: readonly Swap<T>[]): Promise<boolean[]>
  /** The records of rows that begin with `n` and end with `body`. */
  read(rows: readonly SqlRow[]): T[]
  /** What `insert` takes of a record, in the order of `insertSql`. */
  params(record: T): SqlRow
  /** `INSERT … VALUES (…) ON CONFLICT DO NOTHING` is made of it: the columns, and as many parameters. */
  readonly names: string
  readonly marks: string
}

export function createRecordTable<T extends WholeRecord>(
  db: Database,
  { table, idOf, columns, valuesOf, onUnreadable }: RecordTableOptions<T>,
): RecordTable<T> {
  const all = ['id', 'rev', ...columns, 'body']
  const names = all.join(', ')
  const marks = all.map((_, index) => `?${index + 1}`).join(', ')
  const insert = db.statement(`INSERT INTO ${table} (${names}) VALUES (${marks}) ON CONFLICT DO NOTHING RETURNING n`)
  const changes = all.slice(1).map((name, index) => `${name} = ?${index + 2}`)
  const update = db.statement(
    `UPDATE ${table} SET ${changes.join(', ')} WHERE id = ?1 AND rev = ?${all.length + 1} RETURNING n`,
  )
  const params = (record: T): SqlRow => [idOf(record), record.rev, ...valuesOf(record), JSON.stringify(record)]

  return {
    names,
    marks,
    params,
    async insert(records) {
      const rows = await db.writeEach(`${table}.insert`, insert, records.map(params))
      return rows.map((row) => row !== undefined)
    },
    async swap(swaps) {
      const asked = swaps.map(({ before, next }): SqlRow => [...params(next), before.rev])
      return (await db.writeEach(`${table}.change`, update, asked)).map((row) => row !== undefined)
    },
    read: (rows) => readRows(table, rows, (row) => JSON.parse(String(row.at(-1))) as T, onUnreadable),
  }
}
