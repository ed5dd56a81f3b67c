import type { Database, SqlValue, Statement } from '@belfry/storage/sqlite'
import { type ExecutionScope, type ExecutionStore, type ExecutionsQuery, mostSharedJobs } from '../ports.ts'
import { readSummary, summaryColumns } from './execution-rows.ts'

const ownerNo = '(SELECT n FROM owners WHERE id = ?3)'

/** What did not succeed (`executionStatuses` from FAILED on): few, so that they have indexes of their own. */
const unwell = 'status >= 4'

interface Order {
  /** Behind the position, within the other bound, and in order, for rows under this name. */
  readonly behind: (row: string) => string
  readonly sorted: (row: string) => string
}

/** The row number parts what is due at the same millisecond. */
const newestFirst: Order = {
  behind: (row) => `(${row}.fireAt, ${row}.n) < (?4, ?5) AND ${row}.fireAt >= ?6`,
  sorted: (row) => `ORDER BY ${row}.fireAt DESC, ${row}.n DESC LIMIT ?7`,
}
const oldestFirst: Order = {
  behind: (row) => `(${row}.fireAt, ${row}.n) > (?4, ?5) AND ${row}.fireAt <= ?6`,
  sorted: (row) => `ORDER BY ${row}.fireAt, ${row}.n LIMIT ?7`,
}

/** By one index each. */
const listOf = (scope: string, { behind, sorted }: Order, index?: string) => `SELECT ${summaryColumns}
  FROM executions ${index ? `INDEXED BY ${index}` : ''}
  WHERE ${scope} AND ${behind('executions')} ${sorted('executions')}`

/** Of each shared job the first rows by its index, and of these the first ones. */
const listOfViewer = ({ behind, sorted }: Order) => `SELECT ${summaryColumns}
  FROM (SELECT jobNo AS sharedNo FROM viewers WHERE viewerNo = ${ownerNo} ORDER BY jobNo DESC LIMIT ${mostSharedJobs})
  JOIN executions ON executions.n IN (SELECT x.n FROM executions x WHERE x.jobNo = sharedNo AND ${behind('x')} ${sorted('x')})
  ${sorted('executions')}`

function prepare(db: Database, order: Order) {
  return {
    ofOwner: db.statement(listOf(`ownerNo = ${ownerNo}`, order)),
    unwellOfOwner: db.statement(listOf(`${unwell} AND ownerNo = ${ownerNo}`, order, 'executionsUnwell')),
    failedOfOwner: db.statement(listOf(`status = 4 AND isRetried IS NULL AND ownerNo = ${ownerNo}`, order)),
    ofJob: db.statement(listOf('jobNo = ?3', order)),
    ofViewer: db.statement(listOfViewer(order)),
    ofAll: db.statement(listOf('?3 IS NULL', order)),
    unwellOfAll: db.statement(listOf(`${unwell} AND ?3 IS NULL`, order, 'executionsUnwellOfAll')),
  }
}
type Lists = ReturnType<typeof prepare>

function scoped(lists: Lists, scope: ExecutionScope, isUnwell: boolean): [Statement, SqlValue] {
  if (scope === 'all') return [isUnwell ? lists.unwellOfAll : lists.ofAll, null]
  if ('jobRowId' in scope) return [lists.ofJob, scope.jobRowId]
  if ('viewerId' in scope) return [lists.ofViewer, scope.viewerId]
  if ('failed' in scope) return [lists.failedOfOwner, scope.ownerId]
  return [isUnwell ? lists.unwellOfOwner : lists.ofOwner, scope.ownerId]
}

const farthest = Number.MAX_SAFE_INTEGER

/** Where a list begins, and its other bound. */
function boundsOf({ after, from = 0, to = farthest - 1, isOldestFirst }: ExecutionsQuery): SqlValue[] {
  const at = Number(after?.[0])
  if (isOldestFirst) return after && at >= from ? [...after, to] : [from - 1, farthest, to]
  return after && at <= to ? [...after, from] : [to + 1, 0, from]
}

/** `listSummaries` on the tables `executions` and `viewers`. */
export function createExecutionLists(db: Database): ExecutionStore['listSummaries'] {
  const [down, up] = [prepare(db, newestFirst), prepare(db, oldestFirst)]
  return async (scope, query) => {
    const { fields, limit, isOldestFirst, isUnwell = false, withJob } = query
    const [statement, whose] = scoped(isOldestFirst ? up : down, scope, isUnwell)
    const flags = [fields.includes('params') ? 1 : 0, fields.includes('result') ? 1 : 0]
    const rows = await db.read(statement, [...flags, whose, ...boundsOf(query), limit, withJob ? 1 : 0])
    return rows.map(readSummary)
  }
}
