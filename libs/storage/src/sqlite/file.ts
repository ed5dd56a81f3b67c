import { DatabaseSync, type StatementSync } from 'node:sqlite'
import type { CrashPoints } from '@belfry/service'
import { StorageError } from '../errors.ts'
import { asStorageError, concernsFile } from './errors.ts'
import { migrate } from './migrations.ts'
import type { Migration, SqlRow } from './port.ts'
import { createPrivateFile } from './private-file.ts'
import {
  type FileSettings,
  leftOut,
  type StatementList,
  type WorkerAnswer,
  type WorkerCall,
} from './worker-protocol.ts'

/** One SQLite file as the store thread holds it. */
export interface SqliteFile {
  prepare(id: number, sql: string): void
  /** Executes the calls in order, in one transaction when one of them writes, and commits; one answer per call. */
  drain(calls: readonly WorkerCall[]): readonly WorkerAnswer[]
  /** Time spent in COMMIT by the last drain, milliseconds; null when it wrote nothing. */
  readonly lastCommitMs: number | null
  /** SQLite moves the write-ahead log into the file when its last connection goes. */
  close(): void
}

interface Prepared {
  readonly run: StatementSync
  /** The result: nothing, the changed rows, or the selected rows. */
  readonly gives: 'nothing' | 'changed' | 'selected'
}

/** A list failed half-way without a savepoint around it: the drain begins again, with savepoints. */
const halfDone = new Error('half done')

/**
 * The exclusive lock comes first: taken before the first access in WAL mode it keeps the index of the log in memory, so
 * there is no `-shm` file (sqlite.org/wal.html, 8). The kernel holds it for the process and drops it when the process ends.
 */
function configure(db: DatabaseSync, settings: FileSettings): void {
  db.exec(`PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;
    PRAGMA wal_autocheckpoint = ${settings.checkpointPages}; PRAGMA cache_size = -${settings.cacheKib};
    PRAGMA journal_size_limit = ${settings.checkpointPages * 4096}`)
}

function prepareStatement(db: DatabaseSync, sql: string): Prepared {
  const run = db.prepare(sql)
  run.setReturnArrays(true)
  if (run.columns().length === 0) return { run, gives: 'nothing' }
  const changes = /\breturning\b/i.test(sql) && !/^\s*select\b/i.test(sql)
  return { run, gives: changes ? 'changed' : 'selected' }
}

const isWrite = (call: WorkerCall): call is Extract<WorkerCall, readonly ['write' | 'each' | 'insert', ...unknown[]]> =>
  call[0] === 'write' || call[0] === 'each' || call[0] === 'insert'

/** A write of several rows, which may break off between two of them. */
function isList(call: WorkerCall): boolean {
  if (call[0] === 'write') return call[3].length > 2
  return (call[0] === 'each' || call[0] === 'insert') && call[4].length > 1
}

/** With `setReturnArrays` the rows are arrays; the types of node:sqlite do not show it. */
const allRows = (statement: StatementSync, params: SqlRow) => statement.all(...params) as unknown as SqlRow[]
const firstRow = (statement: StatementSync, params: SqlRow) => statement.get(...params) as unknown as SqlRow | undefined

/** What the texts and bytes of a row take up: a text counts a byte a character. */
function sizeOf(row: SqlRow): number {
  let size = 0
  for (const value of row) if (typeof value === 'string' || value instanceof Uint8Array) size += value.length
  return size
}

/** Rows up to the one with which they come to `bytes`, and whether there are more. */
function rowsWithin(statement: StatementSync, params: SqlRow, bytes: number): readonly [SqlRow[], boolean] {
  const rows: SqlRow[] = []
  let left = bytes
  for (const row of statement.iterate(...params) as Iterable<unknown> as Iterable<SqlRow>) {
    if (rows.length > 0 && left <= 0) return [rows, true]
    rows.push(row)
    left -= sizeOf(row)
  }
  return [rows, false]
}

function firstRowsWithin(statement: StatementSync, params: readonly SqlRow[], bytes: number): (SqlRow | undefined)[] {
  const rows: (SqlRow | undefined)[] = []
  let left = bytes
  for (const one of params) {
    if (rows.length > 0 && left <= 0) return rows
    const row = firstRow(statement, one)
    rows.push(row)
    if (row) left -= sizeOf(row)
  }
  return rows
}

/** What to do about a file that is locked; SQLite's own text is "database is locked". */
const lockedText = 'another process has this file open; stop that process, or set BELFRY_DATA_DIR to another folder'

/**
 * Opens the file for this process alone, makes it what `settings` say, and brings its schema up to date. Throws a
 * `StorageError`: `locked`, and nothing has changed, while any other process has it open.
 */
export function openFile(
  path: string,
  migrations: readonly Migration[],
  settings: FileSettings,
  crash: CrashPoints,
): SqliteFile {
  if (path !== ':memory:') createPrivateFile(path)
  const db = new DatabaseSync(path, { timeout: settings.busyTimeoutMs })
  try {
    configure(db, settings)
    migrate(db, migrations, crash)
  } catch (error) {
    db.close()
    if (asStorageError(error).code === 'locked') throw new StorageError('locked', lockedText, { cause: error })
    throw error
  }
  const texts = new Map<number, string>()
  const statements = new Map<number, Prepared>()
  let lastCommitMs: number | null = null

  function statement(id: number): Prepared {
    const known = statements.get(id)
    if (known) return known
    const prepared = prepareStatement(db, texts.get(id) ?? '')
    statements.set(id, prepared)
    return prepared
  }

  function selecting(id: number): StatementSync {
    const { run, gives } = statement(id)
    if (gives !== 'selected') throw new StorageError('failed', 'a read must be a SELECT')
    return run
  }

  function runOne(id: number, params: SqlRow): readonly [number, readonly SqlRow[] | null] {
    const { run, gives } = statement(id)
    if (gives === 'nothing') return [Number(run.run(...params).changes), null]
    const rows = allRows(run, params)
    return [gives === 'changed' ? rows.length : 0, rows]
  }

  function runList(list: StatementList): unknown[] {
    const results: unknown[] = []
    for (let at = 0; at < list.length; at += 2) results.push(...runOne(list[at] as number, list[at + 1] as SqlRow))
    return results
  }

  function runEach(id: number, rows: readonly SqlRow[]): unknown {
    const { run, gives } = statement(id)
    if (gives !== 'nothing') return rows.map((row) => firstRow(run, row))
    for (const row of rows) run.run(...row)
    return null
  }

  /** A trigger of the table changes neither count nor number of the statement itself. */
  function insertEach(id: number, rows: readonly SqlRow[]): number[] {
    const { run, gives } = statement(id)
    if (gives !== 'nothing')
      throw new StorageError('failed', 'an insert whose number is asked for must not return rows')
    return rows.map((row) => {
      const { changes, lastInsertRowid } = run.run(...row)
      return changes === 1 ? Number(lastInsertRowid) : leftOut
    })
  }

  function work(call: WorkerCall): unknown {
    switch (call[0]) {
      case 'write':
        return runList(call[3])
      case 'each':
        return runEach(call[3], call[4])
      case 'insert':
        return insertEach(call[3], call[4])
      case 'read':
        return allRows(selecting(call[2]), call[3])
      case 'page':
        return rowsWithin(selecting(call[2]), call[3], call[4])
      case 'get': {
        const run = selecting(call[2])
        if (call[4] !== null) return firstRowsWithin(run, call[3], call[4])
        return call[3].map((row) => firstRow(run, row))
      }
      default:
        return null
    }
  }

  /** Executes one call. When it fails alone, nothing of it is stored and all before it is. */
  function answer(call: WorkerCall, careful: boolean): WorkerAnswer {
    const several = isList(call)
    try {
      if (careful && several) db.exec('SAVEPOINT list')
      const payload = work(call)
      if (careful && several) db.exec('RELEASE list')
      return ['ok', payload]
    } catch (error) {
      if (concernsFile(error) || (isWrite(call) && !db.isTransaction)) throw error
      if (several && !careful) throw halfDone
      if (several) db.exec('ROLLBACK TO list; RELEASE list')
      const { code, message } = asStorageError(error)
      return [code, message]
    }
  }

  function commit(): void {
    const begun = performance.now()
    db.exec('COMMIT')
    lastCommitMs = performance.now() - begun
  }

  /**
   * Savepoints copy every page they touch, and lists hardly ever fail: so the first try goes without them, and only a
   * list that breaks off half-way makes the drain begin again with them.
   */
  function attempt(calls: readonly WorkerCall[], careful: boolean): WorkerAnswer[] {
    const answers: WorkerAnswer[] = []
    try {
      for (const call of calls) {
        if (isWrite(call)) {
          if (!db.isTransaction) db.exec('BEGIN IMMEDIATE')
          if (!careful) crash.at(call[2], 'before')
        }
        answers.push(answer(call, careful))
      }
      if (db.isTransaction) commit()
      return answers
    } catch (error) {
      if (db.isTransaction) db.exec('ROLLBACK')
      if (error === halfDone) return attempt(calls, true)
      const { code, message } = asStorageError(error)
      return calls.map(() => [code, message])
    }
  }

  return {
    prepare: (id, sql) => void texts.set(id, sql),
    drain(calls) {
      lastCommitMs = null
      const answers = attempt(calls, false)
      for (const [index, call] of calls.entries()) {
        if (isWrite(call) && answers[index]?.[0] === 'ok') crash.at(call[2], 'after')
      }
      return answers
    },
    get lastCommitMs() {
      return lastCommitMs
    },
    close: () => db.close(),
  }
}
