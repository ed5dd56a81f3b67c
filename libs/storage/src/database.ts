import { checkParams } from './door.ts'
import type { Exchange } from './exchange.ts'
import { type Call, type CallResult, type Database, type SqlRow, type Statement, StorageError } from './port.ts'
import type { WireCall } from './wire.ts'

/** Different statements one database keeps; more means that SQL is built per call. */
const statementsLimit = 1000

type FirstRow = SqlRow | undefined

/** Gives each statement its number, and knows which are its own. */
function createStatements(file: number, exchange: Exchange) {
  const ids = new Map<Statement, number>()
  const bySql = new Map<string, Statement>()

  function statement(sql: string): Statement {
    const known = bySql.get(sql)
    if (known) return known
    if (ids.size >= statementsLimit) throw new StorageError('failed', `more than ${statementsLimit} statements`)
    const made = { sql }
    exchange.introduce([file, ids.size, sql])
    ids.set(made, ids.size)
    bySql.set(sql, made)
    return made
  }

  /** The statement's number, once all parameters for it have been looked at. */
  function checked(of: Statement, rows: readonly SqlRow[]): number {
    const id = ids.get(of)
    if (id === undefined) throw new StorageError('failed', `this statement is of another database: ${of.sql}`)
    for (const row of rows) checkParams(of.sql, row)
    return id
  }

  return { statement, checked }
}

/** `[changes, rows or null, …]` as one result per statement. */
function asResults(flat: readonly (number | readonly SqlRow[] | null)[]): CallResult[] {
  const results: CallResult[] = []
  for (let at = 0; at < flat.length; at += 2) {
    results.push({ changes: flat[at] as number, rows: (flat[at + 1] as readonly SqlRow[] | null) ?? [] })
  }
  return results
}

/** The port over file number `file` of the thread. `onClose` is called once it is closed. */
export function createDatabase(file: number, exchange: Exchange, onClose: (self: Database) => void): Database {
  const { statement, checked } = createStatements(file, exchange)
  let last: Promise<unknown> = Promise.resolve()
  let closed: Promise<void> | null = null

  function ask<T>(call: WireCall, rows: number): Promise<T> {
    if (closed) return Promise.reject(new StorageError('closed', 'the database is closed'))
    const answer = exchange.ask<T>(call, rows)
    last = answer
    return answer
  }

  /** Answers come in order: when the last call has its own, nothing of this file is under way. */
  async function close(): Promise<void> {
    await last.catch(() => undefined)
    await exchange.ask(['close', file], 0)
    onClose(self)
  }

  const self: Database = {
    statement,
    async write(verb, calls: readonly Call[]) {
      if (calls.length === 0) return []
      const list = calls.flatMap((call) => [checked(call.statement, [call.params]), call.params])
      return asResults(await ask(['write', file, verb, list], calls.length))
    },
    async writeEach(verb, of, rows) {
      if (rows.length === 0) return []
      const first = await ask<FirstRow[] | null>(['each', file, verb, checked(of, rows), rows], rows.length)
      return first ?? new Array<undefined>(rows.length).fill(undefined)
    },
    async read(of, params) {
      return ask<SqlRow[]>(['read', file, checked(of, [params]), params], 1)
    },
    async readPage(of, params, bytes) {
      const [rows, isCut] = await ask<[SqlRow[], boolean]>(['page', file, checked(of, [params]), params, bytes], 1)
      return { rows, isCut }
    },
    async readEach(of, rows) {
      if (rows.length === 0) return []
      return ask<FirstRow[]>(['get', file, checked(of, rows), rows, null], rows.length)
    },
    async readEachPage(of, rows, bytes) {
      if (rows.length === 0) return []
      return ask<FirstRow[]>(['get', file, checked(of, rows), rows, bytes], rows.length)
    },
    close() {
      closed ??= close()
      return closed
    },
  }
  return self
}
