import { StorageError } from '../errors.ts'
import { checkParams } from './check-params.ts'
import type { Call, CallResult, Database, SqlRow, Statement } from './port.ts'
import type { WorkerClient } from './worker-client.ts'
import { leftOut, type WorkerCall } from './worker-protocol.ts'

/** Different statements one database keeps; more means that SQL is built per call. */
const statementsLimit = 1000

type FirstRow = SqlRow | undefined

/** Numbers the statements of one database and rejects those of others. */
function createStatements(file: number, client: WorkerClient) {
  const ids = new Map<Statement, number>()
  const bySql = new Map<string, Statement>()

  function statement(sql: string): Statement {
    const known = bySql.get(sql)
    if (known) return known
    if (ids.size >= statementsLimit) throw new StorageError('failed', `more than ${statementsLimit} statements`)
    const made = { sql }
    client.introduce([file, ids.size, sql])
    ids.set(made, ids.size)
    bySql.set(sql, made)
    return made
  }

  /** The statement's number, and what its parameters take up, bytes, once all of them have been looked at. */
  function checked(of: Statement, rows: readonly SqlRow[]): readonly [id: number, bytes: number] {
    const id = ids.get(of)
    if (id === undefined) throw new StorageError('failed', `this statement is of another database: ${of.sql}`)
    let bytes = 0
    for (const row of rows) bytes += checkParams(of.sql, row)
    return [id, bytes]
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
export function createDatabase(file: number, client: WorkerClient, onClose: (self: Database) => void): Database {
  const { statement, checked } = createStatements(file, client)
  let last: Promise<unknown> = Promise.resolve()
  let closed: Promise<void> | null = null

  function ask<T>(call: WorkerCall, rows: number, bytes: number): Promise<T> {
    if (closed) return Promise.reject(new StorageError('closed', 'the database is closed'))
    const answer = client.ask<T>(call, rows, bytes)
    last = answer
    return answer
  }

  /** Answers come in order: when the last call has its own, nothing of this file is under way. */
  async function close(): Promise<void> {
    await last.catch(() => undefined)
    await client.ask(['close', file], 0, 0)
    onClose(self)
  }

  const self: Database = {
    statement,
    async write(verb, calls: readonly Call[]) {
      if (calls.length === 0) return []
      let size = 0
      const list = calls.flatMap((call) => {
        const [id, bytes] = checked(call.statement, [call.params])
        size += bytes
        return [id, call.params]
      })
      return asResults(await ask(['write', file, verb, list], calls.length, size))
    },
    async writeEach(verb, of, rows) {
      if (rows.length === 0) return []
      const [id, bytes] = checked(of, rows)
      const first = await ask<FirstRow[] | null>(['each', file, verb, id, rows], rows.length, bytes)
      return first ?? new Array<undefined>(rows.length).fill(undefined)
    },
    async insertEach(verb, of, rows) {
      if (rows.length === 0) return []
      const [id, bytes] = checked(of, rows)
      const numbers = await ask<readonly number[]>(['insert', file, verb, id, rows], rows.length, bytes)
      return numbers.map((number) => (number === leftOut ? undefined : number))
    },
    async read(of, params) {
      const [id, size] = checked(of, [params])
      return ask<SqlRow[]>(['read', file, id, params], 1, size)
    },
    async readPage(of, params, bytes) {
      const [id, size] = checked(of, [params])
      const [rows, isCut] = await ask<[SqlRow[], boolean]>(['page', file, id, params, bytes], 1, size)
      return { rows, isCut }
    },
    async readEach(of, rows) {
      if (rows.length === 0) return []
      const [id, size] = checked(of, rows)
      return ask<FirstRow[]>(['get', file, id, rows, null], rows.length, size)
    },
    async readEachPage(of, rows, bytes) {
      if (rows.length === 0) return []
      const [id, size] = checked(of, rows)
      return ask<FirstRow[]>(['get', file, id, rows, bytes], rows.length, size)
    },
    close() {
      closed ??= close()
      return closed
    },
  }
  return self
}
