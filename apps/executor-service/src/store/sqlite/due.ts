import type { Database, SqlRow } from '@belfry/storage/sqlite'
import type { Pool } from '../../executions/execution.ts'
import type { DueCursor, DueExecution, ExecutionStore } from '../ports.ts'
import { idNumber, poolNumber, poolOfNumber } from './execution-row.ts'

/** `INDEXED BY` keeps a query from falling back to a walk through the table unnoticed. Every query reads the index alone. */
const ready = 'FROM executions INDEXED BY live WHERE state < 2 AND state = 0'
const anyPriority = 'priority IN (1, 2, 3, 4, 5, 6, 7, 8, 9)'
/** Parameters: the executor's place among how many, and from when on a share is left to anyone. */
const isMine = '(n % ? = ? OR runAt <= ?)'
/** Parameter: owner numbers as a JSON list. */
const isBeside = 'ownerNo NOT IN (SELECT value FROM json_each(?))'

function due(pool: Pool): string {
  return `SELECT * FROM (SELECT n, runAt, pool ${ready} AND pool = ${poolNumber(pool)} AND ${anyPriority} AND runAt <= ?
      AND ${isMine} ORDER BY priority, runAt LIMIT ?)`
}

function coming(pool: Pool): string {
  return `SELECT * FROM (SELECT n, runAt, pool FROM (SELECT n, runAt, pool, ownerNo ${ready} AND pool = ${poolNumber(pool)}
      AND ${anyPriority} AND runAt > ? AND runAt <= ? ORDER BY priority, runAt LIMIT ?)
    WHERE ${isMine} AND ${isBeside} LIMIT ?)`
}

/** After a cursor in the order of the index, what is not due yet included: every entry counts. */
const beyond = `${ready} AND pool = ? AND (priority, runAt, ownerNo, n) > (?, ?, ?, ?) ORDER BY priority, runAt, ownerNo, n`

const numbersOf = (owners: readonly string[]) => JSON.stringify(owners.map(idNumber))

const cursorOf = (row: SqlRow) => row.slice(0, 4) as unknown as DueCursor
const first: DueCursor = [0, 0, 0, 0]

/** What is ready and due, in SQLite. */
export function createDueQueries(db: Database): Pick<ExecutionStore, 'listDue' | 'listDueOfOthers'> {
  const soon = db.statement([due('io'), due('cpu'), coming('io'), coming('cpu')].join(' UNION ALL '))
  const beside =
    db.statement(`SELECT priority, runAt, ownerNo, n FROM (SELECT priority, runAt, ownerNo, n ${beyond} LIMIT ?)
    WHERE runAt <= ? AND ${isMine} AND ${isBeside} LIMIT ?`)
  const scanEnd = db.statement(`SELECT priority, runAt, ownerNo, n ${beyond} LIMIT 1 OFFSET ?`)

  return {
    async listDue({ now, until, due, coming, saturated, scan, share }) {
      const mine = [share.executors, share.index, share.overdueAt]
      const entries = scan + coming * share.executors
      const later = [now, until, entries, ...mine, numbersOf(saturated), coming]
      const rows = await db.read(soon, [now, ...mine, due.io, now, ...mine, due.cpu, ...later, ...later])
      return rows.map(([n, runAt, pool]) => ({
        rowId: n as number,
        runAt: runAt as number,
        pool: poolOfNumber(pool as number),
      }))
    },
    async listDueOfOthers({ pool, now, passOver, after, scan, limit, share }) {
      const from = [poolNumber(pool), ...(after ?? first)]
      const mine = [share.executors, share.index, share.overdueAt]
      const [rows, [end]] = await Promise.all([
        db.read(beside, [...from, scan, now, ...mine, numbersOf(passOver), limit]),
        db.read(scanEnd, [...from, scan - 1]),
      ])
      const found = rows.map(([, runAt, , n]): DueExecution => ({ rowId: n as number, runAt: runAt as number, pool }))
      const last = rows.length === limit ? rows.at(-1) : end
      return { found, next: last ? cursorOf(last) : null }
    },
  }
}
