import { type ExecutionState, executionStates } from '@belfry/contracts'
import type { SqlRow, SqlValue } from '@belfry/storage/sqlite'
import { type Execution, executionSize, type Pool, type ReadyPool } from '../../executions/execution.ts'
import { executionOf } from '../execution-text.ts'
import type { RowId, Stored } from '../ports.ts'
import { typeNumber } from '../type-number.ts'

/** Numbers of states in the file: their indexes in the contract's list, in which ready and running come first. */
export const stateNumber = (state: ExecutionState): number => executionStates.indexOf(state)
const pools: readonly Pool[] = ['io', 'cpu']
export const poolNumber = (pool: Pool): number => pools.indexOf(pool)
export const poolOfNumber = (number: SqlValue): ReadyPool => pools[number as number] ?? 'other'
/** The greatest number of a pool with slots; above it each job type of the pool `other` has a number of its own. */
export const lastPoolNumber = pools.length - 1
export const typePoolNumber = (jobType: string): number => pools.length + typeNumber(jobType)
export const poolNumberOf = ({ pool, jobType }: Execution): number =>
  pool === 'other' ? typePoolNumber(jobType) : poolNumber(pool)

/**
 * A job or an owner as a number for an index: the last 48 bits of the UUID. Two may share one, so a query for the executions of
 * a job compares the job's id too.
 */
export function idNumber(id: string): number {
  const number = Number.parseInt(id.slice(-12), 16)
  return Number.isNaN(number) ? 0 : number
}

/** The columns that `storedOf` reads, in its order, with the tables under the names e, o (outcomes) and p (largeParams). */
export const storedColumns = `e.n, e.id, e.state, e.pool, e.priority, e.runAt, e.seq, e.epoch, e.owner, e.startedAt,
  e.cancelRequested, e.command, o.body, p.size`

type Columns = [
  n: RowId,
  id: string,
  state: number,
  pool: number,
  priority: number,
  runAt: number,
  seq: number,
  epoch: number,
  owner: string | null,
  startedAt: number | null,
  cancelRequested: number,
  command: string,
  body: string | null,
  paramsSize: number | null,
]

/** The record of one row of `storedColumns`. */
export function storedOf(row: SqlRow): Stored {
  const [
    n,
    id,
    state,
    pool,
    priority,
    runAt,
    seq,
    epoch,
    owner,
    startedAt,
    cancelRequested,
    command,
    body,
    paramsSize,
  ] = row as unknown as Columns
  const execution = executionOf({
    id,
    state: executionStates[state] as ExecutionState,
    pool: poolOfNumber(pool),
    priority,
    runAt,
    seq,
    epoch,
    owner,
    startedAt,
    cancelRequested: cancelRequested === 1,
    command,
    outcome: body,
  })
  return { rowId: n, execution, size: executionSize(execution) + (paramsSize ?? 0) }
}
