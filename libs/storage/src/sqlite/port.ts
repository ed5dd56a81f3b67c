/**
 * What SQLite stores. `undefined`, dates, booleans and numbers that are not finite are refused before the call: node:sqlite
 * binds some of them silently as NULL. It binds every number as REAL: an INTEGER column turns that back, a TEXT column
 * would store `5.0`, so hand texts to TEXT columns.
 */
export type SqlValue = string | number | bigint | null | Uint8Array
export type SqlRow = readonly SqlValue[]

/**
 * A prepared statement of the thread. It belongs to the database that made it; make it once, where the store is
 * made, never per call (the same text gives the same statement, and a database keeps at most 1,000).
 */
export interface Statement {
  readonly sql: string
}

/** One statement with its parameters, by position. */
export interface Call {
  readonly statement: Statement
  readonly params: readonly SqlValue[]
}

export interface CallResult {
  /** What SELECT or RETURNING gave; columns by position. */
  readonly rows: readonly SqlRow[]
  /** Rows that the statement changed. */
  readonly changes: number
}

/** The first rows of a SELECT; `isCut`: there are more, which did not fit. */
export interface RowPage {
  readonly rows: readonly SqlRow[]
  readonly isCut: boolean
}

/**
 * One SQLite file of the store thread. Every method is one message in the turn's array; the thread takes all that wait,
 * executes them in order in one transaction per file, commits once, and then answers.
 * Reads go the same way, so that they see all that was sent before them. What is handed over must not change any more.
 *
 * `verb` names the durable step (`executions.claim`): it is the name of the crash point (`BELFRY_CRASH_AT`) and of the
 * metric. All methods reject with a `StorageError`.
 */
export interface Database {
  statement(sql: string): Statement
  /** All of `calls` or none: a failing one undoes those before it, and the promise rejects. */
  write(verb: string, calls: readonly Call[]): Promise<readonly CallResult[]>
  /**
   * The same statement once per row of parameters, each row an atomic step of its own: the shape of a batch of
   * compare-and-sets. Answers, per row, the first row of RETURNING, or undefined where nothing was changed. A row that
   * violates a constraint rejects the whole batch (and undoes it), so use ON CONFLICT where that can happen.
   */
  writeEach(verb: string, statement: Statement, rows: readonly SqlRow[]): Promise<readonly (SqlRow | undefined)[]>
  /**
   * The same for an INSERT without RETURNING, which costs a third less than one with it. Answers, per row, the number (rowid) that
   * the row was given, or undefined where ON CONFLICT DO NOTHING has left it out.
   */
  insertEach(verb: string, statement: Statement, rows: readonly SqlRow[]): Promise<readonly (number | undefined)[]>
  /** Rows of one SELECT. */
  read(statement: Statement, params: readonly SqlValue[]): Promise<readonly SqlRow[]>
  /**
   * The same up to the row with which its texts and bytes come to `bytes`: at least one row, and at most one row more
   * than fits. The thread reads row by row, so that what is left out costs nothing.
   */
  readPage(statement: Statement, params: readonly SqlValue[], bytes: number): Promise<RowPage>
  /** The first row (or undefined) of one SELECT for each row of parameters: a multi-get. */
  readEach(statement: Statement, rows: readonly SqlRow[]): Promise<readonly (SqlRow | undefined)[]>
  /**
   * The same within `bytes`, by the rule of `readPage`: the answer is as long as the rows of parameters that were worked
   * off, which is one at least where there is one. Ask again for the rest.
   */
  readEachPage(statement: Statement, rows: readonly SqlRow[], bytes: number): Promise<readonly (SqlRow | undefined)[]>
  close(): Promise<void>
}

/** A migration: its number is its position in the list, from 1; never edited once released. */
export interface Migration {
  readonly name: string
  readonly sql: string
}
