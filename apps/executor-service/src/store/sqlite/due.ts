import type { WorkShare } from '@belfry/storage'
import type { Database, SqlRow } from '@belfry/storage/sqlite'
import type { Pool } from '../../executions/execution.ts'
import type { DueCursor, DueExecution, DueStore, RowId } from '../ports.ts'
import { idNumber, lastPoolNumber, poolNumber, poolOfNumber, typePoolNumber } from './execution-row.ts'

/**
 * `INDEXED BY` keeps a query from falling back to a walk through the table unnoticed. For a sole executor, which is the rule
 * with SQLite, every query reads nothing but the index; the share of one of several is looked up in the rows, since `shard`
 * would make each entry of the index longer.
 */
const ready = 'FROM executions INDEXED BY live WHERE state < 2 AND state = 0'
const anyPriority = 'priority IN (1, 2, 3, 4, 5, 6, 7, 8, 9)'
/** Parameters: how many executors share, the index of this one, and from when on a share is left to all. */
const isOfShare = '(shard % ? = ? OR runAt <= ?)'
/** Parameter: owner numbers as a JSON list. */
const isOfOthers = 'ownerNo NOT IN (SELECT value FROM json_each(?))'

function due(pool: Pool, isMine: string): string {
  return `SELECT * FROM (SELECT n, runAt, pool ${ready} AND pool = ${poolNumber(pool)} AND ${anyPriority} AND runAt <= ?
      AND ${isMine} ORDER BY priority, runAt LIMIT ?)`
}

function coming(pool: Pool, shard: string, isMine: string): string {
  return `SELECT * FROM (SELECT n, runAt, pool FROM (SELECT n, runAt, pool, ownerNo${shard} ${ready} AND pool = ${poolNumber(pool)}
      AND ${anyPriority} AND runAt > ? AND runAt <= ? ORDER BY priority, runAt LIMIT ?)
    WHERE ${isMine} AND ${isOfOthers} LIMIT ?)`
}

/** The columns of the index after `state` and `pool`, and the row: a position in the order of the index. */
const position = 'priority, runAt, ownerNo, n'
/** After a position, what is not due yet included: every entry counts. */
const beyond = `${ready} AND pool = ? AND (${position}) > (?, ?, ?, ?) ORDER BY ${position}`
const cursorOf = (row: SqlRow) => row as unknown as DueCursor
const positionOf = (cursor: DueCursor | null) => (cursor as unknown as SqlRow | null) ?? [0, 0, 0, 0]

const numbersOf = (owners: readonly string[]) => JSON.stringify(owners.map(idNumber))

/** The statements of a sole executor (`shard` is not read), or of one of several. */
function prepare(db: Database, isSole: boolean) {
  const shard = isSole ? '' : ', shard'
  const isMine = isSole ? 'true' : isOfShare
  return {
    soon: db.statement(
      [due('io', isMine), due('cpu', isMine), coming('io', shard, isMine), coming('cpu', shard, isMine)].join(
        ' UNION ALL ',
      ),
    ),
    ofOthers: db.statement(`SELECT ${position} FROM (SELECT ${position}${shard} ${beyond} LIMIT ?)
      WHERE runAt <= ? AND ${isMine} AND ${isOfOthers} LIMIT ?`),
  }
}

/** What is ready and due, in SQLite. */
export function createDueQueries(
  db: Database,
): Pick<DueStore, 'listDue' | 'listDueOfOthers' | 'listDueOfTypes' | 'listExpired'> {
  const sole = prepare(db, true)
  const shared = prepare(db, false)
  const scanEnd = db.statement(`SELECT ${position} ${beyond} LIMIT 1 OFFSET ?`)

  const nextPool = db.statement(`SELECT pool ${ready} AND pool > ? ORDER BY pool LIMIT 1`)
  const ofPool = db.statement(`SELECT n, runAt ${ready} AND pool = ? AND ${anyPriority} AND runAt <= ?
    ORDER BY priority, runAt LIMIT ?`)
  const expired = db.statement(`SELECT n FROM executions INDEXED BY expiring
    WHERE state = 0 AND expiryAt IS NOT NULL AND expiryAt < ? ORDER BY expiryAt LIMIT ?`)

  /** The numbers above those of the slots' pools under which something is ready: a seek for each. */
  async function readyTypes(): Promise<readonly number[]> {
    const found: number[] = []
    for (let after = lastPoolNumber; ; ) {
      const [row] = await db.read(nextPool, [after])
      if (row === undefined) return found
      after = row[0] as number
      found.push(after)
    }
  }

  const statementsOf = ({ instances }: WorkShare) => (instances === 1 ? sole : shared)
  const mineOf = ({ instances, index, overdueAt }: WorkShare) => (instances === 1 ? [] : [instances, index, overdueAt])

  return {
    async listDue({ now, until, due, coming, saturated, scan, share }) {
      const mine = mineOf(share)
      const entries = scan + coming * share.instances
      const later = [now, until, entries, ...mine, numbersOf(saturated), coming]
      const params = [now, ...mine, due.io, now, ...mine, due.cpu, ...later, ...later]
      const rows = await db.read(statementsOf(share).soon, params)
      return rows.map(([n, runAt, pool]) => ({
        rowId: n as RowId,
        runAt: runAt as number,
        pool: poolOfNumber(pool as number),
      }))
    },
    async listDueOfTypes({ types, until, limit }) {
      const present = await readyTypes()
      if (present.length === 0) return []
      const known = new Set(types.map(typePoolNumber))
      const mine = present.filter((one) => known.has(one))
      const rows = (await Promise.all(mine.map((pool) => db.read(ofPool, [pool, until, limit])))).flat()
      return rows.map(([n, runAt]) => ({ rowId: n as RowId, runAt: runAt as number, pool: 'other' }))
    },
    async listExpired(now, limit) {
      return (await db.read(expired, [now, limit])).map(([n]) => n as RowId)
    },
    async listDueOfOthers({ pool, now, passOver, after, scan, limit, share }) {
      const from = [poolNumber(pool), ...positionOf(after)]
      const [rows, [end]] = await Promise.all([
        db.read(statementsOf(share).ofOthers, [...from, scan, now, ...mineOf(share), numbersOf(passOver), limit]),
        db.read(scanEnd, [...from, scan - 1]),
      ])
      const found = rows.map(([, runAt, , n]): DueExecution => ({ rowId: n as RowId, runAt: runAt as number, pool }))
      const last = rows.length === limit ? rows.at(-1) : end
      return { rows: found, next: last ? cursorOf(last) : null }
    },
  }
}
