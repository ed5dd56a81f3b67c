import { type AttemptRecord, type ExecutionPolicy, type ExecutionState, executionStates } from '@belfry/contracts'
import type { SqlRow, SqlValue } from '@belfry/storage/sqlite'
import { type Execution, executionSize, hasLargeParams, type Pool, unreadParams } from '../../executions/execution.ts'
import type { RowId, Stored } from '../ports.ts'

/** Numbers of states in the file: their indexes in the contract's list, in which ready and running come first. */
export const stateNumber = (state: ExecutionState): number => executionStates.indexOf(state)
const pools: readonly Pool[] = ['io', 'cpu']
export const poolNumber = (pool: Pool): number => pools.indexOf(pool)
export const poolOfNumber = (number: SqlValue): Pool => pools[number as number] as Pool

/**
 * A job or an owner as a number for an index: the last 48 bits of the UUID. Two may share one, so a query for the executions of
 * a job compares the job's id too.
 */
export function idNumber(id: string): number {
  const number = Number.parseInt(id.slice(-12), 16)
  return Number.isNaN(number) ? 0 : number
}

/** What its command decided: the text that is written once for each version. */
type Command = Pick<
  Execution,
  'jobId' | 'ownerId' | 'jobType' | 'version' | 'cause' | 'params' | 'expiresAt' | 'fireAt' | 'arrival' | 'retryOf'
>

/** The same as it is stored: without params when they are large. */
type StoredCommand = Omit<Command, 'params'> & { readonly params: Command['params'] | undefined }

const policyTexts = new WeakMap<ExecutionPolicy, string>()

/** A version's policy is one object for all its commands of a batch, and half of what there is to write. */
function policyText(policy: ExecutionPolicy): string {
  const known = policyTexts.get(policy)
  if (known !== undefined) return known
  const text = JSON.stringify(policy)
  policyTexts.set(policy, text)
  return text
}

/** The text of large params, which stand apart from the command; null for others. */
export function largeParamsText(execution: Execution): string | null {
  return hasLargeParams(execution) ? JSON.stringify(execution.params) : null
}

export function commandText(execution: Execution): string {
  const params = hasLargeParams(execution) ? undefined : execution.params
  const { jobId, ownerId, jobType, version, cause, expiresAt, fireAt, arrival, retryOf } = execution
  const command: StoredCommand = {
    jobId,
    ownerId,
    jobType,
    version,
    cause,
    params,
    expiresAt,
    fireAt,
    arrival,
    retryOf,
  }
  const text = JSON.stringify(command)
  return `{"policy":${policyText(execution.policy)},${text.slice(1)}`
}

/** What an execution has come to so far, but for what stands in columns. The attempt at work stands there too. */
type Outcome = Pick<
  Execution,
  'attempts' | 'inDoubt' | 'failures' | 'losses' | 'blockedBy' | 'result' | 'error' | 'artifacts' | 'endedAt'
>

const noOutcome: Outcome = {
  attempts: [],
  inDoubt: [],
  failures: 0,
  losses: 0,
  blockedBy: null,
  result: null,
  error: null,
  artifacts: [],
  endedAt: null,
}

/** How many attempts have ended: the one at work is not written but made from the columns. */
const endedCount = (execution: Execution) => execution.attempts.length - (execution.state === 'running' ? 1 : 0)

export function outcomeText(execution: Execution): string {
  const { inDoubt, failures, losses, blockedBy, result, error, artifacts, endedAt } = execution
  const attempts = execution.attempts.slice(0, endedCount(execution))
  const outcome: Outcome = { attempts, inDoubt, failures, losses, blockedBy, result, error, artifacts, endedAt }
  return JSON.stringify(outcome)
}

function sameAttempts(a: Execution, b: Execution): boolean {
  const count = endedCount(a)
  if (count !== endedCount(b)) return false
  for (let i = 0; i < count; i++) if (a.attempts[i] !== b.attempts[i]) return false
  return true
}

/** Whether a change reaches the outcome at all; a claim does not. */
export function changesOutcome(from: Execution, to: Execution): boolean {
  return (
    from.endedAt !== to.endedAt ||
    from.failures !== to.failures ||
    from.losses !== to.losses ||
    from.inDoubt !== to.inDoubt ||
    from.blockedBy !== to.blockedBy ||
    from.result !== to.result ||
    from.error !== to.error ||
    from.artifacts !== to.artifacts ||
    !sameAttempts(from, to)
  )
}

/** When the newest epoch in doubt was lost: what the fence's list asks for. */
export const doubtAt = (execution: Execution): number | null => execution.inDoubt.at(-1)?.lostAt ?? null

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
  const stored = JSON.parse(command) as StoredCommand & { policy: ExecutionPolicy }
  const outcome = body === null ? noOutcome : (JSON.parse(body) as Outcome)
  const executor = owner ?? ''
  const open: AttemptRecord = { epoch, executor, startedAt, endedAt: null, outcome: null, error: null }
  const isRunning = executionStates[state] === 'running'
  const execution: Execution = {
    ...stored,
    params: stored.params ?? unreadParams,
    ...outcome,
    attempts: isRunning ? [...outcome.attempts, open] : outcome.attempts,
    id,
    state: executionStates[state] as ExecutionState,
    pool: poolOfNumber(pool),
    priority,
    runAt,
    seq,
    epoch,
    owner,
    cancelRequested: cancelRequested === 1,
  }
  return { rowId: n, execution, size: executionSize(execution) + (paramsSize ?? 0) }
}
