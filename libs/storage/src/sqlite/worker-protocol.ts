import type { StorageErrorCode } from '../errors.ts'
import type { SqlRow } from './port.ts'

/**
 * The messages between the main loop and the store thread: plain nested arrays of strings and numbers, one message a turn of
 * the event loop (measured: an object costs four times as much to clone, a flat array twice as much as nested rows).
 */

/** `[statement, parameters, statement, parameters, …]` */
export type StatementList = readonly (number | SqlRow)[]

export type WorkerCall =
  | readonly [kind: 'open', file: number, path: string, migrations: readonly (readonly [name: string, sql: string])[]]
  | readonly [kind: 'close', file: number]
  | readonly [kind: 'write', file: number, verb: string, list: StatementList]
  | readonly [kind: 'each', file: number, verb: string, statement: number, rows: readonly SqlRow[]]
  | readonly [kind: 'insert', file: number, verb: string, statement: number, rows: readonly SqlRow[]]
  | readonly [kind: 'read', file: number, statement: number, params: SqlRow]
  | readonly [kind: 'page', file: number, statement: number, params: SqlRow, bytes: number]
  | readonly [kind: 'get', file: number, statement: number, rows: readonly SqlRow[], bytes: number | null]

/** A statement that the thread has not seen yet; it comes before the first call that uses it. */
export type WorkerStatement = readonly [file: number, statement: number, sql: string]

/** All calls of one turn. `rows` counts against the limits. */
export type WorkerTurn = readonly [rows: number, statements: readonly WorkerStatement[], calls: readonly WorkerCall[]]

/**
 * `write`: `[changes, rows or null, …]` per statement · `each`: first rows, or null when the statement returns none · `insert`: the
 * number of each row, or `leftOut` ·
 * `read`: rows · `page`: `[rows, whether there are more]` · `get`: first rows. Otherwise the code of a `StorageError` and its message.
 */
export type WorkerAnswer = readonly ['ok', payload: unknown] | readonly [StorageErrorCode, message: string]

/** In the place of a row's number: nothing was inserted. SQLite counts rows from 1. */
export const leftOut = 0

/** The answers to all calls of the turns that one drain took, in their order, and what the drain cost. */
export type WorkerDrain = readonly [turns: number, commits: number, commitMs: number, answers: readonly WorkerAnswer[]]

/** What the thread is started with. */
export interface ThreadSettings {
  readonly crashAt: string | null
  readonly drainRowsLimit: number
  readonly file: FileSettings
}

/** How each file is opened. */
export interface FileSettings {
  readonly busyTimeoutMs: number
  readonly checkpointPages: number
  readonly cacheKib: number
}
